"""The inner wall's doors: for each system call whether it reaches the host, and which arguments may.

One record for each call.  The dispatcher checks the arguments by it before anything else
looks at them, and the manual's table is made from it.  A call cannot be registered without
a record; one that nobody registered is ENOSYS.  Which calls a CPU may make by itself is in
forms.py; what those may use and refuse is what the records here say.
"""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass
from typing import Final

__all__ = ("DOORS", "Check", "Door", "Reach", "door_of")


@dataclass(frozen=True, slots=True)
class Check:
    """What one argument may be.

    :param argument: its number, from 0
    :param name: for people
    :param one_of: the low 32 bits are one of these; None: any
    :param bits: the low 32 bits have no others than these; None: any
    :param refusal: the error of a kernel without that feature
    :param after: a descriptor argument that must stand for something first, as in a kernel (EBADF)
    :param when: (argument, value): only if the low 32 bits of that one are the value
    """

    argument: int
    name: str
    refusal: int
    one_of: frozenset[int] | None = None
    bits: int | None = None
    after: int | None = None
    when: tuple[int, int] | None = None

    def refuses(self, arguments: tuple[int, ...]) -> bool:
        """Whether a call with these does not get through."""
        if self.when is not None and arguments[self.when[0]] & 0xFFFF_FFFF != self.when[1]:
            return False
        value = arguments[self.argument] & 0xFFFF_FFFF
        return (self.one_of is not None and value not in self.one_of) or (
            self.bits is not None and bool(value & ~self.bits)
        )


class Reach(enum.IntFlag):
    """What of the host a call uses, whoever makes it."""

    NOTHING = 0
    FILES = 1
    """Descriptors of the host's."""
    PATHS = 2
    """Names below folders that were given."""
    CHANGES = 4
    """Files and entries of mounts that may be written to."""
    HOLDS = 8
    """Memory: the host may keep what it writes, maps or queues."""


@dataclass(frozen=True, slots=True)
class Door:
    """What becomes of a call.

    :param kind: "emulated", "passed" (to the host) or "refused"
    :param what: what reaches the host and how it is made sure of; the error of a refused call
    :param reach: the same for those who have to keep to it
    """

    kind: str
    what: str
    checks: tuple[Check, ...] = ()
    reach: Reach = Reach.NOTHING


