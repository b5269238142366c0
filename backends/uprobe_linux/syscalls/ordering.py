"""Which system calls another process can tell, and what it may be waiting for that they do.

A call is ordered among the processes of a machine (:mod:`uprobe_linux.scheduling.turns`) unless it is
named here as one that only its own process can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_linux.scheduling.turns import EVERY

if TYPE_CHECKING:
    from uprobe_linux.calls import Syscall
    from uprobe_linux.kernel import Task
    from uprobe_linux.scheduling.turns import Turns

__all__ = ("LOCAL", "TOUCHES", "enter")

_MEMORY = (
    "brk mmap munmap mprotect mremap madvise mlock munlock mincore msync set_robust_list get_robust_list"
    " membarrier futex io_setup io_destroy io_cancel io_getevents io_pgetevents"
)
"""A futex that others share is ordered where its key is known."""
_TIME = (
    "clock_gettime clock_getres gettimeofday times nanosleep clock_nanosleep getitimer setitimer timer_create"
    " timer_settime timer_gettime timer_getoverrun timer_delete getrandom adjtimex clock_adjtime"
)
_OWN_SIGNALS = (
    "rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack"
)
_IDENTITY = (
    "getpid gettid getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid"
    " setregid setresuid setresgid setgroups setfsuid setfsgid capget capset uname sysinfo getrusage"
    " prctl prlimit64 getrlimit setrlimit personality set_tid_address rseq umask getcwd getcpu"
)
_THREADS = (
    "sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler"
    " sched_setscheduler sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min"
    " sched_rr_get_interval"
)
_NEW_DESCRIPTORS = "dup pipe2 eventfd2 epoll_create1 timerfd_create signalfd4 socket socketpair memfd_create"
LOCAL = frozenset(f"{_MEMORY} {_TIME} {_OWN_SIGNALS} {_IDENTITY} {_THREADS} {_NEW_DESCRIPTORS}".split())

_ANY_OF_THEM = 99
_FIRST = (
    "read readv write writev preadv2 pwritev2 vmsplice close fcntl ioctl timerfd_settime"
    " sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg shutdown connect accept accept4 bind listen"
)
_SEVERAL = "io_submit splice tee sendfile copy_file_range close_range openat openat2"
TOUCHES = {
    **dict.fromkeys(_FIRST.split(), 0),
    "dup3": 1,
    **dict.fromkeys(_SEVERAL.split(), _ANY_OF_THEM),
}
"""The argument that is a descriptor whose readiness others may wait for."""


def enter(turns: Turns, task: Task, entry: Syscall, arguments: tuple[int, ...]) -> None:
    """Before an ordered call: wait for its turn, and wake those who may wait for what it does."""
    turns.take()
    if entry.touches is None:
        return
    if entry.touches == _ANY_OF_THEM:
        turns.touch(EVERY)
        return
    fd = arguments[entry.touches] & 0xFFFF_FFFF
    files = task.process.files
    if fd in files and files.get(fd).file.is_stream:
        turns.touch_descriptor(files.get(fd).host)
