"""getsockopt(2) and setsockopt(2): an allow list, since an option's value is a structure of its own.

What is not listed does not reach the host and is ENOPROTOOPT, as on a kernel
without that feature: values that hold pointers (filters, netfilter tables,
zero-copy receive), that count in other units than bytes (SO_ATTACH_FILTER read
back), and what changes machines instead of sockets.  Numbers:
include/uapi/asm-generic/socket.h, linux/{in,in6,tcp,udp,netlink}.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING, Final

from uprobe_linux.cpu import Perm
from uprobe_linux.fs import hostcalls
from uprobe_linux.syscalls.sockets import socket_entry
from uprobe_linux.syscalls.support import BAD_POINTER, fail
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("SO_RCVTIMEO", "SO_SNDTIMEO", "VALUE_BYTES", "guest_pid")

SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, SOL_NETLINK = 1, 0, 6, 17, 41, 270
SO_PEERCRED, SO_RCVTIMEO, SO_SNDTIMEO = 17, 20, 21
SO_BINDTODEVICE, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK = 25, 32, 33, 36
SO_SNDBUF, SO_RCVBUF, BUFFER_BYTES = 7, 8, 212_992
"""The most that a socket may buffer: net.core.wmem_max and rmem_max as a kernel has them."""
_PRIVILEGED: Final = frozenset({SO_BINDTODEVICE, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_MARK})
"""EPERM, as without CAP_NET_ADMIN and CAP_NET_RAW."""


def _sizes(level: int, **names: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """(level, option) -> the bytes that its value has at most, from ``bN=(options...)``."""
    return {(level, option): int(size[1:]) for size, options in names.items() for option in options}


VALUE_BYTES: Final[dict[tuple[int, int], int]] = {
    **_sizes(
        SOL_SOCKET,
        # DEBUG REUSEADDR TYPE ERROR DONTROUTE BROADCAST SNDBUF RCVBUF KEEPALIVE OOBINLINE PRIORITY
        # REUSEPORT PASSCRED RCVLOWAT SNDLOWAT TIMESTAMP ACCEPTCONN PASSSEC TIMESTAMPNS TIMESTAMPING
        # PROTOCOL DOMAIN RXQ_OVFL PEEK_OFF NOFCS LOCK_FILTER SELECT_ERR_QUEUE BUSY_POLL
        # INCOMING_CPU ZEROCOPY
        b4=(*range(1, 11), 12, 15, 16, 18, 19, 29, 30, 34, 35, 37, 38, 39, 40, *range(42, 47), 49, 60),
        b8=(13, 57),  # LINGER COOKIE
        b12=(SO_PEERCRED,),
        b16=(SO_RCVTIMEO, SO_SNDTIMEO, 66, 67),
        b256=(59,),  # PEERGROUPS
    ),
    **_sizes(
        IPPROTO_IP,
        # TOS TTL RECVOPTS RETOPTS PKTINFO MTU_DISCOVER RECVERR RECVTTL RECVTOS MTU FREEBIND PASSSEC
        # MINTTL NODEFRAG CHECKSUM BIND_ADDRESS_NO_PORT RECVFRAGSIZE MULTICAST_TTL MULTICAST_LOOP
        # MULTICAST_ALL UNICAST_IF LOCAL_PORT_RANGE
        b4=(1, 2, 6, 7, 8, 10, 11, 12, 13, 14, 15, 18, 21, 22, 23, 24, 25, 33, 34, 49, 50, 51),
        b12=(32, 35, 36),  # MULTICAST_IF ADD_MEMBERSHIP DROP_MEMBERSHIP
        b40=(4,),  # OPTIONS
    ),
    **_sizes(
        IPPROTO_TCP,
        # NODELAY MAXSEG CORK KEEPIDLE KEEPINTVL KEEPCNT SYNCNT LINGER2 DEFER_ACCEPT WINDOW_CLAMP
        # QUICKACK THIN_LINEAR_TIMEOUTS THIN_DUPACK USER_TIMEOUT FASTOPEN TIMESTAMP NOTSENT_LOWAT
        # SAVE_SYN FASTOPEN_CONNECT FASTOPEN_NO_COOKIE INQ
        b4=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 17, 18, 23, 24, 25, 27, 30, 34, 36),
        b16=(13,),  # CONGESTION
        b512=(11,),  # INFO
    ),
    **_sizes(IPPROTO_UDP, b4=(1, 103, 104)),  # CORK SEGMENT GRO
    **_sizes(
        IPPROTO_IPV6,
        # UNICAST_HOPS MULTICAST_IF MULTICAST_HOPS MULTICAST_LOOP MTU_DISCOVER MTU RECVERR V6ONLY
        # MULTICAST_ALL RECVERR_RFC4884 RECVPKTINFO RECVHOPLIMIT HOPLIMIT RECVRTHDR RECVDSTOPTS
        # RECVPATHMTU RECVTCLASS TCLASS AUTOFLOWLABEL UNICAST_IF ADDR_PREFERENCES MINHOPCOUNT
        b4=(16, 17, 18, 19, 23, 24, 25, 26, 29, 31, 49, 51, 52, 56, 58, 60, 66, 67, 70, 76, 72, 73),
        b20=(20, 21, 50),  # JOIN_GROUP LEAVE_GROUP PKTINFO
    ),
    # ADD_MEMBERSHIP DROP_MEMBERSHIP PKTINFO BROADCAST_ERROR NO_ENOBUFS CAP_ACK EXT_ACK GET_STRICT_CHK
    **_sizes(SOL_NETLINK, b4=(1, 2, 3, 4, 5, 10, 11, 12)),
}
"""The options that reach the host, each with the bytes that its value has at most."""


def _room_of(level: int, name: int) -> int:
    """The bytes of a listed option; raises what is said of the others."""
    if level == SOL_SOCKET and name in _PRIVILEGED:
        raise fail(errno.EPERM)
    size = VALUE_BYTES.get((level, name))
    if size is None:
        raise fail(errno.ENOPROTOOPT)
    return size


@syscall("setsockopt")
def sys_setsockopt(task: LinuxTask, fd: int, level: int, name: int, address: int, size: int) -> int:
    """setsockopt(2)."""
    entry = socket_entry(task, fd)
    level, name, size = s32(level), s32(name), s32(size)
    if size < 0:
        raise fail(errno.EINVAL)
    room = _room_of(level, name)
    if not task.process.memory.accessible(address, max(min(size, room), 1), Perm.READ):
        # The host says whether the size or the pointer is wrong.
        return hostcalls.call("setsockopt", entry.host, level, name, BAD_POINTER, size)
    value = task.process.memory.read(address, min(size, room))
    if level == SOL_SOCKET and name in (SO_SNDBUF, SO_RCVBUF):
        value = min(int.from_bytes(value, "little"), BUFFER_BYTES).to_bytes(len(value), "little")
    if level == SOL_SOCKET and name in (SO_RCVTIMEO, SO_SNDTIMEO):
        _remember_timeout(entry, name, value)
    hostcalls.call("setsockopt", entry.host, level, name, value, len(value))
    return 0


def _remember_timeout(entry: Descriptor, name: int, value: bytes) -> None:
    """Time-outs are ours to keep, since the host's side never blocks; nanoseconds, 0: none."""
    if len(value) < 16:
        raise fail(errno.EINVAL)
    seconds, microseconds = struct.unpack_from("<qq", value)
    if not 0 <= microseconds < 1_000_000:
        raise fail(errno.EDOM)
    timeouts = entry.file.data if isinstance(entry.file.data, dict) else {}
    timeouts[name] = max(seconds, 0) * 1_000_000_000 + microseconds * 1000
    entry.file.data = timeouts


