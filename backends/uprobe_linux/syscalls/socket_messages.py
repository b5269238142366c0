"""Sending and receiving on sockets: sendto, recvfrom, sendmsg, recvmsg."""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.cpu import Perm
from uprobe_linux.fs import hostcalls
from uprobe_linux.syscalls.control_messages import CONTROL_MAX, incoming, outgoing, packed
from uprobe_linux.syscalls.io import EAGAINS, _rest, _stored
from uprobe_linux.syscalls.message_parts import RECEIVING, SENDING
from uprobe_linux.syscalls.socket_addresses import guest_address, host_address
from uprobe_linux.syscalls.socket_options import SO_RCVTIMEO, SO_SNDTIMEO
from uprobe_linux.syscalls.sockets import (
    ADDRESS_MAX,
    _borrowed,
    read_address,
    socket_entry,
    write_address,
)
from uprobe_linux.syscalls.support import MAX_RW, buffers, fail, iovecs, sigpipe
from uprobe_linux.syscalls.table import Block, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("UIO_MAXIOV", "receive_message", "send_message")

MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, MSG_CMSG_CLOEXEC, MSG_PEEK = 0x40, 0x4000, 0x100, 0x4000_0000, 2
_MSGHDR = struct.Struct("<QIxxxxQQQQIxxxx")
UIO_MAXIOV = 1024


def _sleep(task: LinuxTask, entry: Descriptor, events: int, timeout: int, data: object = None) -> Block:
    """Block until the socket is ready or its SO_*TIMEO is over."""
    if task.wait is not None:
        if task.wait.timed_out:
            raise fail(errno.EAGAIN)
        deadline = task.wait.deadline
    else:
        kept = entry.file.data.get(timeout, 0) if isinstance(entry.file.data, dict) else 0
        deadline = task.machine.clock.monotonic() + kept if kept else None
    # A socket with a time-out is never restarted (signal(7)).
    done = data if isinstance(data, int) and data else None
    interrupted = done if done is not None else -errno.EINTR if deadline is not None else None
    return Block(Wait(fds=((entry.host, events),), deadline=deadline, data=data, interrupted=interrupted))


def _may_wait(entry: Descriptor, flags: int) -> bool:
    return not flags & MSG_DONTWAIT and not entry.file.nonblocking(entry.host)


# --- sending --------------------------------------------------------------------------------------------


@syscall("sendto")
def sys_sendto(task: LinuxTask, fd: int, address: int, size: int, flags: int, to: int, to_size: int) -> int:
    """sendto(2)."""
    entry = socket_entry(task, fd)
    target = read_address(task, to, to_size) if to else b""
    return _send(task, entry, [(address, min(size, MAX_RW))], flags & 0xFFFF_FFFF, target, [])


@syscall("sendmsg")
def sys_sendmsg(task: LinuxTask, fd: int, message: int, flags: int) -> int:
    """sendmsg(2); descriptors travel as the host's."""
    entry = socket_entry(task, fd)
    return send_message(task, entry, message, flags & 0xFFFF_FFFF)


def send_message(task: LinuxTask, entry: Descriptor, message: int, flags: int) -> int:
    """Send what the msghdr at *message* says; answers how many bytes of it were sent."""
    name, name_size, iov, count, control, control_size, _ = _MSGHDR.unpack(
        task.process.memory.read(message, _MSGHDR.size)
    )
    if count > UIO_MAXIOV:
        raise fail(errno.EMSGSIZE)
    target = read_address(task, name, name_size) if name and name_size else b""
    ancillary = outgoing(task, control, control_size) if control and control_size else []
    return _send(task, entry, iovecs(task, iov, count), flags, target, ancillary)


def _send(
    task: LinuxTask,
    entry: Descriptor,
    pairs: list[tuple[int, int]],
    flags: int,
    target: bytes,
    ancillary: list[tuple[int, int, bytes]],
) -> int:
    views = buffers(task, pairs, Perm.READ)
    wanted = sum(size for _, size in pairs)
    if sum(map(len, views)) < wanted and entry.file.path.startswith("socket:"):
        for address, size in pairs:
            task.process.memory.views(address, size, Perm.READ)
    done = task.wait.data if task.wait is not None and isinstance(task.wait.data, int) else 0
    views = _rest(views, done)
    with host_address(task, target) as raw:
        while True:
            try:
                count = _host_send(entry, views, flags, raw, ancillary)
            except OSError as error:
                return _send_failed(task, entry, error, flags, done)
            done += count
            if done >= wanted or not _is_byte_stream(entry):
                return done
            views, ancillary = _rest(views, count), []


def _is_byte_stream(entry: Descriptor) -> bool:
    with _borrowed(entry.host) as sock:
        return sock.type & 0xF == socket.SOCK_STREAM


def _send_failed(task: LinuxTask, entry: Descriptor, error: OSError, flags: int, done: int) -> int:
    if error.errno == errno.EPIPE and not flags & MSG_NOSIGNAL and _is_byte_stream(entry):
        sigpipe(task)
    if error.errno in EAGAINS and _may_wait(entry, flags):
        raise _sleep(task, entry, select.POLLOUT, SO_SNDTIMEO, done) from None
    if done:
        return done
    raise error


