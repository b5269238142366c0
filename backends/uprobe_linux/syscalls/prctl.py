"""prctl(2): the operations that programs use; others are EINVAL.

Facts: kernel/sys.c sys_prctl, include/uapi/linux/prctl.h.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.signals.numbers import LAST_SIGNAL
from uprobe_linux.syscalls.processes import entry_of
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

SET_PDEATHSIG, GET_PDEATHSIG, GET_DUMPABLE, SET_DUMPABLE, GET_KEEPCAPS, SET_KEEPCAPS = 1, 2, 3, 4, 7, 8
SET_NAME, GET_NAME, GET_SECCOMP, CAPBSET_READ, SET_TIMERSLACK, GET_TIMERSLACK = 15, 16, 21, 23, 29, 30
GET_SECUREBITS, SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS, GET_NO_NEW_PRIVS = (
    27,
    36,
    37,
    38,
    39,
)
GET_TID_ADDRESS, SET_THP_DISABLE, GET_THP_DISABLE, CAP_AMBIENT = 40, 41, 42, 47
SET_TAGGED_ADDR_CTRL, GET_TAGGED_ADDR_CTRL, SET_VMA, SET_PTRACER = 55, 56, 0x5356_4D41, 0x5961_6D61
NAME_BYTES = 16
LAST_CAPABILITY = 40
DEFAULT_TIMERSLACK = 50_000
"""Nanoseconds."""

Operation = Callable[["LinuxTask", int, int, int, int], int]


@syscall("prctl")
def sys_prctl(task: LinuxTask, option: int, a: int, b: int, c: int, d: int) -> int:
    """prctl(2)."""
    operation = _OPERATIONS.get(s32(option))
    if operation is None:
        raise fail(errno.EINVAL)
    return operation(task, a, b, c, d)


def _set_name(task: LinuxTask, name: int, b: int, c: int, d: int) -> int:
    data = task.process.memory.read(name, 1)
    for offset in range(1, NAME_BYTES):
        if data.endswith(b"\0"):
            break
        data += task.process.memory.read(name + offset, 1)
    task.name = data.split(b"\0")[0][: NAME_BYTES - 1]
    if task is task.process.tasks[0]:
        entry_of(task).comm = task.comm
    return 0


def _get_name(task: LinuxTask, name: int, b: int, c: int, d: int) -> int:
    task.process.memory.write(name, task.name[: NAME_BYTES - 1].ljust(NAME_BYTES, b"\0"))
    return 0


def _set_pdeathsig(task: LinuxTask, signo: int, b: int, c: int, d: int) -> int:
    if not 0 <= s32(signo) <= LAST_SIGNAL:
        raise fail(errno.EINVAL)
    entry_of(task).death_signal = s32(signo)
    return 0


def _get_pdeathsig(task: LinuxTask, result: int, b: int, c: int, d: int) -> int:
    task.process.memory.write_u32(result, entry_of(task).death_signal)
    return 0


def _set_subreaper(task: LinuxTask, on: int, b: int, c: int, d: int) -> int:
    entry_of(task).reaper = int(bool(on))
    return 0


def _get_subreaper(task: LinuxTask, result: int, b: int, c: int, d: int) -> int:
    task.process.memory.write_u32(result, entry_of(task).reaper)
    return 0


def _set_no_new_privs(task: LinuxTask, on: int, b: int, c: int, d: int) -> int:
    if on != 1 or b or c or d:
        raise fail(errno.EINVAL)
    task.no_new_privs = True
    return 0


def _get_no_new_privs(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    if a or b or c or d:
        raise fail(errno.EINVAL)
    return int(task.no_new_privs)


def _set_timerslack(task: LinuxTask, slack: int, b: int, c: int, d: int) -> int:
    task.timer_slack = slack or DEFAULT_TIMERSLACK
    return 0


def _get_tid_address(task: LinuxTask, result: int, b: int, c: int, d: int) -> int:
    task.process.memory.write_u64(result, task.clear_child_tid)
    return 0


def _bounding_set(task: LinuxTask, capability: int, b: int, c: int, d: int) -> int:
    if capability > LAST_CAPABILITY:
        raise fail(errno.EINVAL)
    return 1


def _set_dumpable(task: LinuxTask, value: int, b: int, c: int, d: int) -> int:
    if value not in (0, 1):
        raise fail(errno.EINVAL)
    task.process.dumpable = value
    return 0


def _get_dumpable(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    return task.process.dumpable


def _get_timerslack(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    return task.timer_slack


def _ambient(task: LinuxTask, command: int, capability: int, c: int, d: int) -> int:
    """PR_CAP_AMBIENT: the set is empty and stays so (raising needs inheritable capabilities)."""
    if command == 4:
        return 0
    if capability > LAST_CAPABILITY or command not in (1, 2, 3):
        raise fail(errno.EINVAL)
    if command == 2:
        raise fail(errno.EPERM)
    return 0


def _nothing(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    return 0


def _get_keepcaps(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    return int(identity(task).keep_caps)


def _set_keepcaps(task: LinuxTask, a: int, b: int, c: int, d: int) -> int:
    if a > 1:
        raise fail(errno.EINVAL)
    identity(task).keep_caps = bool(a)
    return 0


_OPERATIONS: dict[int, Operation] = {
    SET_PDEATHSIG: _set_pdeathsig,
    GET_PDEATHSIG: _get_pdeathsig,
    GET_DUMPABLE: _get_dumpable,
    SET_DUMPABLE: _set_dumpable,
    GET_KEEPCAPS: _get_keepcaps,
    SET_KEEPCAPS: _set_keepcaps,
    SET_NAME: _set_name,
    GET_NAME: _get_name,
    GET_SECCOMP: _nothing,
    CAPBSET_READ: _bounding_set,
    GET_SECUREBITS: _nothing,
    SET_TIMERSLACK: _set_timerslack,
    GET_TIMERSLACK: _get_timerslack,
    SET_CHILD_SUBREAPER: _set_subreaper,
    GET_CHILD_SUBREAPER: _get_subreaper,
    SET_NO_NEW_PRIVS: _set_no_new_privs,
    GET_NO_NEW_PRIVS: _get_no_new_privs,
    GET_TID_ADDRESS: _get_tid_address,
    SET_THP_DISABLE: _nothing,
    GET_THP_DISABLE: _nothing,
    CAP_AMBIENT: _ambient,
    SET_TAGGED_ADDR_CTRL: _nothing,
    GET_TAGGED_ADDR_CTRL: _nothing,
    SET_VMA: _nothing,
    SET_PTRACER: _nothing,
}
