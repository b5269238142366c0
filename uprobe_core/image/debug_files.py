"""The separate debug file of a stripped program, where distributions and debuggers agree that it is.

By the build's identity under /usr/lib/debug/.build-id, else by the name in
.gnu_debuglink, whose checksum must fit (GDB manual, "Separate Debug Files").
Paths are the guest's, so it is looked for in the sysroot.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import partial

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import ElfFile
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.image.guest_files import GuestFiles

__all__ = ("debug_file",)

_ROOT = "/usr/lib/debug"
_CHUNK = 1 << 20


def debug_file(image: ElfFile, path: str, files: GuestFiles) -> ElfImage | None:
    """What belongs to *image*, which the guest calls *path*; None if there is none."""
    for name, checksum in _candidates(image, path):
        status = files(name)
        if status.errno_name or not status.regular:
            continue
        if checksum is not None and _checksum(status.host_path) != checksum:
            continue
        try:
            found = ElfImage(status.host_path)
        except TargetError:
            continue
        if checksum is not None or found.build_id == image.build_id:
            return found
        found.close()
    return None


def _candidates(image: ElfFile, path: str) -> Iterator[tuple[str, int | None]]:
    """(guest path, checksum that it must have or None) in the order in which they are tried."""
    if len(image.build_id) > 2:
        yield f"{_ROOT}/.build-id/{image.build_id[:2]}/{image.build_id[2:]}.debug", None
    link = image.section(".gnu_debuglink")
    if link is None:
        return
    data = image.bytes_of(link)
    name = data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if len(data) < 8 or not name or "/" in name:
        return
    checksum = struct.unpack("<I", data[-4:])[0]
    folder = path.rsplit("/", 1)[0]
    for place in (folder, f"{folder}/.debug", f"{_ROOT}{folder}"):
        if f"{place}/{name}" != path:
            yield f"{place}/{name}", checksum


def _checksum(path: str) -> int:
    value = 0
    try:
        with open(path, "rb") as file:
            for chunk in iter(partial(file.read, _CHUNK), b""):
                value = zlib.crc32(chunk, value)
    except OSError:
        return -1
    return value