def _host_send(
    entry: Descriptor,
    views: list[memoryview],
    flags: int,
    target: bytes,
    ancillary: list[tuple[int, int, bytes]],
) -> int:
    """sendmsg(2) with raw address bytes, which Python's socket module would want to take apart."""
    iov, keep = _host_iovecs(views)
    control = b"".join(packed(*row) for row in ancillary)
    name = ctypes.create_string_buffer(target, len(target)) if target else None
    body = ctypes.create_string_buffer(control, len(control)) if control else None
    header = _MSGHDR.pack(
        ctypes.addressof(name) if name else 0,
        len(target),
        ctypes.addressof(iov),
        len(views),
        ctypes.addressof(body) if body else 0,
        len(control),
        0,
    )
    result = hostcalls.call("sendmsg", entry.host, header, flags & SENDING | MSG_DONTWAIT | MSG_NOSIGNAL)
    del keep
    return result


def _host_iovecs(views: list[memoryview]) -> tuple[ctypes.Array[ctypes.c_uint64], list[object]]:
    """A host iovec array over *views*, and what must be kept alive while it is used.

    Read-only windows do not occur: the arena is writable.
    """
    iov = (ctypes.c_uint64 * max(2 * len(views), 2))()
    keep: list[object] = []
    for number, view in enumerate(views):
        first = ctypes.c_char.from_buffer(view)
        keep.append(first)
        iov[2 * number], iov[2 * number + 1] = ctypes.addressof(first), len(view)
    return iov, keep


# --- receiving ------------------------------------------------------------------------------------------


@syscall("recvfrom")
def sys_recvfrom(
    task: LinuxTask, fd: int, address: int, size: int, flags: int, source: int, source_size: int
) -> int:
    """recvfrom(2)."""
    entry = socket_entry(task, fd)
    pairs = [(address, min(size, MAX_RW))]
    done, name, _, _ = _receive(task, entry, pairs, flags & 0xFFFF_FFFF, 0)
    if source:
        write_address(task, guest_address(task, name), source, source_size)
    return done


@syscall("recvmsg")
def sys_recvmsg(task: LinuxTask, fd: int, message: int, flags: int) -> int:
    """recvmsg(2)."""
    return receive_message(task, socket_entry(task, fd), message, flags & 0xFFFF_FFFF)


def receive_message(task: LinuxTask, entry: Descriptor, message: int, flags: int) -> int:
    """Receive into what the msghdr at *message* says; answers how many bytes."""
    memory = task.process.memory
    name, name_size, iov, count, control, control_size, _ = _MSGHDR.unpack(memory.read(message, _MSGHDR.size))
    if count > UIO_MAXIOV:
        raise fail(errno.EMSGSIZE)
    pairs = iovecs(task, iov, count)
    room = min(control_size, CONTROL_MAX) if control else 0
    done, source, ancillary, result_flags = _receive(task, entry, pairs, flags, room)
    raw = guest_address(task, source)
    if name:
        memory.write(name, raw[: min(name_size, len(raw))])
        memory.write_u32(message + 8, len(raw))
    told = incoming(task, ancillary, cloexec=bool(flags & MSG_CMSG_CLOEXEC))[:room]
    if told:
        memory.write(control, told)
    memory.write_u64(message + 40, len(told))
    memory.write_u32(message + 48, result_flags)
    return done


def _receive(
    task: LinuxTask, entry: Descriptor, pairs: list[tuple[int, int]], flags: int, control_size: int
) -> tuple[int, bytes, bytes, int]:
    """(bytes, source address, host control data, flags of the message)."""
    views = buffers(task, pairs, Perm.WRITE)
    done = task.wait.data if task.wait is not None and isinstance(task.wait.data, int) else 0
    try:
        count, name, control, result = _host_receive(entry, _rest(views, done), flags, control_size)
    except OSError as error:
        if error.errno in EAGAINS and _may_wait(entry, flags):
            raise _sleep(task, entry, select.POLLIN, SO_RCVTIMEO, done) from None
        if error.errno in EAGAINS and done:
            return done, b"", b"", 0
        raise
    _stored(task, pairs, done + min(count, sum(map(len, views))))
    done += count
    whole = sum(map(len, views))
    if (
        flags & MSG_WAITALL
        and count > 0
        and done < whole
        and _may_wait(entry, flags)
        and _is_byte_stream(entry)
    ):
        raise _sleep(task, entry, select.POLLIN, SO_RCVTIMEO, done)
    return done, name, control, result


def _host_receive(
    entry: Descriptor, views: list[memoryview], flags: int, control_size: int
) -> tuple[int, bytes, bytes, int]:
    iov, keep = _host_iovecs(views)
    name = ctypes.create_string_buffer(ADDRESS_MAX)
    control = ctypes.create_string_buffer(max(control_size, 1))
    header = ctypes.create_string_buffer(
        _MSGHDR.pack(
            ctypes.addressof(name),
            ADDRESS_MAX,
            ctypes.addressof(iov),
            len(views),
            ctypes.addressof(control),
            control_size,
            0,
        ),
        _MSGHDR.size,
    )
    wanted = flags & RECEIVING | MSG_DONTWAIT | MSG_CMSG_CLOEXEC
    count = hostcalls.call("recvmsg", entry.host, header, wanted)
    del keep
    fields = _MSGHDR.unpack(header.raw)
    # The kernel says the flag back to who gave it (net/socket.c, ____sys_recvmsg).
    said = fields[6] & ~MSG_CMSG_CLOEXEC | flags & MSG_CMSG_CLOEXEC
    return count, name.raw[: fields[1]], control.raw[: fields[5]], said
