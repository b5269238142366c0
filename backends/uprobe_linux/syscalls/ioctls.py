"""ioctl(2): descriptor flags, amounts of data, terminals; nothing that reaches the host's devices.

Numbers: include/uapi/asm-generic/ioctls.h, include/uapi/linux/fs.h, sockios.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls, oflags
from uprobe_linux.syscalls.interfaces import INTERFACE_READS, read_interface
from uprobe_linux.syscalls.support import fail, files
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIONREAD, TIOCOUTQ, FIOQSIZE = (
    0x5451,
    0x5450,
    0x5421,
    0x5452,
    0x541B,
    0x5411,
    0x5460,
)
TCGETS, TCSETS, TCSETSW, TCSETSF = 0x5401, 0x5402, 0x5403, 0x5404
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP, TIOCGSID, TIOCSCTTY = (
    0x5413,
    0x5414,
    0x540F,
    0x5410,
    0x5429,
    0x540E,
)
TCSBRK, TCXONC, TCFLSH = 0x5409, 0x540A, 0x540B
FIGETBSZ, FS_IOC_GETFLAGS, FS_IOC_GETVERSION = 2, 0x80086601, 0x80087601
SIOCATMARK = 0x8905
_TERMIOS_BYTES, _TERMIOS2_BYTES, _WINSIZE_BYTES = 36, 44, 8
# Terminal calls whose data has one layout on all asm-generic and x86 hosts; TIOCSTI is not among them.
_TERMINAL_READS = {
    TCGETS: _TERMIOS_BYTES,
    TCGETS2: _TERMIOS2_BYTES,
    TIOCGWINSZ: _WINSIZE_BYTES,
    TIOCOUTQ: 4,
}
_TERMINAL_WRITES = {
    **dict.fromkeys((TCSETS, TCSETSW, TCSETSF), _TERMIOS_BYTES),
    **dict.fromkeys((TCSETS2, TCSETSW2, TCSETSF2), _TERMIOS2_BYTES),
}


@syscall("ioctl")
def sys_ioctl(task: LinuxTask, fd: int, request: int, argument: int) -> int:
    """ioctl(2); ENOTTY for whatever the file does not know."""
    entry = files(task).usable(s32(fd))
    request &= 0xFFFF_FFFF
    if request in (FIOCLEX, FIONCLEX):
        files(task).set_cloexec(s32(fd), request == FIOCLEX)
        return 0
    common = _COMMON.get(request)
    if common is not None:
        return common(task, entry, argument)
    if entry.file.is_terminal:
        from uprobe_linux.syscalls.terminal_ioctls import terminal_ioctl  # few programs make terminals

        return terminal_ioctl(task, entry, request, argument)
    if _is_terminal(entry):
        return _terminal(task, entry, request, argument)
    if request in (FIONREAD, TIOCOUTQ, SIOCATMARK):
        return _amount(task, entry, request, argument)
    if request in INTERFACE_READS and stat.S_ISSOCK(os.fstat(entry.host).st_mode):
        return read_interface(task, entry, request, argument)
    if entry.file.kind == "file" and request in (FIGETBSZ, FS_IOC_GETFLAGS, FS_IOC_GETVERSION):
        return _file_number(task, entry, request, argument)
    raise fail(errno.ENOTTY)


def _nonblocking(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    on = task.process.memory.read_u32(argument)
    flags = entry.file.flags(entry.host)
    wanted = flags | oflags.G_NONBLOCK if on else flags & ~oflags.G_NONBLOCK
    entry.file.set_flags(entry.host, wanted)
    return 0


def _asynchronous(task: LinuxTask, entry: Descriptor, argument: int) -> int:
    task.process.memory.read_u32(argument)
    if not entry.file.is_stream:
        raise fail(errno.ENOTTY)
    return 0


_COMMON = {
    FIONBIO: _nonblocking,
    FIOASYNC: _asynchronous,
}


def _is_terminal(entry: Descriptor) -> bool:
    return entry.file.kind == "foreign" and os.isatty(entry.host)


def _host_buffer(entry: Descriptor, request: int, size: int) -> bytes:
    buffer = ctypes.create_string_buffer(size)
    hostcalls.call("ioctl", entry.host, request, buffer)
    return buffer.raw


def _amount(task: LinuxTask, entry: Descriptor, request: int, argument: int) -> int:
    if entry.file.kind == "device":
        raise fail(errno.ENOTTY)
    task.process.memory.write(argument, _host_buffer(entry, request, 4))
    return 0


def _file_number(task: LinuxTask, entry: Descriptor, request: int, argument: int) -> int:
    size = 4 if request == FIGETBSZ else 8
    raw = _host_buffer(entry, request, size)
    task.process.memory.write(argument, raw[:4] if request != FS_IOC_GETVERSION else raw)
    return 0


def _terminal(task: LinuxTask, entry: Descriptor, request: int, argument: int) -> int:
    """The user's terminal: reading and setting its modes; job control is the guest's own."""
    memory = task.process.memory
    if request in _TERMINAL_READS:
        memory.write(argument, _host_buffer(entry, request, _TERMINAL_READS[request]))
        return 0
    if request == FIONREAD:
        return _amount(task, entry, request, argument)
    if request in _TERMINAL_WRITES:
        raw = memory.read(argument, _TERMINAL_WRITES[request])
        return hostcalls.call("ioctl", entry.host, request, ctypes.create_string_buffer(raw, len(raw)))
    if request in (TIOCGPGRP, TIOCGSID):
        mine = task.machine.family.entry(task.process)
        memory.write_u32(argument, mine.pgid if request == TIOCGPGRP else mine.sid)
        return 0
    if request in (TIOCSPGRP, TIOCSCTTY, TIOCSWINSZ, TCSBRK, TCXONC, TCFLSH):
        return 0
    raise fail(errno.ENOTTY)
