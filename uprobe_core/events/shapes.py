"""Values that are made of parts: put together from what a program has fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from uprobe_core.event_model import FetchArg, Value
from uprobe_core.events.trace_text import shown

__all__ = ("Template", "assembler")


@dataclass(frozen=True, slots=True)
class Template:
    """The texts of parts between fixed texts, of which there is one more.

    :param parts: what the values belong to
    """

    texts: tuple[str, ...]
    parts: tuple[FetchArg, ...]

    def __call__(self, values: Sequence[Value]) -> str:
        """The whole text."""
        found = [self.texts[0]]
        for arg, value, text in zip(self.parts, values, self.texts[1:], strict=True):
            found += [shown(arg, value), text]
        return "".join(found)


def assembler(args: Sequence[FetchArg]) -> Callable[[Sequence[Value]], tuple[Value, ...]] | None:
    """What makes the values of *args* of those of their leaves; None if they are the same."""
    if all(arg.shape is None for arg in args):
        return None

    def assemble(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(_taken(args, iter(values)))

    return assemble


def _taken(args: Sequence[FetchArg], values: Iterator[Value]) -> list[Value]:
    return [next(values) if arg.shape is None else arg.shape(_taken(arg.parts, values)) for arg in args]
