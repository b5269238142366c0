"""Sending and receiving on sockets: sendto, recvfrom, sendmsg, recvmsg and their multiples."""

from __future__ import annotations

import array
import ctypes
import errno
import os
import select
import socket
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.cpu import Perm
from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.descriptors import Description, adopt, stream
from uprobe_linux.syscalls.io import EAGAINS, _rest, _stored
from uprobe_linux.syscalls.message_parts import RECEIVED_CONTROL, RECEIVING, SENDING, SENT_CONTROL
from uprobe_linux.syscalls.socket_addresses import guest_address, host_address
from uprobe_linux.syscalls.socket_options import SO_RCVTIMEO, SO_SNDTIMEO, guest_pid
from uprobe_linux.syscalls.sockets import (
    ADDRESS_MAX,
    _borrowed,
    read_address,
    socket_entry,
    write_address,
)
from uprobe_linux.syscalls.support import MAX_RW, buffers, fail, files, iovecs, sigpipe, timespec
from uprobe_linux.syscalls.table import Block, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, MSG_CMSG_CLOEXEC, MSG_PEEK = 0x40, 0x4000, 0x100, 0x4000_0000, 2
MSG_WAITFORONE = 0x10000
SCM_RIGHTS, SCM_CREDENTIALS, SOL_SOCKET = 1, 2, 1
_MSGHDR = struct.Struct("<QIxxxxQQQQIxxxx")
_CMSG = struct.Struct("<Qii")
_CMSG_BYTES = 16
CONTROL_MAX = 1 << 16
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
    return _send_message(task, entry, message, flags & 0xFFFF_FFFF)


def _send_message(task: LinuxTask, entry: Descriptor, message: int, flags: int) -> int:
    name, name_size, iov, count, control, control_size, _ = _MSGHDR.unpack(
        task.process.memory.read(message, _MSGHDR.size)
    )
    if count > UIO_MAXIOV:
        raise fail(errno.EMSGSIZE)
    target = read_address(task, name, name_size) if name and name_size else b""
    ancillary = _outgoing(task, control, control_size) if control and control_size else []
    return _send(task, entry, iovecs(task, iov, count), flags, target, ancillary)


@syscall("sendmmsg")
def sys_sendmmsg(task: LinuxTask, fd: int, messages: int, count: int, flags: int) -> int:
    """sendmmsg(2): stops at the first that cannot be sent; its error shows only if it was the first."""
    entry = socket_entry(task, fd)
    sent = 0
    for number in range(min(count & 0xFFFF_FFFF, UIO_MAXIOV)):
        at = messages + 64 * number
        try:
            size = _send_message(task, entry, at, flags & 0xFFFF_FFFF | (MSG_DONTWAIT if sent else 0))
        except OSError:
            if sent:
                break
            raise
        task.process.memory.write_u32(at + 56, size)
        sent += 1
    return sent


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
    control = b"".join(_pack_control(*row) for row in ancillary)
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


def _pack_control(level: int, kind: int, data: bytes) -> bytes:
    raw = _CMSG.pack(_CMSG_BYTES + len(data), level, kind) + data
    return raw.ljust((len(raw) + 7) & ~7, b"\0")


def _outgoing(task: LinuxTask, address: int, size: int) -> list[tuple[int, int, bytes]]:
    """Control messages for the host: SCM_RIGHTS with host descriptors, SCM_CREDENTIALS
    checked and dropped.
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
    return _receive_message(task, socket_entry(task, fd), message, flags & 0xFFFF_FFFF)


def _receive_message(task: LinuxTask, entry: Descriptor, message: int, flags: int) -> int:
    memory = task.process.memory
    name, name_size, iov, count, control, control_size, _ = _MSGHDR.unpack(memory.read(message, _MSGHDR.size))
    if count > UIO_MAXIOV:
        raise fail(errno.EMSGSIZE)
    pairs = iovecs(task, iov, count)
    done, source, ancillary, result_flags = _receive(
        task, entry, pairs, flags, min(control_size, CONTROL_MAX)
    )
    raw = guest_address(task, source)
    if name:
        memory.write(name, raw[: min(name_size, len(raw))])
        memory.write_u32(message + 8, len(raw))
    incoming, truncated = _incoming(task, ancillary, control_size if control else 0, flags)
    if incoming:
        memory.write(control, incoming)
    memory.write_u64(message + 40, len(incoming))
    memory.write_u32(message + 48, result_flags | (8 if truncated else 0))
    return done


@syscall("recvmmsg")
def sys_recvmmsg(task: LinuxTask, fd: int, messages: int, count: int, flags: int, timeout: int) -> int:
    """recvmmsg(2): waits for the first, takes what is there of the rest."""
    entry = socket_entry(task, fd)
    if timeout:
        timespec(task, timeout)
    taken = 0
    for number in range(min(count & 0xFFFF_FFFF, UIO_MAXIOV)):
        at = messages + 64 * number
        try:
            wanted = flags & 0xFFFF_FFFF & ~MSG_WAITFORONE | (MSG_DONTWAIT if taken else 0)
            size = _receive_message(task, entry, at, wanted)
        except OSError:
            if taken:
                break
            raise
        task.process.memory.write_u32(at + 56, size)
        taken += 1
    return taken


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
    return count, name.raw[: fields[1]], control.raw[: fields[5]], fields[6] & ~MSG_CMSG_CLOEXEC


def _incoming(task: LinuxTask, raw: bytes, room: int, flags: int) -> tuple[bytes, bool]:
    """The guest's control data: received descriptors installed, pids translated; and whether some was cut
    off.
    """
    out = b""
    truncated = False
    at = 0
    while at + _CMSG_BYTES <= len(raw):
        length, level, kind = _CMSG.unpack_from(raw, at)
        data = raw[at + _CMSG_BYTES : at + length]
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            data = _installed(task, data, cloexec=bool(flags & MSG_CMSG_CLOEXEC))
        elif level == SOL_SOCKET and kind == SCM_CREDENTIALS:
            data = guest_pid(task, data[:4]) + data[4:]
        elif level == SOL_SOCKET and kind not in RECEIVED_CONTROL:
            data = b""
        record = _pack_control(level, kind, data)
        if len(out) + _CMSG_BYTES + len(data) > room:
            truncated = True
            break
        out += record
        at += (length + 7) & ~7
    return out[:room], truncated


def _installed(task: LinuxTask, data: bytes, *, cloexec: bool) -> bytes:
    """Give received host descriptors guest numbers."""
    hosts = array.array("i", data[: len(data) & ~3])
    numbers = [files(task).install(_described(task, host), host, cloexec=cloexec) for host in hosts]
    return struct.pack(f"<{len(numbers)}i", *numbers)


def _described(task: LinuxTask, host: int) -> Description:
    """What a received descriptor is: streams of the run are known by their O_NONBLOCK."""
    file = adopt(host)
    if file.kind == "foreign":
        nonblocking = bool(stream_flags(host) & os.O_ASYNC)
        return stream(host, file.path, nonblocking=nonblocking)
    if file.kind == "file":
        for mount in sorted(task.machine.sandbox.mounts.hosts.values(), key=lambda m: -len(m.host)):
            path = mount.guest_path(file.path)
            if path is not None:
                return Description(mount, path, is_dir=file.is_dir)
    return file


def stream_flags(host: int) -> int:
    """The host's status flags of *host*."""
    return hostcalls.call("fcntl", host, 3, 0)
