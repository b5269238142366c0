"""Capabilities, identity and limits that are given up for good.

Facts: capabilities(7), prctl(2), getrlimit(2).
"""

from __future__ import annotations

import contextlib
import os
import resource

from uprobe_core.confinement.host_calls import capset, prctl

__all__ = ("drop_capabilities", "lower_limits", "no_new_privileges")

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 23, 24, 38, 47
_AMBIENT_CLEAR_ALL = 4
_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID = 0, 1, 3, 4
_ROOT_KEEPS = 1 << _CHOWN | 1 << _DAC_OVERRIDE | 1 << _FOWNER | 1 << _FSETID
"""What root needs to work on files of others, where it may work at all."""
_LIMITS = (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO, resource.RLIMIT_NICE)
"""No memory image of ours on disk, no queues in the kernel, no way ahead of others."""


def no_new_privileges() -> None:
    """No program that is executed has more rights than this process; raises OSError."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities(*, files: bool) -> None:
    """Have no capabilities; raises OSError.

    :param files: root keeps those over files, because other walls say which files it reaches
    """
    with contextlib.suppress(OSError):  # before Linux 4.3 there are none
        prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    kept = _ROOT_KEEPS if files and os.geteuid() == 0 else 0
    held = _held()
    if held >> 8 & 1:  # CAP_SETPCAP
        for number in range(64):
            if not kept >> number & 1 and not _leave_bounding_set(number):
                break
    capset(kept & held)


def _leave_bounding_set(number: int) -> bool:
    """Whether there is such a capability."""
    try:
        prctl(_PR_CAPBSET_DROP, number)
    except OSError:
        return False
    return True


def _held() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))


def lower_limits() -> None:
    """Resources that no run needs."""
    for which in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(which, (0, 0))
