"""ppoll and pselect6 (fs/select.c): the host polls, the scheduler waits."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.fs import hostcalls
from uprobe_linux.syscalls.pipes import SignalStream, watch_signals
from uprobe_linux.syscalls.support import fail, files, pack_timespec, timespec
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("enter_mask", "leave_mask")

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND = 64, 128, 256, 512
_READ_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR
_WRITE_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR
_EXCEPT_SET = POLLPRI
"""POLLIN_SET, POLLOUT_SET, POLLEX_SET in fs/select.c."""
_NO_TIME = bytes(16)


def enter_mask(task: LinuxTask, address: int, size: int) -> None:
    """Swap the signal mask for the length of a call, unless this is the call made again."""
    if not address or task.wait is not None:
        return
    if size != 8:
        raise fail(errno.EINVAL)
    wanted = task.process.memory.read_u64(address)
    task.signals.saved_mask = task.signals.blocked
    task.signals.set_blocked(wanted)


def leave_mask(task: LinuxTask) -> None:
    """The call is over without a handler: the old mask is back."""
    if task.signals.saved_mask is not None:
        task.signals.set_blocked(task.signals.saved_mask)
        task.signals.saved_mask = None


def host_poll(task: LinuxTask, interests: list[tuple[int, int]]) -> list[int]:
    """Events that are there now for each (guest descriptor, wanted events); POLLNVAL for a closed one."""
    table = files(task)
    raw = bytearray()
    for fd, events in interests:
        host = -1
        if fd >= 0 and fd in table:
            entry = table.get(fd)
            host = -1 if entry.file.is_path else entry.host
            if isinstance(entry.file, SignalStream):
                watch_signals(task.process)
                entry.file.sync(entry.host, task)
        raw += struct.pack("<ihh", host, _signed16(events), 0)
    buffer = ctypes.create_string_buffer(bytes(raw), len(raw) or 1)
    hostcalls.call("ppoll", buffer, len(interests), _NO_TIME, None, 8)
    found = [struct.unpack_from("<H", buffer, 8 * i + 6)[0] for i in range(len(interests))]
    return [
        _true_events(task, fd, wanted, events) for (fd, wanted), events in zip(interests, found, strict=True)
    ]


def _true_events(task: LinuxTask, fd: int, wanted: int, events: int) -> int:
    """What the host has found, but for what is no open file and for the run's own terminals."""
    table = files(task)
    if fd < 0:
        return events
    if fd not in table or table.get(fd).file.is_path:
        return POLLNVAL
    file = table.get(fd).file
    if not file.is_terminal:
        return events
    return int(task.machine.ptys.polled_end(file)) & (wanted | POLLERR | POLLHUP)


def _signed16(value: int) -> int:
    return (value & 0xFFFF ^ 0x8000) - 0x8000


def _sleep(task: LinuxTask, interests: list[tuple[int, int]], deadline: int | None) -> Block:
    table = files(task)
    fds: list[tuple[int, int]] = []
    for fd, events in interests:
        if fd >= 0 and fd in table:
            entry = table.get(fd)
            is_ours = entry.file.is_terminal
            fds += (
                task.machine.ptys.to_wait(entry.file, entry.host, events)
                if is_ours
                else [(entry.host, events)]
            )
    return Block(Wait(fds=tuple(fds), deadline=deadline, interrupted=-errno.EINTR))


def _deadline(task: LinuxTask, address: int) -> int | None:
    """When to give up, on the machine's monotonic clock; None: never."""
    if task.wait is not None:
        return task.wait.deadline
    if not address:
        return None
    now: int = task.machine.clock.monotonic()
    return now + timespec(task, address)


def _store_left(task: LinuxTask, address: int, deadline: int | None) -> None:
    """The kernel tells what is left of the time; a timeout in read-only memory stays as it is."""
    if address and deadline is not None:
        left = max(deadline - task.machine.clock.monotonic(), 0)
        if task.process.memory.accessible(address, 16, 2) == 16:
            task.process.memory.write(address, pack_timespec(left))