EMULATED: Final = Door("emulated", "from our own tables and the guest's memory")
_PATHS = "resolved inside the guest's mounts, component by component; changes in writable ones alone"
_DATA = "data between the file behind the descriptor and the guest's memory, through views that were checked"
_FILE = "the file behind the descriptor, if it lies in a writable mount where it is changed"
_WAKE = "nothing but waiting: for descriptors of ours"
_PRIVATE = "sockets of the run's private network; the host's with --allow-net"
_BOX = "EPERM: as without the capability"
_NO_RIGHTS = (
    "no devices, no links out of a mount, no set-user-ID files of root's, no attributes that give rights"
)
_NAMES = (
    "paths resolved as for openat, and but with --allow-net to sockets that the run made; abstract names"
    " with a prefix of the run"
)
_NETLINK = 16
_IOCTLS = frozenset(
    (
        # FIONBIO FIONCLEX FIOCLEX FIOASYNC FIONREAD TIOCOUTQ, TCGETS TCSETS TCSETSW TCSETSF
        *(0x5421, 0x5450, 0x5451, 0x5452, 0x541B, 0x5411, 0x5401, 0x5402, 0x5403, 0x5404),
        # TCGETS2 TCSETS2 TCSETSW2 TCSETSF2
        *(0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),
        # TIOCGWINSZ TIOCSWINSZ TIOCGPGRP TIOCSPGRP TIOCGSID TIOCSCTTY TCSBRK TCXONC TCFLSH
        *(0x5413, 0x5414, 0x540F, 0x5410, 0x5429, 0x540E, 0x5409, 0x540A, 0x540B),
        # Of the run's own terminals alone, which the host knows nothing of:
        # TCGETA TCSETA TCSETAW TCSETAF TIOCGLCKTRMIOS TIOCSLCKTRMIOS
        *(0x5405, 0x5406, 0x5407, 0x5408, 0x5456, 0x5457),
        # TIOCEXCL TIOCNXCL TIOCSTI TIOCGSOFTCAR TIOCPKT TIOCNOTTY TIOCGETD TCSBRKP
        *(0x540C, 0x540D, 0x5412, 0x5419, 0x5420, 0x5422, 0x5424, 0x5425),
        # TIOCGPTN TIOCSPTLCK TIOCSIG TIOCGPKT TIOCGPTLCK TIOCGEXCL TIOCGPTPEER
        *(0x80045430, 0x40045431, 0x40045436, 0x80045438, 0x80045439, 0x80045440, 0x5441),
        # FIGETBSZ FS_IOC_GETFLAGS FS_IOC_GETVERSION SIOCATMARK, SIOCGIF...
        *(2, 0x80086601, 0x80087601, 0x8905, 0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919),
        *(0x891B, 0x891D, 0x8921, 0x8927, 0x8933, 0x8942, 0x8970),
    )
)
_FCNTLS = frozenset((*range(12), 16, 36, 37, 38, 1025, 1027, 1030, 1031, 1032, 1033, 1034))
"""DUPFD to GETSIG, owners, OFD locks, GETLEASE, DUPFD_QUERY, DUPFD_CLOEXEC, pipe sizes, seals."""
_SOCKETS = frozenset({1, 2, 10, _NETLINK})
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK."""
_NETLINKS = frozenset({0, 4, 15, 16})
"""ROUTE, SOCK_DIAG, KOBJECT_UEVENT, GENERIC."""
_PRCTLS = frozenset(
    (
        *(1, 2, 3, 4, 7, 8, 15, 16, 21, 23, 27, 29, 30, 36, 37, 38, 39, 40, 41, 42, 47, 55, 56),
        *(0x53564D41, 0x59616D61),
    )
)
_TYPE_BITS = 0xF | 0o4000 | 0o2000000
"""SOCK_TYPE_MASK, SOCK_NONBLOCK, SOCK_CLOEXEC."""
_TYPES = Check(1, "type", errno.EINVAL, bits=_TYPE_BITS)


_LOOK = """
execve execveat chdir chroot newfstatat statx faccessat faccessat2 readlinkat statfs
getxattr lgetxattr listxattr llistxattr inotify_add_watch
"""
_CHANGE = """
mkdirat mknodat symlinkat unlinkat renameat renameat2 linkat fchmodat fchmodat2 fchownat utimensat
truncate setxattr lsetxattr removexattr lremovexattr
"""
_OPEN_FILES = """
fstat fstatfs fchdir fsync fdatasync syncfs fadvise64 readahead fgetxattr getcwd flistxattr flock close
close_range dup dup3 sync_file_range inotify_rm_watch
"""
_MACHINE = """
mount umount2 pivot_root reboot swapon swapoff acct vhangup quotactl init_module finit_module
delete_module kexec_load open_by_handle_at open_tree move_mount fsopen fsmount fspick mount_setattr
bpf perf_event_open fanotify_init userfaultfd ptrace setns
"""
_MESSAGES = (
    "a msghdr made anew: checked views, addresses as for bind; descriptors of the guest's,"
    " credentials, packet information, times"
)


_OURS = """
restart_syscall clock_gettime clock_getres clock_settime gettimeofday settimeofday adjtimex
clock_adjtime times nanosleep clock_nanosleep futex futex_waitv set_robust_list get_robust_list
futex_wake futex_wait futex_requeue getuid geteuid getgid getegid getresuid getresgid setresuid
setresgid setuid setgid setreuid setregid setfsuid setfsgid getgroups setgroups capget capset uname
sethostname setdomainname sysinfo getrandom getrusage prlimit64 getrlimit setrlimit getcpu
sched_getaffinity sched_setaffinity sched_get_priority_max sched_get_priority_min sched_getscheduler
sched_setscheduler sched_getparam sched_setparam sched_rr_get_interval sched_getattr sched_setattr personality
ioprio_get ioprio_set syslog brk mprotect pkey_mprotect madvise mlock munlock mlock2 mlockall
munlockall mincore msgget msgsnd msgrcv msgctl pidfd_send_signal getpid getppid getpgid getsid
setpgid setsid getpriority setpriority process_vm_readv process_vm_writev semget semop semtimedop
semctl rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn
sigaltstack kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo sync set_tid_address gettid rseq
sched_yield membarrier getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun
timer_delete wait4 waitid io_setup io_destroy io_getevents io_pgetevents io_cancel
"""


_SPLICES = Check(5, "flags", errno.EINVAL, bits=15)
_ON_FILES, _HELD = Reach.FILES, Reach.FILES | Reach.HOLDS
_BY_NAME = Reach.FILES | Reach.PATHS
_FAMILIES = Check(0, "family", errno.EAFNOSUPPORT, one_of=_SOCKETS)
_PROTOCOLS = Check(2, "protocol", errno.EPROTONOSUPPORT, one_of=_NETLINKS, when=(0, _NETLINK))

_GROUPS: Final[tuple[tuple[str, Door], ...]] = (
    (_OURS, EMULATED),
    (_LOOK, Door("passed", _PATHS, reach=_BY_NAME)),
    (
        "openat openat2",
        Door(
            "passed",
            _PATHS + "; neither devices nor FIFOs of read-only places are opened",
            reach=_BY_NAME | Reach.CHANGES,
        ),
    ),
    (_CHANGE, Door("passed", _PATHS + "; " + _NO_RIGHTS, reach=_BY_NAME | Reach.CHANGES)),
    ("read readv pread64 preadv preadv2 lseek getdents64", Door("passed", _DATA, reach=_ON_FILES)),
    ("write writev pwrite64 pwritev pwritev2 sendfile", Door("passed", _DATA, reach=_HELD)),
    ("io_submit", Door("passed", _DATA, reach=_HELD)),
    (_OPEN_FILES, Door("passed", _FILE, reach=_ON_FILES)),
    (
        "fchmod fchown ftruncate fsetxattr fremovexattr",
        Door("passed", _FILE, reach=Reach.FILES | Reach.CHANGES),
    ),
    ("fallocate", Door("passed", _FILE + "; modes 0 to 0x7B without NO_HIDE_STALE", reach=_HELD)),
    ("splice", Door("passed", _DATA + "; positions are copies", (_SPLICES,), _HELD)),
    (
        "tee",
        Door("passed", _DATA, (Check(3, "flags", errno.EINVAL, bits=15),), _HELD),
    ),
    ("vmsplice copy_file_range", Door("passed", _DATA + "; vmsplice as a copy", reach=_HELD)),
    (
        "ppoll pselect6 epoll_create1 epoll_ctl epoll_pwait epoll_pwait2",
        Door("passed", _WAKE, reach=_ON_FILES),
    ),
    (
        "pipe2 eventfd2 timerfd_create timerfd_settime timerfd_gettime signalfd4 inotify_init1 pidfd_open",
        Door("passed", "a descriptor of the host's; what it counts is ours", reach=_HELD),
    ),
    ("pidfd_getfd", Door("passed", "a duplicate of a descriptor of the run's own process", reach=_ON_FILES)),
    (
        "shmget shmat shmdt shmctl",
        Door("passed", "a file in the run's own folder, named by a number of ours", reach=_HELD),
    ),
    (
        "memfd_create",
        Door(
            "passed",
            "a file in memory without huge pages",
            (Check(1, "flags", errno.EINVAL, bits=0x1B),),
            _HELD,
        ),
    ),
    (
        "mmap munmap mremap msync",
        Door(
            "passed", "views of the file behind the descriptor, in memory of the guest's alone", reach=_HELD
        ),
    ),
    ("umask clone clone3 exit exit_group", Door("passed", "the host process that the guest process is")),
    (
        "ioctl",
        Door(
            "passed",
            "numbers and fixed structures without pointers, through buffers of ours; an ifconf is made anew",
            (Check(1, "request", errno.ENOTTY, one_of=_IOCTLS, after=0),),
            _ON_FILES,
        ),
    ),
    (
        "fcntl",
        Door(
            "passed",
            "locks, pipe sizes, seals, flags; owners and signals are noted and never sent",
            (Check(1, "command", errno.EINVAL, one_of=_FCNTLS, after=0),),
            _ON_FILES,
        ),
    ),
    ("socket", Door("passed", _PRIVATE + "; no raw ones", (_TYPES, _FAMILIES, _PROTOCOLS), _HELD)),
    ("socketpair", Door("passed", "two AF_UNIX sockets", (_TYPES,), _HELD)),
    (
        "bind connect accept accept4 getsockname getpeername listen shutdown",
        Door("passed", _PRIVATE + "; " + _NAMES, reach=_BY_NAME | Reach.CHANGES),
    ),
    (
        "sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg",
        Door("passed", _MESSAGES, reach=_BY_NAME | Reach.HOLDS),
    ),
    (
        "setsockopt getsockopt",
        Door("passed", "the options of an allow list, none with a pointer in its value", reach=_ON_FILES),
    ),
    ("prctl", Door("emulated", EMULATED.what, (Check(0, "option", errno.EINVAL, one_of=_PRCTLS),))),
    (
        _MACHINE,
        Door("refused", _BOX),
    ),
    ("name_to_handle_at", Door("refused", "EOPNOTSUPP: as on a file system without handles")),
    ("unshare", Door("emulated", "threads' own; namespaces are EPERM")),
)
"""Names with the door they share."""
DOORS: Final[dict[str, Door]] = {name: door for names, door in _GROUPS for name in names.split()}
"""By name."""


def door_of(name: str) -> Door:
    """The record of the call *name*; KeyError: it has none, and cannot be registered."""
    return DOORS[name]
