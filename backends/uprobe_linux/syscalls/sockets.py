"""Making, binding and connecting sockets (net/socket.c).

AF_UNIX paths are resolved inside the sandbox, abstract names carry a prefix of
the run, and internet sockets live in the run's private network unless the user
allowed the host's (``--allow-net``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.fs.descriptors import stream
from uprobe_linux.syscalls.socket_addresses import guest_address, host_address
from uprobe_linux.syscalls.support import fail, files, ready, wait_for
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("host_socket", "socket_entry")

SOCK_TYPES, SOCK_FLAGS = 0xF, oflags.G_NONBLOCK | oflags.G_CLOEXEC
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_RAW, SOCK_PACKET, SOCK_MAX = 3, 10, 11
ADDRESS_MAX = 128
SOL_SOCKET = 1


def socket_entry(task: LinuxTask, fd: int) -> Descriptor:
    """The entry of a socket descriptor; EBADF, ENOTSOCK."""
    entry = files(task).usable(s32(fd))
    if not is_socket(entry):
        raise fail(errno.ENOTSOCK)
    return entry


def is_socket(entry: Descriptor) -> bool:
    """Whether the entry is one; asked of the host, so that inherited sockets count."""
    return entry.file.path.startswith("socket:")


def host_socket(task: LinuxTask, family: int, kind: int, protocol: int) -> int:
    """A host descriptor for socket(2) in the network that the guest may see."""
    if kind >= SOCK_MAX:
        raise fail(errno.EINVAL)
    if family not in (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK) and not task.machine.target.allow_net:
        raise fail(errno.EAFNOSUPPORT)
    if kind in (SOCK_RAW, SOCK_PACKET) and family in (AF_INET, AF_INET6):
        raise fail(errno.EPERM)
    if family == AF_UNIX or task.machine.target.allow_net or task.machine.target.isolated:
        made = socket.socket(family, kind, protocol)
        return made.detach()
    fd: int = task.machine.network.make(family, kind, protocol)
    return fd


@syscall("socket")
def sys_socket(task: LinuxTask, family: int, kind: int, protocol: int) -> int:
    """socket(2)."""
    family, kind, protocol = s32(family), s32(kind), s32(protocol)
    if kind & ~(SOCK_TYPES | SOCK_FLAGS):
        raise fail(errno.EINVAL)
    if not 0 <= family < 46:
        raise fail(errno.EAFNOSUPPORT)
    files(task).room_for_one()
    return _install(task, host_socket(task, family, kind & SOCK_TYPES, protocol), kind)


def _install(task: LinuxTask, host: int, kind: int) -> int:
    file = stream(host, f"socket:[{os.fstat(host).st_ino}]", nonblocking=bool(kind & oflags.G_NONBLOCK))
    return files(task).install(file, host, cloexec=bool(kind & oflags.G_CLOEXEC))


@syscall("socketpair")
def sys_socketpair(task: LinuxTask, family: int, kind: int, protocol: int, address: int) -> int:
    """socketpair(2): AF_UNIX only."""
    kind = s32(kind)
    if kind & ~(SOCK_TYPES | SOCK_FLAGS):
        raise fail(errno.EINVAL)
    files(task).room_for(2)
    task.process.memory.write(address, bytes(8))
    if kind & SOCK_TYPES >= SOCK_MAX:
        raise fail(errno.EINVAL)
    if s32(family) != AF_UNIX:
        raise fail(errno.EOPNOTSUPP if s32(family) in (AF_INET, AF_INET6) else errno.EAFNOSUPPORT)
    pair = socket.socketpair(AF_UNIX, kind & SOCK_TYPES, s32(protocol))
    fds = [_install(task, end.detach(), kind) for end in pair]
    task.process.memory.write(address, struct.pack("<ii", *fds))
    return 0


def read_address(task: LinuxTask, address: int, size: int) -> bytes:
    """A socket address argument; EINVAL for sizes that no address has."""
    if not 0 <= s32(size) <= ADDRESS_MAX:
        raise fail(errno.EINVAL)
    return task.process.memory.read(address, s32(size)) if s32(size) else b""


def write_address(task: LinuxTask, raw: bytes, address: int, size_at: int) -> None:
    """Store an address as getsockname does: cut to the room given, its full size in *size_at*."""
    if not address and not size_at:
        return
    memory = task.process.memory
    room = s32(memory.read_u32(size_at))
    if room < 0:
        raise fail(errno.EINVAL)
    memory.write(address, raw[:room])
    memory.write_u32(size_at, len(raw))


@syscall("bind")
def sys_bind(task: LinuxTask, fd: int, address: int, size: int) -> int:
    """bind(2)."""
    entry = socket_entry(task, fd)
    with host_address(task, read_address(task, address, size), binding=entry.host) as raw:
        hostcalls.call("bind", entry.host, raw, len(raw))
    return 0


@syscall("connect")
def sys_connect(task: LinuxTask, fd: int, address: int, size: int) -> int:
    """connect(2): the host's never blocks; a blocking guest waits for the outcome."""
    if task.wait is not None:
        return _connected(task, socket_entry(task, fd))
    files(task).usable(s32(fd))
    target = read_address(task, address, size)
    entry = socket_entry(task, fd)
    with host_address(task, target) as raw:
        try:
            hostcalls.call("connect", entry.host, raw, len(raw))
        except OSError as error:
            if entry.file.nonblocking(entry.host) or error.errno not in (errno.EINPROGRESS, errno.EAGAIN):
                raise
            if error.errno == errno.EAGAIN:  # AF_UNIX: the listener's queue is full
                raise fail(errno.EAGAIN) from None
            raise wait_for(task, entry, select.POLLOUT) from None
    return 0


