"""What the names in fetch arguments mean: the architecture's and the extensions' part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uprobe_core.architecture import Registers
from uprobe_core.event_model import FetchOp, OpCode
from uprobe_core.events.dialect import OLDER, Dialect

__all__ = ("Variables", "argument_op")


@dataclass(slots=True)
class Variables:
    """Look-ups of names, and what is allowed.

    :param registers: the architecture's: ``%name`` and ``$argN``
    :param extended: whether the extensions are on (not policy=kernel)
    :param vectors: (index, size in bytes) for ``%d0`` and the like, None if no such register
    :param hint: what to write instead of a register that there is not, None: nothing special
    :param dialect: how the policy's kernel reads lines
    :param symbol: file-relative distance for ``@SYMBOL`` as FOFFS takes it; raises SpecError
    """

    registers: Registers
    extended: bool = False
    vectors: Callable[[str], tuple[int, int] | None] | None = None
    hint: Callable[[str], str | None] = lambda _name: None
    symbol: Callable[[str], int] | None = None
    dialect: Dialect = OLDER
    is_return: bool = False


def argument_op(number: int, registers: Registers) -> FetchOp:
    """Where integer argument *number* is at a function's entry."""
    index = registers.argument(number)
    if index is not None:
        return FetchOp(OpCode.REG, index)
    return FetchOp(OpCode.STACK, number - len(registers.arguments) - 1)
