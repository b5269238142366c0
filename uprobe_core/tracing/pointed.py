"""What arguments of system calls point to, by their C types in ``image/prototypes/linux.h``.

What the program gives is read when the call is made, what the kernel gives when it is answered, so that a
thread which changes it meanwhile changes what is shown as it does under strace.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uprobe_core.tracing import pointed_sockets as sockets
from uprobe_core.tracing import pointed_structures as structures
from uprobe_core.tracing.pointed_text import address_text, buffer, number, strings
from uprobe_core.types import MemoryFault

if TYPE_CHECKING:
    from uprobe_core.types import GuestMemory

__all__ = ("Pointed", "pointed_arguments")

_MOST = 1 << 63
"""Bytes in use of buffers that the program gives: all."""
_WORD = 8
_MOST_VARIABLES = 10_000
"""So many are counted."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One argument of one call.

    :param extent: what its brackets name: bytes or elements
    :param after: the argument behind it, 0 if there is none
    :param result: what the kernel gave; 0 as long as the call is under way
    """

    memory: GuestMemory
    address: int
    extent: int
    after: int
    result: int = 0


_Before = Callable[[_Place], Any]
_After = Callable[[_Place, Any], str]


@dataclass(frozen=True, slots=True)
class _Row:
    """How a type is shown.

    :param before: what is kept of it when the call is made; may raise MemoryFault
    :param after: its text, from that (None: it could not be read); may raise MemoryFault
    """

    before: _Before | None
    after: _After


class Pointed:
    """What argument *at* of a call points to.

    :param kind: its C type
    :param extent: the argument that says how long it is, None if none does
    """

    def __init__(self, row: _Row, kind: str, at: int, extent: int | None) -> None:
        self.kind, self.at = kind, at
        self._row, self._extent = row, extent

    def _place(self, memory: GuestMemory, numbers: Sequence[Any], result: int) -> _Place:
        extent = 0 if self._extent is None else int(numbers[self._extent])
        after = numbers[self.at + 1] if self.at + 1 < len(numbers) else 0
        return _Place(memory, numbers[self.at], extent, after if isinstance(after, int) else 0, result)

    def before(self, memory: GuestMemory, numbers: Sequence[Any]) -> Any:
        """What is to be kept when the call with the arguments *numbers* is made."""
        if self._row.before is None or not numbers[self.at]:
            return None
        try:
            return self._row.before(self._place(memory, numbers, 0))
        except MemoryFault:
            return None

    def text(self, memory: GuestMemory, numbers: Sequence[Any], result: int, kept: Any) -> str:
        """What is shown at the answer *result*; *kept* is what :meth:`before` gave."""
        if not numbers[self.at]:
            return "NULL"
        try:
            return self._row.after(self._place(memory, numbers, result), kept)
        except MemoryFault:
            return address_text(numbers[self.at])


def pointed_arguments(call: str, types: Sequence[str], names: Sequence[str]) -> Iterator[Pointed]:
    """Of the system call with arguments of those *types* and *names* what is shown of each pointer."""
    for at, (kind, name) in enumerate(zip(types, names, strict=True)):
        bare, bracket, extent = kind.partition("[.")
        row = _ROWS.get(f"{call} {name}") or _ROWS.get(f"{bare}[]" if bracket else kind)
        if row is not None:
            yield Pointed(row, kind, at, names.index(extent.rstrip("]")) if bracket else None)


def _given(show: _Before) -> _Row:
    """Of what the program gives."""
    return _Row(show, lambda place, kept: address_text(place.address) if kept is None else kept)


def _found(show: Callable[[_Place], str], when: Callable[[int], bool] = lambda result: result >= 0) -> _Row:
    """Of what the kernel gives, for results *when* it does."""
    return _Row(None, lambda place, _: show(place) if when(place.result) else address_text(place.address))


def _in(kind: str) -> _Row:
    show = structures.structure(kind)
    return _given(lambda place: show(place.memory, place.address))


def _out(kind: str, when: Callable[[int], bool] = lambda result: result >= 0) -> _Row:
    show = structures.structure(kind)
    return _found(lambda place: show(place.memory, place.address), when)


def _buffer(place: _Place) -> str:
    return buffer(place.memory, place.address, place.extent)


def _filled(place: _Place) -> str:
    return buffer(place.memory, place.address, place.result)


def _path(place: _Place) -> str:
    """What getcwd gives has a zero behind it, which is counted."""
    return buffer(place.memory, place.address, place.result - 1)


def _environment(place: _Place) -> str:
    count, more = 0, ""
    while number(place.memory, place.address + count * _WORD, _WORD):
        count += 1
        if count == _MOST_VARIABLES:
            more = " or more"
            break
    return f"{place.address:#x} /* {count}{more} var{'' if count == 1 else 's'} */"


def _size_of_address(place: _Place) -> int:
    """How much room there is for an address, which the next argument points to."""
    return number(place.memory, place.after, 4)


def _address_found(place: _Place, room: Any) -> str:
    if place.result < 0 or room is None:
        return address_text(place.address)
    size = number(place.memory, place.after, 4)
    return sockets.socket_address(place.memory, place.address, min(size, room))


def _length(place: _Place) -> int:
    return number(place.memory, place.address, 4)


def _lengths(place: _Place, before: Any) -> str:
    if before is None:
        return address_text(place.address)
    now = before if place.result < 0 else _length(place)
    return f"[{before}]" if now == before else f"[{before} => {now}]"


def _vector_found(place: _Place, _: Any) -> str:
    most = None if place.result < 0 else place.result
    return sockets.vector(place.memory, place.address, place.extent, most)


def _message_found(place: _Place, space: Any) -> str:
    if space is None:
        return address_text(place.address)
    if place.result < 0:
        return f"{{msg_namelen={space}}}"
    return sockets.message(place.memory, place.address, place.result, space)


def _polled(place: _Place, asked: Any) -> str:
    if asked is None:
        return address_text(place.address)
    if place.result <= 0:
        return str(asked)
    return f"{asked} => {structures.poll_answers(place.memory, place.address, place.extent)}"


_INTERRUPTED = -errno.EINTR
_LEFT = _out("struct timespec", lambda result: result == _INTERRUPTED)
_FORMS = ("timespec", "itimerval", "itimerspec", "rlimit", "rlimit64", "sigaction")
_ROWS: Mapping[str, _Row] = {
    **{f"const struct {name} *": _in(f"struct {name}") for name in _FORMS},
    **{f"struct {name} *": _out(f"struct {name}") for name in (*_FORMS, "rusage", "timeval", "stat")},
    "const struct timespec [2]": _in("struct timespec [2]"),
    "int [2]": _out("int [2]"),
    "const char []": _given(_buffer),
    "char []": _found(_filled),
    "getcwd buf": _found(_path),
    "char *const []": _given(lambda place: strings(place.memory, place.address)),
    "execve envp": _given(_environment),
    "execveat envp": _given(_environment),
    "const sigset_t *": _given(lambda place: structures.signal_set(place.memory, place.address)),
    "sigset_t *": _found(lambda place: structures.signal_set(place.memory, place.address)),
    "wait_status *": _found(
        lambda place: structures.wait_status(place.memory, place.address), lambda result: result > 0
    ),
    "wait4 rusage": _out("struct rusage", lambda result: result > 0),
    "waitid rusage": _out("struct rusage"),
    "nanosleep rem": _LEFT,
    "clock_nanosleep remain": _LEFT,
    "struct pollfd []": _Row(
        lambda place: structures.poll_questions(place.memory, place.address, place.extent), _polled
    ),
    "const struct iovec []": _given(
        lambda place: sockets.vector(place.memory, place.address, place.extent, _MOST)
    ),
    "struct iovec []": _Row(None, _vector_found),
    "const struct sockaddr *": _given(
        lambda place: sockets.socket_address(place.memory, place.address, place.after)
    ),
    "struct sockaddr *": _Row(_size_of_address, _address_found),
    "socklen_t *": _Row(_length, _lengths),
    "const struct msghdr *": _given(lambda place: sockets.message(place.memory, place.address, _MOST)),
    "struct msghdr *": _Row(lambda place: sockets.name_space(place.memory, place.address), _message_found),
}
"""By C type, or by call and argument."""
