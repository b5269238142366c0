"""Which system calls a run has made: whether they may be made again, and whether a second run makes the same.

Instructions and the virtual clock repeat exactly.  What a program asks of the host does
too, as long as nothing outside has changed: by somebody else, or by the program itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

__all__ = ("Journal",)

_READS = """
read pread64 readv preadv preadv2 lseek fstat newfstatat statx readlinkat faccessat faccessat2 getdents64
getcwd statfs fstatfs close close_range dup dup3 fcntl chdir fchdir umask poll ppoll pselect6 select
write writev pwrite64 pwritev
"""
"""Of files.  Who writes to a file had to open it for that; standard output of a copy goes nowhere."""
_OWN = """
mmap munmap mprotect mremap brk madvise mincore msync mlock munlock mlock2 membarrier
futex set_robust_list get_robust_list set_tid_address rseq sched_yield sched_getaffinity sched_setaffinity
sched_getparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn sigaltstack
restart_syscall clock_gettime clock_getres gettimeofday nanosleep clock_nanosleep times getrusage
setitimer getitimer timer_create timer_settime timer_gettime timer_delete timer_getoverrun
getpid gettid getppid getuid geteuid getgid getegid getgroups getpgid getsid getresuid getresgid
prlimit64 prctl personality uname sysinfo getrandom getpriority setpriority getcpu exit exit_group
execve process_vm_readv
"""
"""Of the process's own, which a copy has anew."""
_REPEATED = frozenset(f"{_READS} {_OWN}".split())
_SIGNALS = frozenset({"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
"""To the process that they name first."""
_MAKES = frozenset(
    {
        *("pipe2", "eventfd2", "socket", "socketpair", "memfd_create", "signalfd4"),
        *("epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2"),
        *("timerfd_create", "timerfd_settime", "timerfd_gettime"),
    }
)
"""Of what lives in the host's kernel: a run from its start has it anew, one from later shares it."""
_WRITES_FILE = 0o1 | 0o2 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, __O_TMPFILE."""
_STARTS = ("clone", "clone3")
"""Threads, which a copy starts anew, or processes."""
_TTY_QUESTIONS = (0x5401, 0x5413, 0x541B)
"""TCGETS, TIOCGWINSZ, FIONREAD."""
_MASK = (1 << 63) - 1


class Journal:
    """Told of all system calls (a CallWatcher).

    :ivar once: what must not be done again: (instructions executed before, what it was)
    :ivar shared_since: instructions executed before something was made that later copies would share
    """

    def __init__(self, input_repeats: bool) -> None:
        self.executed: Callable[[], int] = int
        """How many instructions have been executed."""
        self.forked: Callable[[int], None] | None = None
        """Told of the pid of each process that the program forks."""
        self._input_repeats = input_repeats
        self.count = self.rolling = 0
        self._log = array("q")
        self.once: list[tuple[int, str]] = []
        self.shared_since: int | None = None

    def called(self, task: Any, name: str, arguments: tuple[int, ...]) -> None:
        """A call is made."""

    def answered(self, task: Any, name: str, arguments: tuple[int, ...], result: int | None) -> None:
        """It has got its result."""
        self.count += 1
        self.rolling = hash((self.rolling, task.tid, name, arguments, result)) & _MASK
        self._log.append(self.rolling)
        if result is not None and -4096 < result < 0:
            return
        if name in _STARTS:
            if any(each.tid == result for each in task.process.tasks):
                return
            if self.forked is not None and result:
                self.forked(result)
        if name in _MAKES:
            self.shared_since = self.executed() if self.shared_since is None else self.shared_since
        elif not self._repeats(task, name, arguments):
            self.once.append((self.executed(), name))

    def _repeats(self, task: Any, name: str, arguments: tuple[int, ...]) -> bool:
        """Whether the call does the same when it is made once more."""
        if name in _SIGNALS:
            return bool(arguments[0] == task.process.pid)
        if name == "tkill":
            return arguments[0] in {each.tid for each in task.process.tasks}
        if name in ("read", "readv") and arguments[0] == 0:
            return self._input_repeats
        if name in ("openat", "openat2"):
            return name == "openat" and not arguments[2] & _WRITES_FILE
        if name == "ioctl":
            return arguments[1] & 0xFFFF_FFFF in _TTY_QUESTIONS
        return name in _REPEATED

    def state(self) -> tuple[int, int]:
        """How many calls were made, and a number that stands for all of them."""
        return self.count, self.rolling

    def agrees(self, state: tuple[int, int]) -> bool:
        """Whether a copy in *state* has made the calls that we have made."""
        count, rolling = state
        return count <= self.count and (count == 0 or self._log[count - 1] == rolling)
