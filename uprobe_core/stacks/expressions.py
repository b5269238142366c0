"""DWARF expressions as call frame information has them (DWARF 5, sections 2.5 and 6.4.2).

Hand-written assembly and a few run-time systems use them; compilers do not on
most architectures.  What a hostile file can ask for is bounded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Final

from uprobe_core.stacks.reader import Reader
from uprobe_core.types import GuestMemory

__all__ = ("Machine", "evaluate")

_MASK = (1 << 64) - 1
MOST_STEPS, MOST_DEEP = 1000, 64
_CONSTANTS: Final = dict(zip(range(0x08, 0x10), "BbHhIiQq", strict=True))
_BINARY: Final[dict[int, Callable[[int, int], int]]] = {
    0x1A: operator.and_,
    0x1C: operator.sub,
    0x1D: lambda a, b: a % b if b else 0,
    0x1E: operator.mul,
    0x21: operator.or_,
    0x22: operator.add,
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> b if b < 64 else 0,
    0x26: lambda a, b: _signed(a) >> min(b, 63),
    0x27: operator.xor,
    0x29: lambda a, b: a == b,
    0x2A: lambda a, b: _signed(a) >= _signed(b),
    0x2B: lambda a, b: _signed(a) > _signed(b),
    0x2C: lambda a, b: _signed(a) <= _signed(b),
    0x2D: lambda a, b: _signed(a) < _signed(b),
    0x2E: lambda a, b: a != b,
}
_UNARY: Final[dict[int, Callable[[int], int]]] = {
    0x19: lambda a: abs(_signed(a)),
    0x1F: operator.neg,
    0x20: operator.inv,
}


def evaluate(code: bytes, registers: Sequence[int], memory: GuestMemory, *start: int) -> int:
    """What *code* leaves on top of its stack, which begins with *start*; unsigned, 64 bits.

    Raises ValueError, IndexError or struct.error for what is no such expression, and MemoryFault.
    """
    machine = Machine(Reader(code), registers, memory, list(start))
    steps = 0
    while machine.reader.at < machine.reader.end:
        steps += 1
        if steps > MOST_STEPS or len(machine.stack) > MOST_DEEP:
            raise ValueError("the expression is too long")
        machine.step()
    return machine.stack[-1] & _MASK


class Machine:
    """The stack machine."""

    def __init__(
        self, reader: Reader, registers: Sequence[int], memory: GuestMemory, stack: list[int]
    ) -> None:
        self.reader, self.stack = reader, stack
        self._registers, self._memory = registers, memory

    def step(self) -> None:
        """Do the next operation."""
        op = self.reader.take("B")
        if not self._pushes(op) and not self._computes(op) and not self._moves(op):
            raise ValueError(f"expression operation {op:#x}")
        self.settle()

    def settle(self) -> None:
        """Cut what is on the stack to 64 bits."""
        self.stack[:] = [value & _MASK for value in self.stack]

    def _pushes(self, op: int) -> bool:
        reader, push = self.reader, self.stack.append
        if 0x30 <= op <= 0x4F:  # lit0 to lit31
            push(op - 0x30)
        elif 0x70 <= op <= 0x8F:  # breg0 to breg31
            push(self._registers[op - 0x70] + reader.sleb())
        elif op == 0x92:
            push(self._registers[reader.uleb()] + reader.sleb())
        elif op in _CONSTANTS:
            push(reader.take(_CONSTANTS[op]))
        elif op in (0x03, 0x10, 0x11):  # addr, constu, consts
            push(reader.take("Q") if op == 0x03 else reader.uleb() if op == 0x10 else reader.sleb())
        else:
            return False
        return True

    def _computes(self, op: int) -> bool:
        stack = self.stack
        if op in _BINARY:
            right, left = stack.pop(), stack.pop()
            stack.append(int(_BINARY[op](left, right)))
        elif op in _UNARY:
            stack.append(_UNARY[op](stack.pop()))
        elif op == 0x1B:  # div
            right, left = _signed(stack.pop()), _signed(stack.pop())
            if not right:
                raise ValueError("division by zero")
            quotient = abs(left) // abs(right)
            stack.append(quotient if (left < 0) is (right < 0) else -quotient)
        elif op == 0x23:  # plus_uconst
            stack.append(stack.pop() + self.reader.uleb())
        elif op in (0x06, 0x94):  # deref, deref_size
            size = 8 if op == 0x06 else self.reader.take("B")
            if size not in (1, 2, 4, 8):
                raise ValueError(f"a read of {size} bytes")
            stack.append(int.from_bytes(self._memory.read(stack.pop() & _MASK, size), "little"))
        else:
            return False
        return True

    def _moves(self, op: int) -> bool:
        stack, reader = self.stack, self.reader
        if op == 0x12:
            stack.append(stack[-1])
        elif op == 0x13:
            stack.pop()
        elif op in (0x14, 0x15):  # over, pick
            stack.append(stack[-2 if op == 0x14 else -1 - reader.take("B")])
        elif op == 0x16:
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif op == 0x17:
            stack[-1], stack[-2], stack[-3] = stack[-2], stack[-3], stack[-1]
        elif op in (0x28, 0x2F):  # bra, skip
            distance = reader.take("h")
            if op == 0x2F or stack.pop():
                reader.at += distance
                if not 0 <= reader.at <= reader.end:
                    raise IndexError("a jump out of the expression")
        elif op != 0x96:
            return False
        return True


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value
