"""Control messages (cmsg(3)): descriptors, credentials and what else travels beside the bytes of a socket."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.descriptors import Description, adopt, stream
from uprobe_linux.syscalls.message_parts import RECEIVED_CONTROL, SENT_CONTROL
from uprobe_linux.syscalls.socket_options import guest_pid
from uprobe_linux.syscalls.support import fail, files

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("CONTROL_MAX", "incoming", "outgoing", "packed")

SCM_RIGHTS, SCM_CREDENTIALS, SOL_SOCKET = 1, 2, 1
_CMSG = struct.Struct("<Qii")
_CMSG_BYTES = 16
CONTROL_MAX = 1 << 16


def packed(level: int, kind: int, data: bytes) -> bytes:
    """A control message with the padding behind it (cmsg(3))."""
    raw = _CMSG.pack(_CMSG_BYTES + len(data), level, kind) + data
    return raw.ljust((len(raw) + 7) & ~7, b"\0")


def outgoing(task: LinuxTask, address: int, size: int) -> list[tuple[int, int, bytes]]:
    """(level, kind, data) of each control message in *size* bytes at *address*, for the host.

    SCM_RIGHTS has host descriptors, SCM_CREDENTIALS is checked and dropped.  Raises OSError: ENOBUFS,
    EINVAL, EBADF.
    """
    if size > CONTROL_MAX:
        raise fail(errno.ENOBUFS)
    raw = task.process.memory.read(address, size)
    rows = []
    at = 0
    while at + _CMSG_BYTES <= size:
        length, level, kind = _CMSG.unpack_from(raw, at)
        if length < _CMSG_BYTES or at + length > size:
            raise fail(errno.EINVAL)
        data = raw[at + _CMSG_BYTES : at + length]
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            rows.append((level, kind, _host_descriptors(task, data)))
        elif level == SOL_SOCKET and kind == SCM_CREDENTIALS:
            if len(data) != 12:
                raise fail(errno.EINVAL)
        elif (level, kind) in SENT_CONTROL:
            rows.append((level, kind, data))
        else:
            raise fail(errno.EINVAL)
        at += (length + 7) & ~7
    return rows


def _host_descriptors(task: LinuxTask, data: bytes) -> bytes:
    numbers = struct.unpack(f"<{len(data) // 4}i", data[: len(data) & ~3])
    if len(numbers) > 253:
        raise fail(errno.EINVAL)
    return array.array("i", [files(task).get(n).host for n in numbers]).tobytes()


def incoming(task: LinuxTask, raw: bytes, *, cloexec: bool) -> bytes:
    """The guest's form of *raw*, control data as the host gave it: descriptors installed, pids translated.

    The host was given the guest's room, so what does not fit was cut off there, and it has said so; the
    padding behind the last message may reach beyond that room.
    """
    out = b""
    at = 0
    while at + _CMSG_BYTES <= len(raw):
        length, level, kind = _CMSG.unpack_from(raw, at)
        data = raw[at + _CMSG_BYTES : at + length]
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            data = _installed(task, data, cloexec=cloexec)
        elif level == SOL_SOCKET and kind == SCM_CREDENTIALS and len(data) >= 4:
            data = guest_pid(task, data[:4]) + data[4:]
        elif level == SOL_SOCKET and kind not in RECEIVED_CONTROL:
            data = b""
        out += packed(level, kind, data)
        at += (length + 7) & ~7
    return out


def _installed(task: LinuxTask, data: bytes, *, cloexec: bool) -> bytes:
    """Give received host descriptors guest numbers."""
    hosts = array.array("i", data[: len(data) & ~3])
    numbers = [files(task).install(_described(task, host), host, cloexec=cloexec) for host in hosts]
    return struct.pack(f"<{len(numbers)}i", *numbers)


def _described(task: LinuxTask, host: int) -> Description:
    """What a received descriptor is: streams of the run are known by their O_NONBLOCK."""
    file = (task.machine.ptys.received(host) if task.machine.has_ptys else None) or adopt(host)
    if file.kind == "foreign":
        nonblocking = bool(hostcalls.call("fcntl", host, fcntl.F_GETFL, 0) & os.O_ASYNC)
        return stream(host, file.path, nonblocking=nonblocking)
    if file.kind == "file":
        for mount in sorted(task.machine.sandbox.mounts.hosts.values(), key=lambda m: -len(m.host)):
            path = mount.guest_path(file.path)
            if path is not None:
                return Description(mount, path, is_dir=file.is_dir)
    return file
