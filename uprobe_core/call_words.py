"""System calls as strace writes them: numbers by name, modes in octal, AT_FDCWD, errors as results.

Values, those of arm64: include/uapi/ and arch/arm64/include/uapi/ of Linux 6.12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uprobe_core.event_model import Record
from uprobe_core.value_text import values_text

__all__ = ("CHOICES", "FLAGS", "call_texts", "in_words", "signal_name")

_LAST = {"exit", "exit_group"}
"""Those that have no result."""
_AT_FDCWD = -100
_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "0x3")
_SOCKET_TYPES = ("0", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET")
_TESTS: Mapping[int, str] = {4: "R_OK", 2: "W_OK", 1: "X_OK"}
_FUTEX_PRIVATE, _FUTEX_REALTIME = 0x80, 0x100


def _in_turn(prefix: str, words: str, first: int = 0) -> Mapping[int, str]:
    """Names of the numbers from *first* on; ``-`` is a number without a name."""
    return {number: prefix + word for number, word in enumerate(words.split(), first) if word != "-"}


def _named(prefix: str, words: str) -> Mapping[int, str]:
    """Names of the numbers in ``NAME=NUMBER`` words."""
    pairs = (word.split("=") for word in words.split())
    return {int(number, 0): prefix + name for name, number in pairs}


_SIGNALS = _in_turn(
    "SIG",
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP"
    " TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RTMIN",
    1,
)
_LAST_SIGNAL = 64

_CLOCKS = _in_turn(
    "CLOCK_",
    "REALTIME MONOTONIC PROCESS_CPUTIME_ID THREAD_CPUTIME_ID MONOTONIC_RAW REALTIME_COARSE"
    " MONOTONIC_COARSE BOOTTIME REALTIME_ALARM BOOTTIME_ALARM - TAI",
)
_LIMITS = _in_turn(
    "RLIMIT_",
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME",
)
_FAMILIES = _named("AF_", "UNSPEC=0 UNIX=1 INET=2 INET6=10 NETLINK=16 PACKET=17 ALG=38 VSOCK=40")
_TIMERS = _in_turn("ITIMER_", "REAL VIRTUAL PROF")

CHOICES: Mapping[str, Mapping[int, str]] = {
    "advice": _named(
        "MADV_",
        "NORMAL=0 RANDOM=1 SEQUENTIAL=2 WILLNEED=3 DONTNEED=4 FREE=8 REMOVE=9 DONTFORK=10 DOFORK=11"
        " MERGEABLE=12 UNMERGEABLE=13 HUGEPAGE=14 NOHUGEPAGE=15 DONTDUMP=16 DODUMP=17 WIPEONFORK=18"
        " KEEPONFORK=19 COLD=20 PAGEOUT=21 POPULATE_READ=22 POPULATE_WRITE=23",
    ),
    "fadvise64 advice": _in_turn("POSIX_FADV_", "NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE"),
    "clockid": _CLOCKS,
    "fcntl cmd": _named(
        "F_",
        "DUPFD=0 GETFD=1 SETFD=2 GETFL=3 SETFL=4 GETLK=5 SETLK=6 SETLKW=7 SETOWN=8 GETOWN=9 SETSIG=10"
        " GETSIG=11 SETOWN_EX=15 GETOWN_EX=16 OFD_GETLK=36 OFD_SETLK=37 OFD_SETLKW=38 SETLEASE=1024"
        " GETLEASE=1025 NOTIFY=1026 DUPFD_QUERY=1027 DUPFD_CLOEXEC=1030 SETPIPE_SZ=1031 GETPIPE_SZ=1032"
        " ADD_SEALS=1033 GET_SEALS=1034",
    ),
    "domain": _FAMILIES,
    "epoll_ctl op": _in_turn("EPOLL_CTL_", "ADD DEL MOD", 1),
    "futex_op": _in_turn(
        "FUTEX_",
        "WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET WAKE_BITSET"
        " WAIT_REQUEUE_PI CMP_REQUEUE_PI LOCK_PI2",
    ),
    "getrusage who": _named("RUSAGE_", "CHILDREN=-1 SELF=0 THREAD=1"),
    "idtype": _in_turn("P_", "ALL PID PGID PIDFD"),
    "ioctl request": _named(
        "",
        "TCGETS=0x5401 TCSETS=0x5402 TCSETSW=0x5403 TCSETSF=0x5404 TCSBRK=0x5409 TCXONC=0x540a"
        " TCFLSH=0x540b TIOCEXCL=0x540c TIOCNXCL=0x540d TIOCSCTTY=0x540e TIOCGPGRP=0x540f"
        " TIOCSPGRP=0x5410 TIOCOUTQ=0x5411 TIOCSTI=0x5412 TIOCGWINSZ=0x5413 TIOCSWINSZ=0x5414"
        " FIONREAD=0x541b TIOCPKT=0x5420 FIONBIO=0x5421 TIOCNOTTY=0x5422 TIOCGSID=0x5429"
        " TIOCGPTN=0x80045430 TIOCSPTLCK=0x40045431 TIOCGPTPEER=0x5441 FIONCLEX=0x5450 FIOCLEX=0x5451"
        " FIOASYNC=0x5452 FICLONE=0x40049409",
    ),
    "level": _named("", "SOL_IP=0 SOL_SOCKET=1 SOL_TCP=6 SOL_UDP=17 SOL_IPV6=41 SOL_NETLINK=270"),
    "prctl option": _named(
        "PR_",
        "SET_PDEATHSIG=1 GET_PDEATHSIG=2 GET_DUMPABLE=3 SET_DUMPABLE=4 GET_KEEPCAPS=7 SET_KEEPCAPS=8"
        " SET_NAME=15 GET_NAME=16 GET_SECCOMP=21 SET_SECCOMP=22 CAPBSET_READ=23 CAPBSET_DROP=24"
        " SET_TIMERSLACK=29 GET_TIMERSLACK=30 SET_MM=35 SET_CHILD_SUBREAPER=36 GET_CHILD_SUBREAPER=37"
        " SET_NO_NEW_PRIVS=38 GET_NO_NEW_PRIVS=39 SET_THP_DISABLE=41 GET_THP_DISABLE=42 CAP_AMBIENT=47"
        " SET_TAGGED_ADDR_CTRL=55 GET_TAGGED_ADDR_CTRL=56 SET_VMA=0x53564d41 SET_PTRACER=0x59616d61",
    ),
    "resource": _LIMITS,
    "rt_sigprocmask how": _in_turn("SIG_", "BLOCK UNBLOCK SETMASK"),
    "setitimer which": _TIMERS,
    "getitimer which": _TIMERS,
    "shutdown how": _in_turn("SHUT_", "RD WR RDWR"),
    "whence": _in_turn("SEEK_", "SET CUR END DATA HOLE"),
}
"""Numbers of which one is meant, by argument, or by call and argument."""

_AT = _named("AT_", "SYMLINK_NOFOLLOW=0x100 SYMLINK_FOLLOW=0x400 NO_AUTOMOUNT=0x800 EMPTY_PATH=0x1000")
_AT_ACCESS = {0x100: "AT_SYMLINK_NOFOLLOW", 0x200: "AT_EACCESS", 0x1000: "AT_EMPTY_PATH"}
_SOCK = _named("SOCK_", "NONBLOCK=0x800 CLOEXEC=0x80000")
_MSG = _named(
    "MSG_",
    "OOB=1 PEEK=2 DONTROUTE=4 CTRUNC=8 TRUNC=0x20 DONTWAIT=0x40 EOR=0x80 WAITALL=0x100 CONFIRM=0x800"
    " ERRQUEUE=0x2000 NOSIGNAL=0x4000 MORE=0x8000 WAITFORONE=0x10000 CMSG_CLOEXEC=0x40000000",
)
_O_CLOSE = _named("O_", "NONBLOCK=0x800 DIRECT=0x10000 CLOEXEC=0x80000")
_PROT = _named("PROT_", "READ=1 WRITE=2 EXEC=4 BTI=0x10 MTE=0x20 GROWSDOWN=0x1000000 GROWSUP=0x2000000")
_WAIT = _named(
    "", "WNOHANG=1 WSTOPPED=2 WEXITED=4 WCONTINUED=8 WNOWAIT=0x1000000 __WALL=0x40000000 __WCLONE=0x80000000"
)

FLAGS: Mapping[str, Mapping[int, str]] = {
    "accept4 flags": _SOCK,
    "clone flags": _named(
        "CLONE_",
        "VM=0x100 FS=0x200 FILES=0x400 SIGHAND=0x800 PIDFD=0x1000 PTRACE=0x2000 VFORK=0x4000"
        " PARENT=0x8000 THREAD=0x10000 NEWNS=0x20000 SYSVSEM=0x40000 SETTLS=0x80000"
        " PARENT_SETTID=0x100000 CHILD_CLEARTID=0x200000 DETACHED=0x400000 UNTRACED=0x800000"
        " CHILD_SETTID=0x1000000 NEWCGROUP=0x2000000 NEWUTS=0x4000000 NEWIPC=0x8000000 NEWUSER=0x10000000"
        " NEWPID=0x20000000 NEWNET=0x40000000 IO=0x80000000",
    ),
    "clock_nanosleep flags": {1: "TIMER_ABSTIME"},
    "close_range flags": {2: "CLOSE_RANGE_UNSHARE", 4: "CLOSE_RANGE_CLOEXEC"},
    "dup3 flags": {0x80000: "O_CLOEXEC"},
    "epoll_create1 flags": {0x80000: "EPOLL_CLOEXEC"},
    "eventfd2 flags": _named("EFD_", "SEMAPHORE=1 NONBLOCK=0x800 CLOEXEC=0x80000"),
    "execveat flags": _AT,
    "faccessat2 flags": _AT_ACCESS,
    "fchownat flags": _AT,
    "flock operation": _named("LOCK_", "SH=1 EX=2 NB=4 UN=8"),
    "getrandom flags": _named("GRND_", "NONBLOCK=1 RANDOM=2 INSECURE=4"),
    "inotify_init1 flags": _named("IN_", "NONBLOCK=0x800 CLOEXEC=0x80000"),
    "linkat flags": _AT,
    "memfd_create flags": _named("MFD_", "CLOEXEC=1 ALLOW_SEALING=2 HUGETLB=4 NOEXEC_SEAL=8 EXEC=0x10"),
    "mmap flags": _named(
        "MAP_",
        "SHARED=1 PRIVATE=2 FIXED=0x10 ANONYMOUS=0x20 GROWSDOWN=0x100 DENYWRITE=0x800 EXECUTABLE=0x1000"
        " LOCKED=0x2000 NORESERVE=0x4000 POPULATE=0x8000 NONBLOCK=0x10000 STACK=0x20000 HUGETLB=0x40000"
        " SYNC=0x80000 FIXED_NOREPLACE=0x100000",
    ),
    "mremap flags": _named("MREMAP_", "MAYMOVE=1 FIXED=2 DONTUNMAP=4"),
    "msync flags": _named("MS_", "ASYNC=1 INVALIDATE=2 SYNC=4"),
    "newfstatat flags": _AT,
    "openat flags": _named(
        "O_",
        "CREAT=0x40 EXCL=0x80 NOCTTY=0x100 TRUNC=0x200 APPEND=0x400 NONBLOCK=0x800 DSYNC=0x1000"
        " DIRECTORY=0x4000 NOFOLLOW=0x8000 DIRECT=0x10000 LARGEFILE=0x20000 NOATIME=0x40000"
        " CLOEXEC=0x80000 PATH=0x200000",
    ),
    "options": _WAIT,
    "pipe2 flags": _O_CLOSE,
    "poll": _named(
        "POLL",
        "IN=1 PRI=2 OUT=4 RDNORM=0x40 RDBAND=0x80 WRNORM=0x100 WRBAND=0x200 ERR=8 HUP=0x10 NVAL=0x20"
        " MSG=0x400 REMOVE=0x1000 RDHUP=0x2000",
    ),
    "prot": _PROT,
    "recvfrom flags": _MSG,
    "recvmsg flags": _MSG,
    "renameat2 flags": _named("RENAME_", "NOREPLACE=1 EXCHANGE=2 WHITEOUT=4"),
    "sa_flags": _named(
        "SA_",
        "RESTORER=0x4000000 ONSTACK=0x8000000 RESTART=0x10000000 NODEFER=0x40000000 RESETHAND=0x80000000"
        " SIGINFO=4 NOCLDSTOP=1 NOCLDWAIT=2 EXPOSE_TAGBITS=0x800",
    ),
    "sendmsg flags": _MSG,
    "sendto flags": _MSG,
    "signalfd4 flags": _named("SFD_", "NONBLOCK=0x800 CLOEXEC=0x80000"),
    "splice flags": _named("SPLICE_F_", "MOVE=1 NONBLOCK=2 MORE=4 GIFT=8"),
    "statx flags": _AT,
    "timerfd_create flags": _named("TFD_", "NONBLOCK=0x800 CLOEXEC=0x80000"),
    "timerfd_settime flags": _named("TFD_TIMER_", "ABSTIME=1 CANCEL_ON_SET=2"),
    "type": _SOCK,
    "unlinkat flags": {0x200: "AT_REMOVEDIR"},
    "utimensat flags": _AT,
}
"""Names of bits, by argument, or by call and argument."""


def signal_name(number: int) -> str | None:
    """``SIGCHLD``, ``SIGRT_1`` of 33, None of a number that no signal has."""
    if max(_SIGNALS) < number <= _LAST_SIGNAL:
        return f"SIGRT_{number - max(_SIGNALS)}"
    return _SIGNALS.get(number)


def in_words(call: str, argument: str, value: object) -> str | None:
    """What *value* of an argument of the system call *call* is called; None: it is just a number."""
    if not isinstance(value, int):
        return None
    both = f"{call} {argument}"
    special = _SPECIAL.get(both) or _SPECIAL.get(argument)
    if special is not None:
        return special(value)
    choices = CHOICES.get(both) or CHOICES.get(argument)
    if choices is not None:
        return choices.get(value)
    flags = FLAGS.get(both) or FLAGS.get(argument)
    return _joined(value, flags) if flags is not None and value else None


def _folder(value: int) -> str | None:
    return "AT_FDCWD" if value == _AT_FDCWD else None


def _mode(value: int) -> str:
    return f"{value:#o}".replace("0o", "0") if value else "0"


def _futex(value: int) -> str | None:
    name = CHOICES["futex_op"].get(value & ~(_FUTEX_PRIVATE | _FUTEX_REALTIME))
    if name is None:
        return None
    private = "_PRIVATE" if value & _FUTEX_PRIVATE else ""
    return f"{name}{private}{'|FUTEX_CLOCK_REALTIME' if value & _FUTEX_REALTIME else ''}"


def _clone(value: int) -> str:
    """The flags, and the signal at the end in the lowest byte."""
    end = value & 0xFF
    flags = [_joined(value & ~0xFF, FLAGS["clone flags"])] if value & ~0xFF or not end else []
    return "|".join([*flags, *([signal_name(end) or f"{end:#x}"] if end else [])])


def _socket_type(value: int) -> str | None:
    which = value & 0xF
    return _joined(value & ~0xF, FLAGS["type"], _SOCKET_TYPES[which]) if which < len(_SOCKET_TYPES) else None


_SPECIAL: Mapping[str, Callable[[int], str | None]] = {
    "clone flags": _clone,
    "dirfd": _folder,
    "faccessat mode": lambda value: _joined(value, _TESTS) if value else "F_OK",
    "faccessat2 mode": lambda value: _joined(value, _TESTS) if value else "F_OK",
    "fallocate mode": lambda _: None,
    "futex_op": _futex,
    "mode": _mode,
    "newdirfd": _folder,
    "olddirfd": _folder,
    "openat flags": lambda value: _joined(value & ~3, FLAGS["openat flags"], _ACCESS_MODES[value & 3]),
    "prot": lambda value: _joined(value, FLAGS["prot"]) if value else "PROT_NONE",
    "sig": signal_name,
    "signum": signal_name,
    "type": _socket_type,
}
"""What has a form of its own, by argument, or by call and argument."""


def call_texts(record: Record) -> tuple[list[str], str, int]:
    """Of the record of a system call: its arguments, its result, and nanoseconds that it took."""
    event = record.event
    *arguments, result, _, _ = values_text(record)
    for number, (arg, value) in enumerate(zip(event.args, record.values, strict=True)):
        words = value if arg.type.kind == "shape" else in_words(event.name, arg.name, value)
        if words is not None and number < len(arguments):
            arguments[number] = f"{arg.name}={words}"
    *_, error, took = record.values
    text = f"-{error}" if error else result.removeprefix("rv=")
    return arguments, "?" if event.name in _LAST else text, int(str(took))


def _joined(value: int, names: Mapping[int, str], head: str = "") -> str:
    """*head*, the names of the bits of *value*, and what has none as a number."""
    words = [*([head] if head else ()), *(name for bit, name in names.items() if value & bit)]
    rest = value & ~sum(names)
    return "|".join([*words, *([f"{rest:#x}"] if rest or not words else [])])
