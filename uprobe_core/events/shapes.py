"""Values that are made of parts: put together from what a program has fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from uprobe_core.event_model import FetchArg, Value
from uprobe_core.events.trace_text import shown

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

    def __call__(self, values: Sequence[Value]) -> str:
        """The whole text."""
        parts = [shown(arg, value) for arg, value in zip(self.parts, values, strict=True)]
        said = {part for part in parts if not _CUT.issuperset(part)}
        if len(said) == 1 and said <= _ABSENT and self.texts[0].startswith("{"):
            return said.pop()
        return "".join(chain.from_iterable(zip_longest(self.texts, parts, fillvalue="")))


def assembler(args: Sequence[FetchArg]) -> Callable[[Sequence[Value]], tuple[Value, ...]] | None:
    """What makes the values of *args* of those of their leaves; None if they are the same."""
    if all(arg.shape is None for arg in args):
        return None

    def assemble(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(_taken(args, iter(values)))

    return assemble


def _taken(args: Sequence[FetchArg], values: Iterator[Value]) -> list[Value]:
    return [next(values) if arg.shape is None else arg.shape(_taken(arg.parts, values)) for arg in args]
