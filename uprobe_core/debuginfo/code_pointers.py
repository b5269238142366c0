"""Pointers to functions, which are shown as what they point to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uprobe_core.debuginfo.numbers import END, SHAPE, number
from uprobe_core.debuginfo.operands import Operand
from uprobe_core.event_model import FetchArg, FetchOp, OpCode, Value, absent
from uprobe_core.events.fetch_types import TYPES
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("code_pointer",)


def code_pointer(operand: Operand, image: ElfImage, start: FetchOp) -> FetchArg:
    """The argument that shows a pointer into *image* as ``symbol+0x0``, any other as a number.

    :param start: what loads the address that the file calls 0
    """
    bias = FetchArg("", "", TYPES["x64"], (start, FetchOp(OpCode.ST_RAW, size=8), END))
    return FetchArg("", "", SHAPE, (), parts=(number(operand), bias), shape=_Code(image))


@dataclass(frozen=True, slots=True)
class _Code:
    """Names what a pointer points to, in the program file."""

    image: ElfImage

    def __call__(self, values: Sequence[Value]) -> str:
        gone = absent(values)
        if gone is not None:
            return str(gone)
        address, bias = (int(value or 0) for value in values)  # type: ignore[arg-type]  # two numbers
        found = self.image.symbol_at(address - bias) if address else None
        return f"{address:#x}" if found is None else f"{self.image.source_name(found[0])}+{found[1]:#x}"
