"""What a socket tells of the network interfaces that it can reach: the ioctls of netdevice(7), reading only.

Facts: include/uapi/linux/sockios.h; struct ifreq (40 bytes) and struct ifconf
(16 bytes) are laid out alike on all 64-bit machines.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("INTERFACE_READS", "read_interface")

SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR = 0x8910, 0x8912, 0x8913, 0x8915
SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMETRIC = 0x8917, 0x8919, 0x891B, 0x891D
SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFTXQLEN, SIOCGIFMAP = 0x8921, 0x8927, 0x8933, 0x8942, 0x8970
_BY_NAME = frozenset(
    {
        SIOCGIFNAME,
        SIOCGIFFLAGS,
        SIOCGIFADDR,
        SIOCGIFDSTADDR,
        SIOCGIFBRDADDR,
        SIOCGIFNETMASK,
        SIOCGIFMETRIC,
        SIOCGIFMTU,
        SIOCGIFHWADDR,
        SIOCGIFINDEX,
        SIOCGIFTXQLEN,
        SIOCGIFMAP,
    }
)
INTERFACE_READS = _BY_NAME | {SIOCGIFCONF}
"""The requests that :func:`read_interface` answers."""
_IFREQ, _MOST = 40, 256
"""Bytes of a struct ifreq; how many of them a list shows at most."""


def read_interface(task: LinuxTask, entry: Descriptor, request: int, argument: int) -> int:
    """The answer of the host's socket, which lives in the machine's private network; raises OSError."""
    memory = task.process.memory
    if request == SIOCGIFCONF:
        return _list(task, entry, argument)
    buffer = ctypes.create_string_buffer(memory.read(argument, _IFREQ), _IFREQ)
    hostcalls.call("ioctl", entry.host, request, buffer)
    memory.write(argument, buffer.raw)
    return 0


def _list(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    """SIOCGIFCONF: with a null pointer only the length that the list would have."""
    memory = task.process.memory
    length, place = struct.unpack("<ixxxxQ", memory.read(argument, 16))
    room = ctypes.create_string_buffer(max(min(length, _IFREQ * _MOST), 0))
    given = struct.pack("<iiQ", len(room) if place else 0, 0, ctypes.addressof(room) if place else 0)
    request = ctypes.create_string_buffer(given, len(given))
    hostcalls.call("ioctl", entry.host, SIOCGIFCONF, request)
    (filled,) = struct.unpack_from("<i", request.raw)
    if place:
        memory.write(place, room.raw[:filled])
    memory.write_u32(argument, filled)
    return 0
