"""DWARF expressions to places (DWARF 5, sections 2.5 and 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uprobe_core.debuginfo.encoding import sleb, uleb, unsigned
from uprobe_core.debuginfo.places import (
    BitPiece,
    Computed,
    Const,
    Gone,
    InMemory,
    InRegister,
    InVector,
    IsValue,
    Place,
    Synthetic,
    joined,
    load,
)
from uprobe_core.event_model import FetchOp, OpCode

__all__ = ("FIRST_VECTOR", "THREAD_LOCAL", "VECTORS", "Machine", "Value", "after_operation", "place_of")

_CONSTANTS = {0x08: 1, 0x0A: 2, 0x0C: 4, 0x0E: 8, 0x09: -1, 0x0B: -2, 0x0D: -4, 0x0F: -8}
_MASK = (1 << 64) - 1
THREAD_LOCAL = Gone("thread-local")
"""The place of what each thread has for itself."""
FIRST_VECTOR, VECTORS = 64, 32
"""DWARF's number of the first vector register, and how many there are (DWARF for the Arm 64-bit
Architecture)."""


class _TooHardError(Exception):
    """It has to be computed at the hit."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What an expression may ask for.

    :param registers: how many general registers there are, as DWARF numbers them
    :param frame_base: what DW_OP_fbreg counts from; raises ValueError if that is not known
    :param cfa: the canonical frame address there; raises ValueError if that is not known
    :param static: the operation for an address of the file's own numbering
    :param indexed: the address of a number (DW_OP_addrx)
    """

    registers: int
    frame_base: Callable[[], Place]
    cfa: Callable[[], Value]
    static: Callable[[int], FetchOp]
    indexed: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Value:
    """A number that is known up to what *ops* load: nothing (a constant) or a value of the hit."""

    ops: tuple[FetchOp, ...]
    added: int = 0


def place_of(code: bytes, machine: Machine) -> Place:
    """Where an object is whose location is *code*; raises ValueError or IndexError for no expression."""
    return _Runner(code, machine).run()


class _Runner:
    """Runs one expression on values that are known up to a load."""

    def __init__(self, code: bytes, machine: Machine) -> None:
        self._code, self._machine = code, machine
        self._at = 0
        self._stack: list[Value] = []
        self._pieces: list[BitPiece] = []

    def run(self) -> Place:
        """The place."""
        found: Place | None = None
        started = 0
        while self._at < len(self._code):
            op = self._code[self._at]
            self._at += 1
            if op in (0x93, 0x9D):
                self._piece(op, found, self._code[started : self._at - 1])
                found, started = None, self._at
            elif op == 0xF0:
                pass  # GNU_uninit: nothing has been put there yet
            elif found is not None:
                raise ValueError("an expression goes on behind a place")
            else:
                found = self._step(op, started)
        if self._pieces:
            return joined(self._pieces)
        return self._memory() if found is None else found

    def _step(self, op: int, started: int) -> Place | None:
        """Do one operation; the place, if it names one."""
        try:
            found = self._place(op)
            if found is None:
                self._push(op)
            return found
        except _TooHardError:
            return self._hard(started)

    def _hard(self, started: int) -> Place:
        """Leave what remains up to the next piece to the hit."""
        end = _end_of(self._code, started)
        part = self._code[started:end]
        self._at = end
        self._stack.clear()
        is_value = part[-1:] == b"\x9f"
        return Computed(part[:-1] if is_value else part, is_value)

    def _piece(self, op: int, found: Place | None, written: bytes) -> None:
        size, self._at = uleb(self._code, self._at)
        first = 0
        if op == 0x9D:
            first, self._at = uleb(self._code, self._at)
        bits = size if op == 0x9D else 8 * size
        if max(bits, first) > 8 << 20 or len(self._pieces) > 1024:
            raise ValueError("too large a piece")
        place = found if found is not None else self._memory() if written else Gone()
        self._pieces.append(BitPiece(bits, place, first))
        self._stack.clear()

    def _memory(self) -> Place:
        if not self._stack:
            return Gone()
        top = self._stack[-1]
        if not top.ops:
            return InMemory((self._machine.static(top.added & _MASK),), 0)
        return InMemory(top.ops, _signed(top.added))

    # --- operations that name a place ---------------------------------------------------------------

    def _place(self, op: int) -> Place | None:
        if 0x50 <= op <= 0x6F:
            return self._register(op - 0x50)
        if op == 0x90:
            number, self._at = uleb(self._code, self._at)
            return self._register(number)
        if op == 0x9E:
            size, self._at = uleb(self._code, self._at)
            data = self._code[self._at : self._at + size]
            self._at += size
            return Const(data)
        if op == 0x9F:
            top = self._stack.pop()
            return IsValue(top.ops or load(OpCode.IMM), _signed(top.added))
        if op in (0x9B, 0xE0):  # form_tls_address
            return THREAD_LOCAL
        if op in (0xA0, 0xF2):  # implicit_pointer
            target = unsigned(self._code, self._at, 4)
            added, self._at = sleb(self._code, self._at + 4)
            return Synthetic(target, added)
        return None

    def _register(self, number: int) -> Place:
        if number < self._machine.registers:
            return InRegister(number)
        if FIRST_VECTOR <= number < FIRST_VECTOR + 32:
            return InVector(number - FIRST_VECTOR)
        raise ValueError(f"register {number}")

    # --- operations that compute --------------------------------------------------------------------

    def _push(self, op: int) -> None:
        code, push = self._code, self._stack.append
        if 0x30 <= op <= 0x4F:
            push(Value((), op - 0x30))
        elif 0x70 <= op <= 0x8F:
            offset, self._at = sleb(code, self._at)
            push(self._based(op - 0x70, offset))
        elif op == 0x92:
            number, self._at = uleb(code, self._at)
            offset, self._at = sleb(code, self._at)
            push(self._based(number, offset))
        elif op in _CONSTANTS:
            push(Value((), self._constant(_CONSTANTS[op])))
        elif op in (0x10, 0x11):
            value, self._at = uleb(code, self._at) if op == 0x10 else sleb(code, self._at)
            push(Value((), value))
        elif op == 0x03:
            push(Value((self._machine.static(unsigned(code, self._at, 8)),)))
            self._at += 8
        elif op in (0xA1, 0xFB):
            index, self._at = uleb(code, self._at)
            push(Value((self._machine.static(self._machine.indexed(index)),)))
        elif op == 0x91:
            offset, self._at = sleb(code, self._at)
            push(self._framed(offset))
        elif op == 0x9C:
            push(self._machine.cfa())
        else:
            self._compute(op)

    def _constant(self, size: int) -> int:
        value = unsigned(self._code, self._at, abs(size))
        self._at += abs(size)
        bits = 8 * abs(size)
        return value - (1 << bits) if size < 0 and value >> bits - 1 else value

    def _based(self, number: int, offset: int) -> Value:
        if number < self._machine.registers:
            return Value(load(OpCode.REG, number), offset)
        if FIRST_VECTOR <= number < FIRST_VECTOR + 32:
            raise _TooHardError  # a whole number that is kept there
        raise ValueError(f"register {number}")

    def _framed(self, offset: int) -> Value:
        base = self._machine.frame_base()
        if isinstance(base, InRegister):
            return Value(load(OpCode.REG, base.number), offset)
        if isinstance(base, IsValue):
            return Value(base.ops, base.added + offset)
        if isinstance(base, InMemory):
            return Value(base.ops, base.offset + offset)
        raise _TooHardError

    def _compute(self, op: int) -> None:
        stack = self._stack
        if op == 0x06:
            top = stack.pop()
            if not top.ops:
                top = Value((self._machine.static(top.added & _MASK),))
            stack.append(Value((*top.ops, FetchOp(OpCode.DEREF, _signed(top.added)))))
        elif op == 0x23:
            added, self._at = uleb(self._code, self._at)
            top = stack.pop()
            stack.append(Value(top.ops, top.added + added))
        elif op in (0x22, 0x1C):
            right, left = stack.pop(), stack.pop()
            if right.ops and op == 0x22:
                left, right = right, left
            if right.ops:
                raise _TooHardError
            stack.append(Value(left.ops, left.added + (right.added if op == 0x22 else -right.added)))
        elif op == 0x96:
            pass
        elif op == 0x12:
            stack.append(stack[-1])
        else:
            raise _TooHardError


def _end_of(code: bytes, at: int) -> int:
    """Where the part of an expression that begins at *at* ends: at a piece, or with the expression."""
    while at < len(code) and code[at] not in (0x93, 0x9D):
        at = after_operation(code, at)
    return at


_FIXED = {
    0x03: 8,
    0x08: 1,
    0x09: 1,
    0x0A: 2,
    0x0B: 2,
    0x0C: 4,
    0x0D: 4,
    0x0E: 8,
    0x0F: 8,
    0x15: 1,
    0x28: 2,
    0x2F: 2,
}
_FIXED |= {0x94: 1, 0x95: 1, 0x98: 2, 0x99: 4, 0x9A: 4, 0xFA: 4}
_ULEBS = {0x10: 1, 0x23: 1, 0x90: 1, 0xA1: 1, 0xA2: 1, 0xA8: 1, 0xA9: 1, 0xF7: 1, 0xF9: 1, 0xFB: 1, 0xFC: 1}
_ULEBS |= {0x11: 1, 0x91: 1, 0x92: 2, 0xA5: 2, 0xF5: 2, 0x93: 1, 0x9D: 2} | dict.fromkeys(
    range(0x70, 0x90), 1
)
_BLOCKS = frozenset({0x9E, 0xA3, 0xF3})


def after_operation(code: bytes, at: int) -> int:
    """Where the operation at *at* ends; raises ValueError or IndexError."""
    op = code[at]
    at += 1
    if op in _FIXED:
        return at + _FIXED[op]
    if op in _BLOCKS:
        size, at = uleb(code, at)
        return at + size
    if op in (0xA6, 0xF6):  # deref_type
        return uleb(code, at + 1)[1]
    if op in (0xA4, 0xF4):  # const_type
        _, at = uleb(code, at)
        return at + 1 + code[at]
    if op in (0xA0, 0xF2):  # implicit_pointer
        return sleb(code, at + 4)[1]
    for _ in range(_ULEBS.get(op, 0)):
        _, at = uleb(code, at)
    return at


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value
