"""What the names in fetch arguments mean: the architecture's and the extensions' part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uprobe_core.event_model import FetchOp, OpCode

__all__ = ("Variables", "argument_op")


@dataclass(slots=True)
class Variables:
    """Look-ups of names, and what is allowed.

    :param registers: register index for ``%name``, None if there is no such register
    :param extended: whether the extensions are on (not policy=kernel)
    :param arguments: register index for ``$argN``, None if it is passed on the stack
    :param vectors: (index, size in bytes) for ``%d0`` and the like, None if no such register
    :param symbol: file-relative distance for ``@SYMBOL`` as FOFFS takes it; raises SpecError
    """

    registers: Callable[[str], int | None]
    extended: bool = False
    arguments: Callable[[int], int | None] | None = None
    vectors: Callable[[str], tuple[int, int] | None] | None = None
    symbol: Callable[[str], int] | None = None
    is_return: bool = False


def argument_op(number: int, arguments: Callable[[int], int | None]) -> FetchOp:
    """Where integer argument *number* is at a function's entry."""
    index = arguments(number)
    if index is not None:
        return FetchOp(OpCode.REG, index)
    in_registers = 0
    while arguments(in_registers + 1) is not None:
        in_registers += 1
    return FetchOp(OpCode.STACK, number - in_registers - 1)
