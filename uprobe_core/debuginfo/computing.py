"""Expressions that no fetch program can run, computed at the hit in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.debuginfo.dwarf import At
from uprobe_core.debuginfo.encoding import DAMAGED, uleb, unsigned
from uprobe_core.debuginfo.location import Machine, Value
from uprobe_core.debuginfo.places import InMemory, InRegister, IsValue, Place
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import FetchOp, OpCode
from uprobe_core.stacks.expressions import MOST_DEEP, MOST_STEPS
from uprobe_core.stacks.expressions import Machine as StackMachine
from uprobe_core.stacks.reader import Reader
from uprobe_core.types import GoneError

__all__ = ("Computation",)

_MASK = (1 << 64) - 1
_ENTRY_VALUES = (0xA3, 0xF3)
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
            return runner.stack[-1] & _MASK
        except DAMAGED as error:
            raise GoneError(str(error)) from None


class _Registers:
    """The registers of a hit by number."""

    def __init__(self, hit: Any) -> None:
        self._get = hit.task.get_reg

    def __getitem__(self, number: int) -> int:
        return int(self._get(number))


class _Runner(StackMachine):
    """The machine of call frame information, and what expressions of variables have beside it."""

    def __init__(self, whole: Computation, hit: Any, code: bytes) -> None:
        super().__init__(Reader(code), _Registers(hit), hit.process, [])  # type: ignore[arg-type]  # by number
        self._whole, self._hit = whole, hit

    def step(self) -> None:
        """Do the next operation."""
        reader, start = self.reader, self.reader.at
        op = reader.take("B")
        if not self._own(op):
            reader.at = start
            super().step()
        self.stack[:] = [value & _MASK for value in self.stack]

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
        reader, push = self.reader, self.stack.append
        if op in (0xA5, 0xF5):  # regval_type
            number = reader.uleb()
            push(self._registers[number] & self._mask(reader.uleb()))
        elif op in (0xA4, 0xF4):  # const_type
            reader.uleb()
            data = reader.skip(reader.take("B"))
            push(unsigned(data, 0, min(len(data), 8)))
        elif op in (0xA6, 0xF6):  # deref_type
            size = reader.take("B")
            reader.uleb()
            push(int.from_bytes(self._hit.process.read(self.stack.pop() & _MASK, min(size, 8)), "little"))
        elif op in (0xA8, 0xA9, 0xF7, 0xF9):  # convert, reinterpret
            push(self.stack.pop() & self._mask(reader.uleb()))
        else:
            return False
        return True

    def _mask(self, offset: int) -> int:
        width = int(self._whole.entry_at(offset).get(At.BYTE_SIZE, 0)) if offset else 8
        if not 0 < width <= 8:
            raise GoneError(f"a number of {width} bytes")
        return (1 << 8 * width) - 1

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
