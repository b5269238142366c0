"""The instructions of call frame information (DWARF 5, section 6.4.2), run up to an address."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from uprobe_core.stacks.reader import Reader
from uprobe_core.unwinding import FrameRules, Row, Saved, Where

__all__ = ("Program", "run_program")

_MOST_REMEMBERED = 64
_MOST_INSTRUCTIONS = 1 << 15
"""Of one row; compilers write a few for each time that the stack pointer moves."""
_ADVANCE = {0x02: "B", 0x03: "H", 0x04: "I", 0x1D: "Q"}
_NOTHING = frozenset({0x00, 0x2C, 0x2D})
"""DW_CFA_nop, and AArch64's notes on signed return addresses, whose signature is masked anyway."""
_SIGNED_64 = 1 << 63


class Program(NamedTuple):
    """What the instructions of all entries of one CIE have in common.

    :param register: whose value for the caller is where it goes on
    """

    code_factor: int
    data_factor: int
    register: int


@dataclass(slots=True)
class _State:
    """The row that is being made."""

    base: int = 0
    offset: int = 0
    expression: bytes = b""
    saved: dict[int, Saved] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(self.base, self.offset, self.expression, dict(self.saved))

    def put(self, register: int, where: Where, value: int = 0, code: bytes = b"") -> None:
        self.saved[register] = Saved(register, where, _fits(value), code)

    def set_cfa(self, base: int | None, offset: int | None) -> None:
        self.base = self.base if base is None else base
        self.offset = self.offset if offset is None else _fits(offset)
        self.expression = b""


def _fits(value: int) -> int:
    if not -_SIGNED_64 <= value < _SIGNED_64:
        raise ValueError(f"offset {value}")
    return value


def run_program(
    program: Program,
    initial: Reader,
    reader: Reader,
    start: int,
    until: int,
    rules: FrameRules,
    *,
    interrupted: bool,
) -> Row:
    """The row at *until* of the function that begins at *start*.

    :param initial: the CIE's instructions
    :param reader: the FDE's

    Raises ValueError, IndexError or struct.error for what is no such program.
    """
    runner = _Runner(program)
    runner.run(initial, 0, None)
    runner.initial = runner.state.copy()
    runner.run(reader, start, until)
    return runner.row(rules, interrupted=interrupted)


class _Runner:
    """Executes instructions into *state*."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.state = _State()
        self.initial = self.state
        self._remembered: list[_State] = []
        self._left = _MOST_INSTRUCTIONS

    def run(self, reader: Reader, pc: int, until: int | None) -> None:
        """Execute until the location passes *until*; None: all."""
        factor = self._program.code_factor
        while reader.at < reader.end:
            self._left -= 1
            if self._left < 0:
                raise ValueError("too many instructions")
            op = reader.byte()
            high, low = op & 0xC0, op & 0x3F
            if high == 0x40 or op in _ADVANCE:  # DW_CFA_advance_loc and its long forms
                pc += factor * (low if high else reader.take(_ADVANCE[op]))
                if until is not None and pc > until:
                    return
            elif high == 0x80:
                self.state.put(low, Where.MEMORY, reader.uleb() * self._program.data_factor)
            elif high == 0xC0:
                self._restore(low)
            elif op not in _NOTHING and not self._saves(op, reader) and not self._defines_cfa(op, reader):
                self._keeps(op, reader)

    def _saves(self, op: int, reader: Reader) -> bool:
        """Instructions that say where one register is."""
        factor, put = self._program.data_factor, self.state.put
        if op in (0x05, 0x2F):  # offset_extended, GNU_negative_offset_extended
            register, value = reader.uleb(), reader.uleb() * factor
            put(register, Where.MEMORY, -value if op == 0x2F else value)
        elif op == 0x11:
            put(reader.uleb(), Where.MEMORY, reader.sleb() * factor)
        elif op in (0x14, 0x15):  # val_offset
            put(reader.uleb(), Where.VALUE, (reader.uleb() if op == 0x14 else reader.sleb()) * factor)
        elif op == 0x07:
            put(reader.uleb(), Where.UNDEFINED)
        elif op == 0x09:
            put(reader.uleb(), Where.REGISTER, reader.uleb())
        elif op in (0x10, 0x16):  # expression, val_expression
            where = Where.MEMORY_EXPRESSION if op == 0x10 else Where.VALUE_EXPRESSION
            put(reader.uleb(), where, code=reader.skip(reader.uleb()))
        elif op == 0x06:
            self._restore(reader.uleb())
        elif op == 0x08:
            self.state.saved.pop(reader.uleb(), None)
        else:
            return False
        return True

    def _defines_cfa(self, op: int, reader: Reader) -> bool:
        factor, state = self._program.data_factor, self.state
        if op == 0x0C:
            state.set_cfa(reader.uleb(), reader.uleb())
        elif op == 0x0D:
            state.set_cfa(reader.uleb(), None)
        elif op == 0x0E:
            state.set_cfa(None, reader.uleb())
        elif op == 0x12:
            state.set_cfa(reader.uleb(), reader.sleb() * factor)
        elif op == 0x13:
            state.set_cfa(None, reader.sleb() * factor)
        elif op == 0x0F:
            state.expression = reader.skip(reader.uleb())
        else:
            return False
        return True

    def _keeps(self, op: int, reader: Reader) -> None:
        if op == 0x0A:
            if len(self._remembered) >= _MOST_REMEMBERED:
                raise ValueError("too many states are remembered")
            self._remembered.append(self.state.copy())
        elif op == 0x0B:
            if not self._remembered:
                raise ValueError("no state is remembered")
            self.state = self._remembered.pop()
        elif op == 0x2E:
            reader.uleb()  # DW_CFA_GNU_args_size
        else:
            raise ValueError(f"call frame instruction {op:#x}")

    def _restore(self, register: int) -> None:
        rule = self.initial.saved.get(register)
        if rule is None:
            self.state.saved.pop(register, None)
        else:
            self.state.saved[register] = rule

    def row(self, rules: FrameRules, *, interrupted: bool) -> Row:
        """The row, with the registers that are followed; raises ValueError for others where they count."""
        state, count = self.state, rules.count
        if self._program.register >= count or (not state.expression and state.base >= count):
            raise ValueError(f"registers {self._program.register} and {state.base}")
        saved = tuple(rule for rule in state.saved.values() if rule.register < count)
        if any(rule.where is Where.REGISTER and rule.value >= count for rule in saved):
            raise ValueError("a register is in one that is not followed")
        if any(rule.where is Where.UNDEFINED and rule.register == rules.registers.sp for rule in saved):
            raise ValueError("the stack pointer is not known")
        return Row(state.base, state.offset, saved, self._program.register, interrupted, state.expression)