def _connected(task: LinuxTask, entry: Descriptor) -> int:
    if not ready(entry.host, select.POLLOUT):
        raise wait_for(task, entry, select.POLLOUT)
    value = ctypes.c_int()
    size = ctypes.c_uint(4)
    hostcalls.call(
        "getsockopt", entry.host, SOL_SOCKET, socket.SO_ERROR, ctypes.byref(value), ctypes.byref(size)
    )
    if value.value:
        raise fail(value.value)
    return 0


@syscall("listen")
def sys_listen(task: LinuxTask, fd: int, backlog: int) -> int:
    """listen(2)."""
    entry = socket_entry(task, fd)
    with _borrowed(entry.host) as sock:
        sock.listen(max(s32(backlog), 0))
    return 0


class _borrowed:  # noqa: N801 - reads as a verb at its uses
    """A Python socket object for a host descriptor, which stays open."""

    def __init__(self, host: int) -> None:
        self._socket = socket.socket(fileno=host)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *exc: object) -> None:
        self._socket.detach()


@syscall("accept4")
def sys_accept4(task: LinuxTask, fd: int, address: int, size_at: int, flags: int) -> int:
    """accept4(2)."""
    flags &= 0xFFFF_FFFF
    if flags & ~SOCK_FLAGS:
        raise fail(errno.EINVAL)
    entry = socket_entry(task, fd)
    files(task).room_for_one()
    buffer, size = ctypes.create_string_buffer(ADDRESS_MAX), ctypes.c_uint(ADDRESS_MAX)
    try:
        host = hostcalls.call(
            "accept4", entry.host, buffer, ctypes.byref(size), oflags.to_host(oflags.G_CLOEXEC)
        )
    except OSError as error:
        if error.errno != errno.EAGAIN or entry.file.nonblocking(entry.host):
            raise
        raise wait_for(task, entry, select.POLLIN) from None
    number = _install(task, host, flags)
    try:
        write_address(task, guest_address(task, buffer.raw[: size.value]), address, size_at)
    except BaseException:
        files(task).close(number)
        raise
    return number


@syscall("accept")
def sys_accept(task: LinuxTask, fd: int, address: int, size_at: int) -> int:
    """accept(2)."""
    return sys_accept4(task, fd, address, size_at, 0)


def _name(task: LinuxTask, call: str, fd: int, address: int, size_at: int) -> int:
    entry = socket_entry(task, fd)
    buffer, size = ctypes.create_string_buffer(ADDRESS_MAX), ctypes.c_uint(ADDRESS_MAX)
    hostcalls.call(call, entry.host, buffer, ctypes.byref(size))
    write_address(task, guest_address(task, buffer.raw[: size.value]), address, size_at)
    return 0


@syscall("getsockname")
def sys_getsockname(task: LinuxTask, fd: int, address: int, size_at: int) -> int:
    """getsockname(2)."""
    return _name(task, "getsockname", fd, address, size_at)


@syscall("getpeername")
def sys_getpeername(task: LinuxTask, fd: int, address: int, size_at: int) -> int:
    """getpeername(2)."""
    return _name(task, "getpeername", fd, address, size_at)


@syscall("shutdown")
def sys_shutdown(task: LinuxTask, fd: int, how: int) -> int:
    """shutdown(2)."""
    if not 0 <= s32(how) <= 2:
        socket_entry(task, fd)
        raise fail(errno.EINVAL)
    with _borrowed(socket_entry(task, fd).host) as sock:
        sock.shutdown(s32(how))
    return 0
