"""Which file a UNIX socket was bound to, as the host's kernel knows it: no name can be moved in between.

Facts: include/uapi/linux/{netlink,sock_diag,unix_diag}.h, net/unix/diag.c.
"""

from __future__ import annotations

import os
import socket
import struct

__all__ = ("bound_inode",)

_SOCK_DIAG, _BY_FAMILY, _REQUEST, _SHOW_VFS, _VFS = 4, 20, 1, 2, 1
_HEADER, _MESSAGE = struct.Struct("=IHHII"), 16
"""struct nlmsghdr; struct unix_diag_msg has as many bytes."""
_ANY = 0xFFFF_FFFF


def bound_inode(fd: int) -> tuple[int, int] | None:
    """Device (major << 20 | minor) and low 32 bits of the inode that *fd* is bound to; None: not known."""
    number = os.fstat(fd).st_ino
    wanted = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, _ANY, number, _SHOW_VFS, _ANY, _ANY)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
            kernel.settimeout(1)
            kernel.sendto(
                _HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _REQUEST, 1, 0) + wanted, (0, 0)
            )
            answer = kernel.recv(4096)
    except OSError:  # the host's kernel was built without it
        return None
    return _in_attributes(answer[_HEADER.size + _MESSAGE :]) if answer[4:6] == struct.pack("=H", 20) else None


def _in_attributes(data: bytes) -> tuple[int, int] | None:
    """The attribute that says it, of struct nlattr after struct nlattr."""
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        if kind == _VFS:
            inode, device = struct.unpack_from("=II", data, 4)
            return device, inode
        data = data[max(size + 3 & ~3, 4) :]
    return None
