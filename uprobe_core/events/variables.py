"""What the names in fetch arguments mean: the architecture's and the extensions' part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from uprobe_core.architecture import Registers
from uprobe_core.event_model import FetchArg, FetchOp, OpCode
from uprobe_core.events.dialect import OURS, Dialect

__all__ = ("NamedError", "SourceNames", "Variables", "argument_op")


class NamedError(Exception):
    """Why an expression of the source cannot be fetched.

    :param column: in the expression
    :param hint: what to write instead
    """

    def __init__(self, text: str, column: int, hint: str = "") -> None:
        super().__init__(text)
        self.text, self.column, self.hint = text, column, hint


class SourceNames(Protocol):
    """What the source calls things at one place; every method raises NamedError."""

    @property
    def results(self) -> list[str]:
        """The arguments that show what the function returns, as far as that is known."""
        ...

    def expanded(self, word: str) -> list[str] | None:
        """The arguments that ``$args`` or ``$locals`` stands for; None for any other word."""
        ...

    def argument(self, name: str, text: str, keep: Callable[[FetchArg], int]) -> FetchArg:
        """The argument *name* that shows the expression *text* as its type says.

        :param keep: has an argument captured at the entry; its number
        """
        ...

    def head(self, text: str, keep: Callable[[FetchArg], int], *, is_text: bool) -> tuple[FetchOp, ...]:
        """What a type of the fetch language can be put behind: the operations up to the last read."""
        ...


@dataclass(slots=True)
class Variables:
    """Look-ups of names, and what is allowed.

    :param registers: the architecture's: ``%name`` and ``$argN``
    :param extended: whether the extensions are on (not policy=kernel)
    :param vectors: (index, size in bytes) for ``%d0`` and the like, None if no such register
    :param hint: what to write instead of a register that there is not, None: nothing special
    :param dialect: how the policy's kernel reads lines
    :param symbol: file-relative distance for ``@SYMBOL`` as FOFFS takes it; raises SpecError
    :param source: the names of the source, None without debug information; raises SpecError
    :param is_named: the place was found by a name, so that the line is none of a kernel's
    """

    registers: Registers
    extended: bool = False
    vectors: Callable[[str], tuple[int, int] | None] | None = None
    hint: Callable[[str], str | None] = lambda _name: None
    symbol: Callable[[str], int] | None = None
    dialect: Dialect = OURS
    is_return: bool = False
    source: Callable[[], SourceNames | None] = lambda: None
    is_named: bool = False


def argument_op(number: int, registers: Registers) -> FetchOp:
    """Where integer argument *number* is at a function's entry."""
    index = registers.argument(number)
    if index is not None:
        return FetchOp(OpCode.REG, index)
    return FetchOp(OpCode.STACK, number - len(registers.arguments) - 1)
