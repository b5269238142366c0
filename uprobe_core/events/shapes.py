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
    return (lambda values: shape(take(values))), end
