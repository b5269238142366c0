"""Filters as agent expressions: what gdbserver evaluates at a breakpoint, without telling us.

The machine is that of "The GDB Agent Expression Mechanism" of GDB's manual: a stack of 64-bit numbers.  An
expression that cannot read memory fails, and the hit is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.event_model import EXTENDS, Comparison, Condition, FetchArg, FetchOp, OpCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Inexpressible", "compile_conditions")

_ADD, _LSH, _RSH_SIGNED, _RSH = 0x02, 0x09, 0x0A, 0x0B
_NOT, _AND, _EQUAL, _LESS_SIGNED, _LESS = 0x0E, 0x0F, 0x13, 0x14, 0x15
_REF = {1: 0x17, 2: 0x18, 4: 0x19, 8: 0x1A}
_IF_GOTO, _CONST8, _CONST16, _CONST32, _CONST64 = 0x20, 0x22, 0x23, 0x24, 0x25
_REG, _END, _POP, _ZERO_EXT, _SWAP, _GETV, _SETV = 0x26, 0x27, 0x29, 0x2A, 0x2B, 0x2C, 0x2D
_LONGEST = 0xFFFF
"""Bytes of an expression: a jump has so many to go to."""
_MASK = (1 << 64) - 1


class Inexpressible(Exception):  # noqa: N818  # it is what a filter is
    """There is no agent expression for that; the text says for what."""


def compile_conditions(
    conditions: Sequence[Condition], counter: int, registers: Mapping[int, int], sp: int
) -> bytes:
    """An expression that is 1 if one of *conditions* holds and else 0; raises Inexpressible.

    :param counter: number of the trace state variable that each evaluation makes greater by one
    :param registers: the stub's numbers of the core's registers
    :param sp: the core's number of the stack pointer
    """
    made = _Maker(registers, sp)
    made.count(counter)
    for condition in conditions:
        made.condition(condition)
    return made.finished()


class _Maker:
    """Bytes of one expression; jumps to labels are filled in at its end."""

    def __init__(self, registers: Mapping[int, int], sp: int) -> None:
        self._registers, self._sp = registers, sp
        self._code = bytearray()
        self._labels: list[int | None] = [None]
        self._jumps: list[tuple[int, int]] = []
        self._holds = 0
        """The label that all conditions share: one of them holds."""

    def count(self, counter: int) -> None:
        """One more evaluation."""
        number = counter.to_bytes(2, "big")
        self._code += bytes((_GETV, *number, _CONST8, 1, _ADD, _SETV, *number, _POP))

    def condition(self, steps: Condition) -> None:
        """Go to the shared label if *steps* end in "accept", else on."""
        labels = [self._label() for _ in range(len(steps) + 1)]
        labels.insert(len(steps), self._holds)
        for number, step in enumerate(steps):
            self._place(labels[number])
            self._compare(step)
            if not step.when:
                self._code.append(_NOT)
            self._jump(labels[step.target + 1])
        self._constant(1)
        self._jump(self._holds)
        self._place(labels[-1])

    def finished(self) -> bytes:
        """The whole expression."""
        self._code += bytes((_CONST8, 0, _END))
        self._place(self._holds)
        self._code += bytes((_CONST8, 1, _END))
        if len(self._code) > _LONGEST:
            raise Inexpressible("it is too long")
        for at, label in self._jumps:
            place = self._labels[label]
            assert place is not None
            self._code[at : at + 2] = place.to_bytes(2, "big")
        return bytes(self._code)

    # --- jumps -----------------------------------------------------------------------------------------

    def _label(self) -> int:
        self._labels.append(None)
        return len(self._labels) - 1

    def _place(self, label: int) -> None:
        self._labels[label] = len(self._code)

    def _jump(self, label: int) -> None:
        """Go to *label* if what is on top is not 0."""
        self._code.append(_IF_GOTO)
        self._jumps.append((len(self._code), label))
        self._code += b"\0\0"

    # --- numbers ---------------------------------------------------------------------------------------

    def _constant(self, value: int) -> None:
        value &= _MASK
        for code, size in ((_CONST8, 1), (_CONST16, 2), (_CONST32, 4), (_CONST64, 8)):
            if value < 1 << 8 * size:
                self._code.append(code)
                self._code += value.to_bytes(size, "big")
                return

    def _add(self, value: int) -> None:
        if value & _MASK:
            self._constant(value)
            self._code.append(_ADD)

    def _register(self, number: int) -> None:
        found = self._registers.get(number)
        if found is None:
            raise Inexpressible(f"register {number} is none of the stub's")
        self._code.append(_REG)
        self._code += found.to_bytes(2, "big")

    def _shift(self, code: int, bits: int) -> None:
        if bits:
            self._code += bytes((_CONST8, bits, code))

    def _compare(self, step: Comparison) -> None:
        """Whether the comparison of *step* holds."""
        self._value(step.arg)
        self._constant(step.value)
        operator = step.operator
        if operator in (">", "<="):
            self._code.append(_SWAP)
        if operator == "&":
            self._code += bytes((_AND, _NOT, _NOT))
        elif operator in ("==", "!="):
            self._code.append(_EQUAL)
        else:
            self._code.append(_LESS_SIGNED if step.arg.type.kind == "s" else _LESS)
        if operator in ("!=", "<=", ">="):
            self._code.append(_NOT)

    # --- fetch programs ----------------------------------------------------------------------------------

    def _value(self, arg: FetchArg) -> None:
        """The number that *arg* is, as its type shows it, in 64 bits."""
        ops = list(arg.ops)
        self._source(ops.pop(0))
        while ops[0].code in (OpCode.DEREF, OpCode.UDEREF, OpCode.ADD):
            self._on_the_way(ops.pop(0))
        store, size = ops.pop(0), arg.type.size
        self._add(store.param)
        if store.code in (OpCode.ST_MEM, OpCode.ST_UMEM):
            self._code.append(_REF[store.size])
        elif store.code is not OpCode.ST_RAW:
            raise Inexpressible(f"{arg.name} is no number")
        self._narrow(ops[0], size, signed=arg.type.kind == "s")

    def _narrow(self, field: FetchOp, size: int, *, signed: bool) -> None:
        """Cut what is there to *size* bytes, or to the bits of *field*, with its sign."""
        left, right = 64 - 8 * size, 0
        if field.code is OpCode.MOD_BF:
            left, right = left + field.lshift, field.rshift
        self._shift(_LSH, left)
        self._shift(_RSH_SIGNED if signed else _RSH, 64 - 8 * size + right)

    def _source(self, op: FetchOp) -> None:
        sources: dict[OpCode, Callable[[], None]] = {
            OpCode.REG: lambda: self._register(op.param),
            OpCode.STACKP: lambda: self._register(self._sp),
            OpCode.STACK: lambda: self._word_on_stack(op.param),
            OpCode.IMM: lambda: self._constant(op.param),
        }
        if op.code not in sources:
            raise Inexpressible(f"the stub has no {op.text or op.code.name.lower()}")
        sources[op.code]()

    def _word_on_stack(self, number: int) -> None:
        self._register(self._sp)
        self._add(8 * number)
        self._code.append(_REF[8])

    def _on_the_way(self, op: FetchOp) -> None:
        """A dereference, or an index that is added."""
        if op.code is not OpCode.ADD:
            self._add(op.param)
            self._code.append(_REF[8])
            return
        self._register(op.param)
        extend = EXTENDS[op.rshift]
        if extend == "uxtw":
            self._code += bytes((_ZERO_EXT, 32))
        elif extend == "sxtw":
            self._shift(_LSH, 32)
            self._shift(_RSH_SIGNED, 32)
        self._shift(_LSH, op.lshift)
        self._code.append(_ADD)
