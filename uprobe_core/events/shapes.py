"""Values that are made of parts: put together from what a program has fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from uprobe_core.event_model import FetchArg, Value
from uprobe_core.events.trace_text import printer

__all__ = ("Template", "assembler")

_CUT = frozenset("{.,}")
"""Letters of what stands for parts that are too deep."""
_ABSENT = {"(fault)", "<optimized out>"}
_THERE = frozenset((int, float, str, tuple))
"""Types of values of which something is there."""
_FORMATS = {"u": "%d", "s": "%d", "x": "%#x", "string": '"%s"'}
"""What trace_text.printer does with a value that is there."""


@dataclass(frozen=True, slots=True)
class Template:
    """The texts of parts between fixed texts, of which there is one more.

    A structure or array of which no part is there is not there.

    :param parts: what the values belong to
    """

    texts: tuple[str, ...]
    parts: tuple[FetchArg, ...]
    _made: list[_Joined] = field(default_factory=list, init=False, compare=False, repr=False)
    """How it is put together, once it has been asked."""

    def __call__(self, values: Sequence[Value]) -> str:
        """The whole text."""
        if not self._made:
            self._made.append(_Joined(self.texts, self.parts))
        return self._made[0](values)

    def __reduce__(self) -> tuple[type[Template], tuple[tuple[str, ...], tuple[FetchArg, ...]]]:
        return Template, (self.texts, self.parts)


class _Joined:
    """A template with everything that is the same for all values."""

    __slots__ = ("_format", "_is_whole", "_printers")

    def __init__(self, texts: tuple[str, ...], parts: tuple[FetchArg, ...]) -> None:
        self._printers = [printer(arg) for arg in parts]
        self._format = "%s".join(text.replace("%", "%%") for text in texts)
        self._is_whole = texts[0].startswith("{")

    def __call__(self, values: Sequence[Value]) -> str:
        parts = tuple([show(value) for show, value in zip(self._printers, values, strict=True)])
        if self._is_whole and not _ABSENT.isdisjoint(parts):
            said = {part for part in parts if not _CUT.issuperset(part)}
            if len(said) == 1:
                return said.pop()
        return self._format % parts


Values = Sequence[Value]


def assembler(args: Sequence[FetchArg]) -> Callable[[Values], tuple[Value, ...]] | None:
    """What makes the values of *args* of those of their leaves; None if they are the same."""
    if all(arg.shape is None for arg in args):
        return None
    if len(args) == 1:
        make = _one_of(args[0], 0)[0]
        return lambda values: (make(values),)
    take = _all_of(args, 0)[0]
    return lambda values: tuple(take(values))


def _all_of(args: Sequence[FetchArg], at: int) -> tuple[Callable[[Values], Values], int]:
    """What makes the values of *args*, whose leaves are from *at* on, and where those end."""
    if all(arg.shape is None for arg in args):
        return itemgetter(slice(at, at + len(args))), at + len(args)
    makers: list[Callable[[Values], Value]] = []
    for arg in args:
        make, at = _one_of(arg, at)
        makers.append(make)
    return (lambda values: [make(values) for make in makers]), at


def _one_of(arg: FetchArg, at: int) -> tuple[Callable[[Values], Value], int]:
    shape = arg.shape
    if shape is None:
        return itemgetter(at), at + 1
    take, end = _all_of(arg.parts, at)
    part_by_part = lambda values: shape(take(values))  # noqa: E731
    found: list[FetchArg] = []
    whole = _at_once(arg, found)
    return (part_by_part if whole is None else _AtOnce(whole, found, slice(at, end), part_by_part)), end


def _at_once(arg: FetchArg, found: list[FetchArg]) -> str | None:
    """The format of the text of *arg*, whose leaves are added to *found*; None if it has none."""
    if arg.shape is None:
        found.append(arg)
        return "%s" if _needs_printer(arg) else _FORMATS[arg.type.kind]
    if not isinstance(arg.shape, Template) or not _ABSENT.isdisjoint(arg.shape.texts):
        return None
    parts = [_at_once(part, found) for part in arg.parts]
    if None in parts:
        return None
    texts = [text.replace("%", "%%") for text in arg.shape.texts]
    return texts[0] + "".join(f"{part}{text}" for part, text in zip(parts, texts[1:], strict=True))


def _needs_printer(arg: FetchArg) -> bool:
    return bool(arg.count or arg.type.words) or arg.type.kind not in _FORMATS


class _AtOnce:
    """A structure with those in it, made by one format where all of it is there: half the time."""

    __slots__ = ("_format", "_part_by_part", "_printers", "_where")

    def __init__(
        self, whole: str, leaves: Sequence[FetchArg], where: slice, part_by_part: Callable[[Values], Value]
    ) -> None:
        self._format, self._where, self._part_by_part = whole, where, part_by_part
        self._printers = [(n, printer(arg)) for n, arg in enumerate(leaves) if _needs_printer(arg)]

    def __call__(self, values: Values) -> Value:
        parts = values[self._where]
        if not _THERE.issuperset(map(type, parts)):
            return self._part_by_part(values)
        if self._printers:
            parts = list(parts)
            for n, show in self._printers:
                parts[n] = show(parts[n])
        return self._format % tuple(parts)