@syscall("getsockopt")
def sys_getsockopt(task: LinuxTask, fd: int, level: int, name: int, address: int, size_at: int) -> int:
    """getsockopt(2); a peer's pid is given as the guest knows it."""
    entry = socket_entry(task, fd)
    level, name, memory = s32(level), s32(name), task.process.memory
    most = _room_of(level, name)
    if not memory.accessible(size_at, 4, Perm.READ):
        return hostcalls.call("getsockopt", entry.host, level, name, BAD_POINTER, BAD_POINTER)
    room = s32(memory.read_u32(size_at))
    if room < 0:
        raise fail(errno.EINVAL)
    buffer, size = ctypes.create_string_buffer(most), ctypes.c_uint(min(room, most))
    hostcalls.call("getsockopt", entry.host, level, name, buffer, ctypes.byref(size))
    value = buffer.raw[: min(size.value, room)]
    if level == SOL_SOCKET and name == SO_PEERCRED and len(value) >= 4:
        value = guest_pid(task, value[:4]) + value[4:]
    memory.write(address, value)
    memory.write_u32(size_at, size.value)
    return 0


def guest_pid(task: LinuxTask, raw: bytes) -> bytes:
    """A host pid in four bytes as the guest's pid; 0 for a process that is not the run's."""
    host = int.from_bytes(raw, "little", signed=True)
    pid = next((e.pid for e in task.machine.family.pids if e.host_pid == host), 0)
    return pid.to_bytes(4, "little")
