"""Socket addresses, vectors of buffers and messages, as strace writes them."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

from uprobe_core.call_words import in_words
from uprobe_core.tracing.pointed_text import address_text, buffer, data_text, items, number
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("message", "name_space", "socket_address", "vector")

_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_LARGEST = 128
"""Bytes of struct sockaddr_storage."""
_LEAST = {_INET: 16, _INET6: 24, _NETLINK: 12}
_IOV = struct.Struct("<QQ")
_MESSAGE = struct.Struct("<QI4xQQQQi4x")


def socket_address(memory: GuestMemory, address: int, size: int) -> str:
    """One of *size* bytes; raises MemoryFault."""
    if size < 2:
        return address_text(address)
    data = memory.read(address, min(size, _LARGEST))
    family = int.from_bytes(data[:2], "little")
    head = f"sa_family={in_words('socket', 'domain', family) or f'{family:#x}'}"
    rest = _unix(data[2:]) if family == _UNIX else _other(family, data)
    return f"{{{head}{', ' if rest else ''}{rest}}}"


def _unix(path: bytes) -> str:
    """A path, which ends at a zero, or a name behind a zero, which does not."""
    if not path:
        return ""
    if path[0]:
        return f"sun_path={data_text(path.partition(bytes(1))[0])}"
    return f"sun_path=@{data_text(path[1:])}"


def _other(family: int, data: bytes) -> str:
    if len(data) < _LEAST.get(family, len(data) + 1):
        return f"sa_data={data_text(data[2:])}" if len(data) > 2 else ""
    if family == _INET:
        port, host = struct.unpack(">H4s", data[2:8])
        return f'sin_port=htons({port}), sin_addr=inet_addr("{ipaddress.IPv4Address(host)}")'
    if family == _INET6:
        return _inet6(data)
    port, groups = struct.unpack("<iI", data[4:12])
    return f"nl_pid={port}, nl_groups={groups:08x}" if not groups else f"nl_pid={port}, nl_groups={groups:#x}"


def _inet6(data: bytes) -> str:
    port, flow, host = struct.unpack(">HI16s", data[2:24])
    scope = f", sin6_scope_id={int.from_bytes(data[24:28], 'little')}" if len(data) >= 28 else ""
    text = _shortest(ipaddress.IPv6Address(host))
    return (
        f"sin6_port=htons({port}), sin6_flowinfo=htonl({flow}),"
        f' inet_pton(AF_INET6, "{text}", &sin6_addr){scope}'
    )


def _shortest(host: ipaddress.IPv6Address) -> str:
    """As inet_ntop writes it, which has an IPv4 address in it with dots."""
    inner = host.ipv4_mapped
    return str(host) if inner is None else f"::ffff:{inner}"


def vector(memory: GuestMemory, address: int, count: int, most: int | None = None) -> str:
    """*count* buffers, of which *most* bytes are in use (None: addresses alone); raises MemoryFault."""
    left = most

    def one(index: int) -> str:
        nonlocal left
        base, size = _IOV.unpack(memory.read(address + index * _IOV.size, _IOV.size))
        if left is None:
            return f"{{iov_base={address_text(base)}, iov_len={size}}}"
        used = min(size, left)
        left -= used
        return f"{{iov_base={buffer(memory, base, used)}, iov_len={size}}}"

    return items(count, one)


def message(memory: GuestMemory, address: int, most: int, space: int | None = None) -> str:
    """A struct msghdr with *most* bytes; raises MemoryFault.

    :param space: bytes that there were for a name, where the kernel has filled it in; None: it is given
    """
    name, size, iov, count, control, controls, flags = _MESSAGE.unpack(memory.read(address, _MESSAGE.size))
    room = f"{size}" if space is None or space == size else f"{space} => {size}"
    parts = [f"msg_name={_name(memory, name, size)}", f"msg_namelen={room}"]
    parts += [f"msg_iov={_buffers(memory, iov, count, most)}", f"msg_iovlen={count}"]
    if controls:
        parts.append(f"msg_control={address_text(control)}")
    words = in_words("sendmsg", "flags", flags & 0xFFFFFFFF) or "0"
    return f"{{{', '.join(parts)}, msg_controllen={controls}, msg_flags={words}}}"


def _name(memory: GuestMemory, address: int, size: int) -> str:
    try:
        return socket_address(memory, address, size) if address else "NULL"
    except MemoryFault:
        return address_text(address)


def _buffers(memory: GuestMemory, address: int, count: int, most: int) -> str:
    try:
        return vector(memory, address, count, most) if address else "NULL"
    except MemoryFault:
        return address_text(address)


def name_space(memory: GuestMemory, address: int) -> int:
    """Of a struct msghdr: how many bytes there are for a name; raises MemoryFault."""
    return number(memory, address + 8, 4)
