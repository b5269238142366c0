"""Expressions that no fetch program can run, computed at the hit in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED, uleb, unsigned
from uprobe_core.debuginfo.location import FIRST_VECTOR, Machine, Value
from uprobe_core.debuginfo.places import InMemory, InRegister, IsValue, Place
from uprobe_core.debuginfo.typed import Number, NumberType, binary, unary
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import FetchOp, OpCode
from uprobe_core.stacks.expressions import MOST_DEEP, MOST_STEPS
from uprobe_core.stacks.expressions import Machine as StackMachine
from uprobe_core.stacks.reader import Reader
from uprobe_core.types import GoneError

__all__ = ("Computation",)

_MASK = (1 << 64) - 1
_ENTRY_VALUES = (0xA3, 0xF3)
_FLOAT, _SIGNED = 0x04, (0x05, 0x06, 0x0D)
_MOVES = frozenset({0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x2F, 0x96})
"""Operations that leave values as they are: dup, drop, over, pick, swap, rot, skip, nop."""
_BINARY_OPS = frozenset({*range(0x1A, 0x1F), 0x21, 0x22, *range(0x24, 0x28), *range(0x29, 0x2F)})
EntryValue = Callable[[Any, "bytes | Die"], int]
"""``(hit, place)``: what was at the place (an expression), or given for the parameter, when the function
was entered; raises GoneError."""


@dataclass(frozen=True, slots=True)
class Computation:
    """Computes *code* at a hit; raises GoneError if it cannot, MemoryFault for memory that is not there.

    :param machine: what it counts from
    :param entry_at: the entry at an offset of the unit
    """

    code: bytes
    machine: Machine
    entry_value: EntryValue
    entry_at: Callable[[int], Die]

    def __call__(self, hit: Any) -> int:
        """The number."""
        return self.run(hit, self.code)

    def run(self, hit: Any, code: bytes) -> int:
        """What *code* leaves on its stack."""
        runner = _Runner(self, hit, code)
        steps = 0
        try:
            while runner.reader.at < runner.reader.end:
                steps += 1
                if steps > MOST_STEPS or len(runner.stack) > MOST_DEEP:
                    raise GoneError("the expression is too long")
                runner.step()
            return runner.result()
        except DAMAGED as error:
            raise GoneError(str(error)) from None


def _plain(value: Number | int) -> float:
    return value.value if isinstance(value, Number) else value


class _Registers:
    """The registers of a hit by number."""

    def __init__(self, hit: Any) -> None:
        self._task = hit.task

    def __getitem__(self, number: int) -> int:
        """Its low 64 bits."""
        if number >= FIRST_VECTOR:
            return int(self._task.get_vec(number - FIRST_VECTOR)) & _MASK
        return int(self._task.get_reg(number))


class _Runner(StackMachine):
    """The machine of call frame information, and what expressions of variables have beside it."""

    def __init__(self, whole: Computation, hit: Any, code: bytes) -> None:
        super().__init__(Reader(code), _Registers(hit), hit.process, [])  # type: ignore[arg-type]  # by number
        self._whole, self._hit = whole, hit
        self._numbers: list[Any] = self.stack  # generic values are int, others Number

    def settle(self) -> None:
        """Cut generic values to 64 bits."""
        self._numbers[:] = [each & _MASK if isinstance(each, int) else each for each in self._numbers]

    def result(self) -> int:
        """The bits of what is on top."""
        top = self._numbers[-1]
        return top.bits if isinstance(top, Number) else int(top) & _MASK

    def step(self) -> None:
        """Do the next operation."""
        reader, start = self.reader, self.reader.at
        op = reader.take("B")
        if not self._own(op) and not self._calculated(op):
            reader.at = start
            self._generic(op)
            super().step()
        self.settle()

    def _generic(self, op: int) -> None:
        """Operations that know addresses and generic numbers only take the bits of others."""
        if op not in _MOVES and self._numbers and isinstance(self._numbers[-1], Number):
            self._numbers[-1] = self._numbers[-1].bits

    def _calculated(self, op: int) -> bool:
        """Arithmetic with numbers that have a type."""
        stack = self._numbers
        if not stack or not isinstance(stack[-1], Number):
            return False
        right = stack[-1]
        found: Number | int | None = unary(op, right)
        if found is not None:
            stack[-1] = found
        elif len(stack) > 1 and op in _BINARY_OPS:
            left = stack[-2]
            found = binary(op, left if isinstance(left, Number) else right.type.number(left), right)
            if found is None:
                return False
            stack[-2:] = [found]
        else:
            return False
        return True

    def _own(self, op: int) -> bool:
        reader, push, machine = self.reader, self.stack.append, self._whole.machine
        if op == 0x91:
            offset = reader.sleb()
            push(self._loaded(machine.frame_base()) + offset)
        elif op == 0x9C:
            push(self._value(machine.cfa()))
        elif op == 0x03:
            push(self._op(machine.static(reader.take("Q"))))
        elif op in (0xA1, 0xFB):
            push(self._op(machine.static(machine.indexed(reader.uleb()))))
        elif 0x50 <= op <= 0x6F:  # reg: clang says of what is given in a call where it is
            push(self._registers[op - 0x50])
        elif op == 0x90:
            push(self._registers[reader.uleb()])
        elif op in _ENTRY_VALUES:
            push(self._entry(reader.skip(reader.uleb())))
        elif op == 0xFA:  # GNU_parameter_ref
            parameter = self._whole.entry_at(reader.take("I"))
            push(self._whole.entry_value(self._hit, parameter))
        else:
            return self._typed(op)
        return True

    def _typed(self, op: int) -> bool:
        """Operations on numbers of a base type."""
        reader, push = self.reader, self._numbers.append
        if op in (0xA5, 0xF5):  # regval_type
            number = reader.uleb()
            push(self._type(reader.uleb()).number(self._registers[number]))
        elif op in (0xA4, 0xF4):  # const_type
            kind = self._type(reader.uleb())
            data = reader.skip(reader.take("B"))
            push(kind.number(unsigned(data, 0, min(len(data), 8))))
        elif op in (0xA6, 0xF6):  # deref_type
            size = min(reader.take("B"), 8)
            kind = self._type(reader.uleb())
            data = self._hit.process.read(self._numbers.pop() & _MASK, size)
            push(kind.number(int.from_bytes(data, "little")))
        elif op in (0xA8, 0xF7, 0xA9, 0xF9):  # convert, reinterpret
            push(self._converted(self._numbers.pop(), reader.uleb(), is_same_bits=op in (0xA9, 0xF9)))
        else:
            return False
        return True

    def _converted(self, value: Number | int, offset: int, *, is_same_bits: bool) -> Number | int:
        """*value* as the base type at *offset*; 0: as a generic value."""
        if not offset:
            return value.bits if is_same_bits and isinstance(value, Number) else int(_plain(value))
        kind = self._type(offset)
        if is_same_bits:
            return kind.number(value.bits if isinstance(value, Number) else value)
        return kind.converted(_plain(value))

    def _type(self, offset: int) -> NumberType:
        die = self._whole.entry_at(offset)
        size, encoding = int(die.get(At.BYTE_SIZE, 0)), int(die.get(At.ENCODING, 0))
        is_float = encoding == _FLOAT
        if size not in ((2, 4, 8) if is_float else (1, 2, 4, 8)):
            raise GoneError(f"a number of {size} bytes")
        return NumberType(size, is_float, encoding in _SIGNED)

    def _entry(self, code: bytes) -> int:
        """What was at the place *code* when the function was entered."""
        if code[:1] in (b"\xa5", b"\xf5"):  # a register with a type is that register
            number, after = uleb(code, 1)
            code = bytes([0x50 + number]) if number < 32 else b"\x90" + code[1:after]
        return self._whole.entry_value(self._hit, code)

    # --- places that fetch programs know ------------------------------------------------------------

    def _value(self, value: Value) -> int:
        return self._ops(value.ops) + value.added

    def _loaded(self, place: Place) -> int:
        """What a frame base is."""
        if isinstance(place, InRegister):
            return self._registers[place.number]
        if isinstance(place, IsValue):
            return self._ops(place.ops) + place.added
        if isinstance(place, InMemory):
            return self._ops(place.ops) + place.offset
        raise GoneError("the frame base is not known")

    def _ops(self, ops: tuple[FetchOp, ...]) -> int:
        found = 0
        for op in ops:
            if op.code is OpCode.DEREF:
                found = int.from_bytes(self._hit.process.read((found + op.param) & _MASK, 8), "little")
            else:
                found = self._op(op)
        return found

    def _op(self, op: FetchOp) -> int:
        hit = self._hit
        if op.code is OpCode.REG:
            return self._registers[op.param]
        if op.code is OpCode.FOFFS:
            return int(hit.address - hit.probe_offset + op.param)
        if op.code is OpCode.IMM:
            return op.param
        if op.code is OpCode.COMPUTED and op.compute is not None:
            return op.compute(hit)
        raise GoneError(f"operation {op.code.name}")
