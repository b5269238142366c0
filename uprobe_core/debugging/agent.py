"""Conditions of breakpoints as gdb sends them: code for a small stack machine, evaluated at each hit.

What each operation does: GDB's manual, appendix "The GDB Agent Expression Mechanism".  What has to do with
tracing, and floating point, which gdb makes no code of, is not there: gdb decides such a condition itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Protocol

__all__ = ("AgentError", "Moment", "evaluate")

_MOST_STEPS = 10_000
_MOST_ON_STACK = 100
_BITS = 64
_MASK = (1 << _BITS) - 1


class AgentError(Exception):
    """An expression that cannot be evaluated: bad code, an operation that is not there, no end."""


class Moment(Protocol):
    """Where it is evaluated: a view of a stopped thread."""

    def register(self, tid: int, number: int) -> bytes:
        """The thread's register with gdb's *number*, little endian; IndexError if there is none."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """What is at *address*, or less if memory ends; MemoryFault."""
        ...


def _signed(value: int, bits: int = _BITS) -> int:
    """The low *bits* of *value* as a signed number."""
    half = 1 << bits - 1
    return (value & (half << 1) - 1 ^ half) - half


def _truncated(left: int, right: int) -> int:
    """Division as C has it, towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    return left - right * _truncated(left, right)


def _shifted(by: int, shift: Callable[[int, int], int], value: int) -> int:
    """A shift by more bits than there are is not defined: none is refused that C would make."""
    if by >= _BITS:
        raise AgentError(f"a shift by {by} bits")
    return shift(value, by)


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x02: operator.add,
    0x03: operator.sub,
    0x04: operator.mul,
    0x05: lambda left, right: _truncated(_signed(left), _signed(right)),
    0x06: operator.floordiv,
    0x07: lambda left, right: _remainder(_signed(left), _signed(right)),
    0x08: operator.mod,
    0x09: lambda value, by: _shifted(by, operator.lshift, value),
    0x0A: lambda value, by: _shifted(by, operator.rshift, _signed(value)),
    0x0B: lambda value, by: _shifted(by, operator.rshift, value),
    0x0F: operator.and_,
    0x10: operator.or_,
    0x11: operator.xor,
    0x13: operator.eq,
    0x14: lambda left, right: _signed(left) < _signed(right),
    0x15: operator.lt,
}
"""add, sub, mul, div_signed, div_unsigned, rem_signed, rem_unsigned, lsh, rsh_signed, rsh_unsigned, bit_and,
bit_or, bit_xor, equal, less_signed, less_unsigned."""
_UNARY: dict[int, Callable[[int], int]] = {0x0E: operator.not_, 0x12: operator.invert}
"""log_not, bit_not."""
_REFS = {0x17: 1, 0x18: 2, 0x19: 4, 0x1A: 8}
_CONSTANTS = {0x22: 1, 0x23: 2, 0x24: 4, 0x25: 8}
_EXT, _IF_GOTO, _GOTO, _REG, _END = 0x16, 0x20, 0x21, 0x26, 0x27
_DUP, _POP, _ZERO_EXT, _SWAP, _PICK, _ROT = 0x28, 0x29, 0x2A, 0x2B, 0x32, 0x33


def evaluate(code: bytes, moment: Moment, tid: int) -> int:
    """What *code* leaves on top of the stack in thread *tid*, 64 bits, unsigned.

    Raises AgentError, MemoryFault where it reads what is not there, IndexError for a register that is not.
    """
    try:
        return _Run(code, moment, tid).run()
    except ZeroDivisionError:
        raise AgentError("a division by zero") from None


class _Run:
    """One evaluation."""

    def __init__(self, code: bytes, moment: Moment, tid: int) -> None:
        self._code, self._moment, self._tid = code, moment, tid
        self._stack: list[int] = []
        self._at = 0

    def run(self) -> int:
        """Until the end operation."""
        for _ in range(_MOST_STEPS):
            code = self._operand(1)
            if code == _END:
                return self._pop()
            self._do(code)
            if len(self._stack) > _MOST_ON_STACK:
                raise AgentError("the stack is full")
        raise AgentError("it does not end")

    def _operand(self, size: int) -> int:
        """The next *size* bytes of the code, big endian."""
        data = self._code[self._at : self._at + size]
        if len(data) != size:
            raise AgentError("the code ends without an end")
        self._at += size
        return int.from_bytes(data, "big")

    def _pop(self) -> int:
        if not self._stack:
            raise AgentError("the stack is empty")
        return self._stack.pop()

    def _push(self, value: int) -> None:
        self._stack.append(value & _MASK)

    def _do(self, code: int) -> None:
        if code in _BINARY:
            right = self._pop()
            self._push(_BINARY[code](self._pop(), right))
        elif code in _CONSTANTS:
            self._push(self._operand(_CONSTANTS[code]))
        elif code in _REFS:
            self._push(self._memory(self._pop(), _REFS[code]))
        elif code == _REG:
            self._push(self._register(self._operand(2)))
        elif code in _UNARY:
            self._push(_UNARY[code](self._pop()))
        elif code in (_EXT, _ZERO_EXT):
            self._extend(code == _EXT)
        elif code in (_IF_GOTO, _GOTO):
            self._jump(code == _IF_GOTO)
        else:
            self._move(code)

    def _memory(self, address: int, size: int) -> int:
        data = self._moment.read(address, size)
        if len(data) != size:
            raise AgentError(f"memory ends in the {size} bytes at {address:#x}")
        return int.from_bytes(data, "little")

    def _register(self, number: int) -> int:
        data = self._moment.register(self._tid, number)
        if len(data) * 8 > _BITS:
            raise AgentError(f"register {number} has more than {_BITS} bits")
        return int.from_bytes(data, "little")

    def _extend(self, with_sign: bool) -> None:
        bits = self._operand(1)
        if not 0 < bits <= _BITS:
            raise AgentError(f"an extension of {bits} bits")
        value = self._pop()
        self._push(_signed(value, bits) if with_sign else value & (1 << bits) - 1)

    def _jump(self, is_conditional: bool) -> None:
        target = self._operand(2)
        if not is_conditional or self._pop():
            self._at = target

    def _move(self, code: int) -> None:
        """Operations that only move what is on the stack."""
        if code == _POP:
            self._pop()
        elif code == _DUP:
            self._pick(0)
        elif code == _PICK:
            self._pick(self._operand(1))
        elif code == _SWAP:
            top, below = self._pop(), self._pop()
            self._stack += top, below
        elif code == _ROT:
            c, b, a = self._pop(), self._pop(), self._pop()
            self._stack += c, a, b
        else:
            raise AgentError(f"operation {code:#x} is not there")

    def _pick(self, depth: int) -> None:
        if depth >= len(self._stack):
            raise AgentError("the stack is not so deep")
        self._push(self._stack[-1 - depth])
