"""Small structures that system calls give and take, as strace writes them.

Their layouts: include/uapi/asm-generic/ and arch/arm64/include/uapi/ of Linux 6.12.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_core.call_words import in_words, signal_name
from uprobe_core.tracing.pointed_text import address_text, items, number

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("poll_answers", "poll_questions", "signal_set", "structure", "wait_status")

_Form = tuple[str, Callable[..., str]]
_SIGNALS = 64
_FILE_TYPES = {
    0o010000: "S_IFIFO",
    0o020000: "S_IFCHR",
    0o040000: "S_IFDIR",
    0o060000: "S_IFBLK",
    0o100000: "S_IFREG",
    0o120000: "S_IFLNK",
    0o140000: "S_IFSOCK",
}
_HAS_DEVICE = (0o020000, 0o060000)
_RESTORER = 0x04000000
_INFINITY = (1 << 64) - 1
_NOW, _OMIT = 0x3FFFFFFF, 0x3FFFFFFE
_STOPPED, _CONTINUED, _CORE = 0x7F, 0xFFFF, 0x80
_POLL = struct.Struct("<iHH")


def _timespec(seconds: int, nanoseconds: int) -> str:
    return f"{{tv_sec={seconds}, tv_nsec={nanoseconds}}}"


def _file_time(seconds: int, nanoseconds: int) -> str:
    if nanoseconds in (_NOW, _OMIT):
        return "UTIME_NOW" if nanoseconds == _NOW else "UTIME_OMIT"
    return _timespec(seconds, nanoseconds)


def _timeval(seconds: int, microseconds: int) -> str:
    return f"{{tv_sec={seconds}, tv_usec={microseconds}}}"


def _stat(mode: int, device: int, size: int) -> str:
    kind = mode & 0o170000
    permissions = in_words("", "mode", mode & 0o7777) or "0"
    words = f"{_FILE_TYPES.get(kind, f'{kind:#o}'.replace('0o', '0'))}|{permissions}"
    if kind in _HAS_DEVICE:
        major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
        return f"{{st_mode={words}, st_rdev=makedev({major:#x}, {minor:#x}), ...}}"
    return f"{{st_mode={words}, st_size={size}, ...}}"


def _limit(value: int, infinity: str) -> str:
    if value == _INFINITY:
        return infinity
    return f"{value // 1024}*1024" if value > 1024 and not value % 1024 else str(value)


def _limits(infinity: str) -> Callable[[int, int], str]:
    return lambda now, most: f"{{rlim_cur={_limit(now, infinity)}, rlim_max={_limit(most, infinity)}}}"


def _set_text(bits: int) -> str:
    """Names without SIG; of what is set in the greater part, those that are not."""
    turned = bits.bit_count() >= _SIGNALS // 2
    shown = ~bits if turned else bits
    names = [signal_name(n + 1) or str(n + 1) for n in range(_SIGNALS) if shown >> n & 1]
    return f"{'~' * turned}[{' '.join(name.removeprefix('SIG') for name in names)}]"


def _action(handler: int, flags: int, restorer: int, mask: int) -> str:
    does = {0: "SIG_DFL", 1: "SIG_IGN"}.get(handler) or address_text(handler)
    words = in_words("", "sa_flags", flags) or "0"
    after = f", sa_restorer={address_text(restorer)}" if flags & _RESTORER else ""
    return f"{{sa_handler={does}, sa_mask={_set_text(mask)}, sa_flags={words}{after}}}"


def _window(rows: int, columns: int, width: int, height: int) -> str:
    return f"{{ws_row={rows}, ws_col={columns}, ws_xpixel={width}, ws_ypixel={height}}}"


def _usage(a: int, b: int, c: int, d: int) -> str:
    return f"{{ru_utime={_timeval(a, b)}, ru_stime={_timeval(c, d)}, ...}}"


def _interval(part: Callable[[int, int], str]) -> Callable[..., str]:
    return lambda a, b, c, d: f"{{it_interval={part(a, b)}, it_value={part(c, d)}}}"


_FORMS: dict[str, _Form] = {
    "struct timespec": ("<qq", _timespec),
    "struct timeval": ("<qq", _timeval),
    "struct timespec [2]": ("<qqqq", lambda a, b, c, d: f"[{_file_time(a, b)}, {_file_time(c, d)}]"),
    "struct itimerval": ("<qqqq", _interval(_timeval)),
    "struct itimerspec": ("<qqqq", _interval(_timespec)),
    "struct stat": ("<16xI12xQ8xq", _stat),
    "struct rlimit": ("<QQ", _limits("RLIM_INFINITY")),
    "struct rlimit64": ("<QQ", _limits("RLIM64_INFINITY")),
    "struct rusage": ("<qqqq", _usage),
    "struct sigaction": ("<QQQQ", _action),
    "struct winsize": ("<HHHH", _window),
    "int": ("<i", "[{}]".format),
    "int [2]": ("<ii", "[{}, {}]".format),
}
"""By C type: what of its memory is shown, and how."""


def structure(kind: str) -> Callable[[GuestMemory, int], str]:
    """What writes one of the C type *kind* at an address; that raises MemoryFault."""
    layout, show = _FORMS[kind]
    form = struct.Struct(layout)
    return lambda memory, address: show(*form.unpack(memory.read(address, form.size)))


def signal_set(memory: GuestMemory, address: int) -> str:
    """64 signals; raises MemoryFault."""
    return _set_text(number(memory, address, _SIGNALS // 8))


def wait_status(memory: GuestMemory, address: int) -> str:
    """What wait4 says of a child; raises MemoryFault."""
    status = number(memory, address, 4)
    low, high = status & 0x7F, status >> 8 & 0xFF
    if status == _CONTINUED:
        words = "WIFCONTINUED(s)"
    elif status & 0xFF == _STOPPED:
        words = f"WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(high) or high}"
    elif low:
        core = " && WCOREDUMP(s)" if status & _CORE else ""
        words = f"WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(low) or low}{core}"
    else:
        words = f"WIFEXITED(s) && WEXITSTATUS(s) == {high}"
    return f"[{{{words}}}]"


def poll_questions(memory: GuestMemory, address: int, count: int) -> str:
    """What ppoll is asked; raises MemoryFault."""

    def one(index: int) -> str:
        fd, events, _ = _POLL.unpack(memory.read(address + index * _POLL.size, _POLL.size))
        return f"{{fd={fd}}}" if fd < 0 else f"{{fd={fd}, events={in_words('', 'poll', events) or 0}}}"

    return items(count, one)


def poll_answers(memory: GuestMemory, address: int, count: int) -> str:
    """The descriptors of which it said something; raises MemoryFault."""
    rows = (_POLL.unpack(memory.read(address + n * _POLL.size, _POLL.size)) for n in range(count))
    found = [(fd, answers) for fd, _, answers in rows if answers and fd >= 0]
    return items(len(found), lambda n: f"{{fd={found[n][0]}, revents={in_words('', 'poll', found[n][1])}}}")