@syscall("ppoll")
def sys_ppoll(task: LinuxTask, address: int, count: int, timeout: int, mask: int, mask_size: int) -> int:
    """ppoll(2)."""
    count &= 0xFFFF_FFFF
    if count > files(task).limit:
        raise fail(errno.EINVAL)
    deadline = _deadline(task, timeout)
    enter_mask(task, mask, mask_size)
    try:
        raw = task.process.memory.read(address, 8 * count) if count else b""
        interests = [struct.unpack_from("<iH", raw, 8 * i) for i in range(count)]
        found = host_poll(task, interests)
    except BaseException:
        leave_mask(task)
        raise
    number = sum(1 for events in found if events)
    if not number and (deadline is None or task.machine.clock.monotonic() < deadline):
        raise _sleep(task, interests, deadline)
    leave_mask(task)
    answers = b"".join(
        struct.pack("<iHH", fd, events, result) for (fd, events), result in zip(interests, found, strict=True)
    )
    if answers:
        task.process.memory.write(address, answers)
    _store_left(task, timeout, deadline)
    return number


@syscall("pselect6")
def sys_pselect6(
    task: LinuxTask, count: int, readable: int, writable: int, exceptional: int, timeout: int, mask: int
) -> int:
    """pselect6(2); the sixth argument points to (mask, its size)."""
    number = s32(count)
    if number < 0:
        raise fail(errno.EINVAL)
    deadline = _deadline(task, timeout)
    memory = task.process.memory
    mask_at, mask_size = struct.unpack("<QQ", memory.read(mask, 16)) if mask else (0, 8)
    enter_mask(task, mask_at, mask_size)
    addresses = (readable, writable, exceptional)
    try:
        number = min(number, files(task).limit)
        sets = [_read_set(task, address, number) for address in addresses]
        interests = _interests(sets, number)
        found = host_poll(task, interests)
    except BaseException:
        leave_mask(task)
        raise
    if any(events & POLLNVAL for events in found):
        leave_mask(task)
        raise fail(errno.EBADF)
    results, total = _answer_sets(sets, interests, found)
    if not total and (deadline is None or task.machine.clock.monotonic() < deadline):
        # what has hung up, and is in no set that this answers, stays so: it would wake us for ever
        waited = [interest for interest, events in zip(interests, found, strict=True) if not events]
        raise _sleep(task, waited, deadline)
    leave_mask(task)
    for address, result in zip(addresses, results, strict=True):
        if address:
            memory.write(address, result.to_bytes((number + 63) // 64 * 8, "little"))
    _store_left(task, timeout, deadline)
    return total


def _read_set(task: LinuxTask, address: int, number: int) -> int:
    """An fd_set as one integer."""
    if not address:
        return 0
    raw = task.process.memory.read(address, (number + 63) // 64 * 8)
    return int.from_bytes(raw, "little") & (1 << number) - 1


def _interests(sets: list[int], number: int) -> list[tuple[int, int]]:
    wanted = (_READ_SET & ~(POLLHUP | POLLERR), _WRITE_SET & ~POLLERR, _EXCEPT_SET)
    union = sets[0] | sets[1] | sets[2]
    return [
        (fd, sum(w for s, w in zip(sets, wanted, strict=True) if s >> fd & 1))
        for fd in range(number)
        if union >> fd & 1
    ]


def _answer_sets(
    sets: list[int], interests: list[tuple[int, int]], found: list[int]
) -> tuple[list[int], int]:
    masks = (_READ_SET, _WRITE_SET, _EXCEPT_SET)
    results, total = [0, 0, 0], 0
    for (fd, _), events in zip(interests, found, strict=True):
        for which in range(3):
            if sets[which] >> fd & 1 and events & masks[which]:
                results[which] |= 1 << fd
                total += 1
    return results, total
