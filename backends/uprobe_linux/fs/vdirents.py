"""struct linux_dirent64 records for folders of ours (include/linux/dirent.h)."""

from __future__ import annotations

import errno
import os
import stat
import struct

from uprobe_linux.fs.nodes import VDir, VNode

__all__ = ("pack_entries", "pack_record", "record_names")

_HEAD = struct.Struct("<QqHB")
_HEAD_SIZE = 19


def pack_record(name: str, inode: int, file_type: int, following: int) -> bytes:
    """One record; *following* is the position after it, *file_type* a DT_* number. Padded to 8 bytes."""
    raw = os.fsencode(name) + b"\0"
    length = (_HEAD_SIZE + len(raw) + 7) & ~7
    return (_HEAD.pack(inode, following, length, file_type) + raw).ljust(length, b"\0")


def pack_entries(folder: VDir, start: int, size: int) -> tuple[bytes, int]:
    """Records of *folder* from listing position *start*, at most *size* bytes; and the position after them.

    Raises OSError(EINVAL) when there is a record left but no room for it.
    """
    names = [".", "..", *folder.names()]
    out = b""
    position = start
    for name in names[start:]:
        record = pack_record(name, *_identity(folder, name), position + 1)
        if len(out) + len(record) > size:
            if not out:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            break
        out += record
        position += 1
    return out, position


def _identity(folder: VDir, name: str) -> tuple[int, int]:
    """(inode number, DT_* type) of a child."""
    if name in (".", ".."):
        return folder.inode, 4
    child = folder.lookup(name) or VNode(stat.S_IFDIR)
    child.path = f"{folder.path.rstrip('/')}/{name}"
    return child.inode, stat.S_IFMT(child.mode) >> 12


def record_names(records: bytes) -> set[str]:
    """The names in host records."""
    names = set()
    position = 0
    while position < len(records):
        length = struct.unpack_from("<H", records, position + 16)[0]
        names.add(os.fsdecode(records[position + _HEAD_SIZE : position + length].split(b"\0")[0]))
        position += length
    return names
