"""struct stat, statx and statfs as an arm64 kernel lays them out.

Facts: include/uapi/asm-generic/stat.h (struct stat, 128 bytes), include/uapi/linux/stat.h
(struct statx, 256 bytes), include/uapi/asm-generic/statfs.h (struct statfs, 120 bytes).
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass

from uprobe_linux.fs.nodes import PROC_DEVICE, HostNode, Node, VDevice, VDir, VLink, VNode

__all__ = (
    "STAT_SIZE",
    "Status",
    "of_node",
    "of_result",
    "of_virtual",
    "pack_stat",
    "pack_statx",
    "virtual_statfs",
)

STAT_SIZE = 128
_STAT = struct.Struct("<QQIIIIQQqiiqqQqQqQII")
_STATX_HEAD = struct.Struct("<IIQIIIHHQQQQ")
_STATX_TIME = struct.Struct("<qIi")
STATX_BASIC_STATS = 0x7FF
PROC_SUPER_MAGIC = 0x9FA0
TMPFS_MAGIC = 0x01021994
_STATFS = struct.Struct("<qqQQQQQiiqqq4q")


@dataclass(frozen=True, slots=True)
class Status:
    """Metadata of a file; times in nanoseconds since 1970, *blocks* in units of 512 bytes."""

    dev: int
    ino: int
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blksize: int
    blocks: int
    atime: int
    mtime: int
    ctime: int


def of_result(result: os.stat_result) -> Status:
    """The host's answer."""
    return Status(
        result.st_dev,
        result.st_ino,
        result.st_mode,
        result.st_nlink,
        result.st_uid,
        result.st_gid,
        result.st_rdev,
        result.st_size,
        result.st_blksize,
        result.st_blocks,
        result.st_atime_ns,
        result.st_mtime_ns,
        result.st_ctime_ns,
    )


def of_virtual(node: VNode, now: int) -> Status:
    """Metadata of a node of ours: empty, 1024-byte blocks, as procfs shows itself; *now* in ns since 1970."""
    links = 2 if isinstance(node, VDir) else 1
    rdev = node.rdev if isinstance(node, VDevice) else 0
    size = _link_size(node) if isinstance(node, VLink) else 0
    return Status(
        PROC_DEVICE, node.inode, node.mode, links, node.uid, node.gid, rdev, size, 1024, 0, now, now, now
    )


def _link_size(link: VLink) -> int:
    """procfs shows 64 for the links of /proc/PID/fd and 0 for the others; elsewhere it is
    the text's length.
    """
    if link.reopen is not None:
        return 64
    return 0 if link.path.startswith("/proc") else len(os.fsencode(link.target()))


def of_node(node: Node, now: int) -> Status:
    """Metadata of what a look-up found; raises OSError."""
    return of_result(node.stat()) if isinstance(node, HostNode) else of_virtual(node, now)


def pack_stat(s: Status) -> bytes:
    """struct stat: dev ino mode nlink uid gid rdev pad size blksize pad blocks atime mtime ctime unused."""
    return _STAT.pack(
        s.dev,
        s.ino,
        s.mode,
        s.nlink & 0xFFFF_FFFF,
        s.uid,
        s.gid,
        s.rdev,
        0,
        s.size,
        s.blksize,
        0,
        s.blocks,
        *_time(s.atime),
        *_time(s.mtime),
        *_time(s.ctime),
        0,
        0,
    )


def _time(nanoseconds: int) -> tuple[int, int]:
    return divmod(nanoseconds, 1_000_000_000)


def pack_statx(s: Status) -> bytes:
    """struct statx with the basic fields, for nodes of ours and hosts without statx(2)."""
    head = _STATX_HEAD.pack(
        STATX_BASIC_STATS, s.blksize, 0, s.nlink, s.uid, s.gid, s.mode, 0, s.ino, s.size, s.blocks, 0
    )
    times = b"".join(_STATX_TIME.pack(*_time(t), 0) for t in (s.atime, 0, s.ctime, s.mtime))
    numbers = (os.major(s.rdev), os.minor(s.rdev), os.major(s.dev), os.minor(s.dev))
    return (head + times + struct.pack("<4I", *numbers)).ljust(256, b"\0")


def virtual_statfs(path: str) -> bytes:
    """struct statfs for nodes of ours: a procfs below /proc, an empty tmpfs elsewhere."""
    magic = PROC_SUPER_MAGIC if path.startswith("/proc") else TMPFS_MAGIC
    return _STATFS.pack(magic, 4096, 0, 0, 0, 0, 0, 0, 0, 255, 4096, 0x20, 0, 0, 0, 0)


assert _STAT.size == STAT_SIZE
assert stat.S_IFMT(0o100644) == stat.S_IFREG
