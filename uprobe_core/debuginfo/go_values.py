"""Interfaces and maps of Go: what they hold, which only the running program knows.

Source: internal/abi/type.go and iface.go of Go 1.18 to 1.24 (the layouts of Type, Name and ITab).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from uprobe_core.debuginfo.numbers import END, SHAPE, number
from uprobe_core.debuginfo.operands import Operand, member, pointed
from uprobe_core.debuginfo.text import computed_text, numbers_of
from uprobe_core.debuginfo.types import Kind
from uprobe_core.event_model import FetchArg, FetchOp, OpCode, Value
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch
from uprobe_core.events.fetch_source import FetchSource
from uprobe_core.events.fetch_types import TYPES
from uprobe_core.types import GuestMemory

__all__ = ("elements_of_map", "interface_of")

_TYPE, _NAME, _FLAGS, _KIND = 8, 40, 20, 23
"""Where a table has its type, and where a type says its name, its flags and its kind."""
_HAS_STAR, _KINDS, _TEXT = 2, 0x1F, 24
_NUMBERS = dict(enumerate("?qbhiqQBHIQQfd", 1))
"""How struct unpacks each kind: bool, int, int8 to int64, uint, uint8 to uint64, uintptr, floats."""
_ERRORS = ("*errors.errorString", "*fmt.wrapError")
"""Types whose first member is a text that says all."""
_LONGEST = 256


def interface_of(operand: Operand, types: FetchOp | None) -> FetchArg | None:
    """What shows an interface as what it holds, ``int(42)`` or ``nil``; None for anything else.

    :param types: what loads the address from which names of types count; None: it is not known
    """
    name = "" if operand.type.die is None else operand.type.die.name
    if types is None or name not in ("runtime.iface", "runtime.eface"):
        return None
    has_table = name == "runtime.iface"
    first, second = number(member(operand, "tab" if has_table else "_type")), number(member(operand, "data"))
    base = FetchArg("", "", TYPES["u64"], (types, FetchOp(OpCode.ST_RAW, size=8), END))
    program = compile_fetch([first, second, base])
    text = computed_text("what an interface holds", _Holding(program, has_table))
    return FetchArg("", "", SHAPE, (), parts=(text,), shape=_first)


def _first(values: Sequence[Value]) -> str:
    return "(fault)" if values[0] is None else str(values[0])


@dataclass(frozen=True, slots=True)
class _Holding:
    """Says what an interface holds whose two words *program* fetches, and from where names of types count."""

    program: FetchProgram
    has_table: bool

    def __call__(self, hit: FetchSource) -> bytes:
        kind, data, types = numbers_of(self.program, hit)
        memory = hit.process
        if not kind:
            return b"nil"
        if self.has_table:
            kind = _word(memory, kind + _TYPE)
        name = _name(memory, kind, types)
        held = _held(memory, kind, name, data)
        return (f"{name}({held})" if held else f"({name})({data:#x})").encode("utf-8", "surrogateescape")


def _held(memory: GuestMemory, kind: int, name: str, data: int) -> str:
    """A number or text that an interface holds; "" for anything else."""
    number_of = memory.read(kind + _KIND, 1)[0] & _KINDS
    form = _NUMBERS.get(number_of)
    if form is not None:
        (value,) = struct.unpack(f"<{form}", memory.read(data, struct.calcsize(f"<{form}")))
        return str(value).lower() if form == "?" else str(value)
    return _quoted(memory, data) if number_of == _TEXT or (name in _ERRORS and data) else ""


def _quoted(memory: GuestMemory, at: int) -> str:
    """The text that the two words at *at* are."""
    address, size = _word(memory, at), _word(memory, at + 8)
    data = bytes(memory.read(address, min(size, _LONGEST))) if size else b""
    return f'"{data.decode("utf-8", "surrogateescape")}{"..." if size > _LONGEST else ""}"'


def _name(memory: GuestMemory, kind: int, types: int) -> str:
    """What the type at *kind* is called: a flag, the length in groups of seven bits, the name."""
    (offset,) = struct.unpack("<i", memory.read(kind + _NAME, 4))
    at, size = types + offset + 1, 0
    for shift in range(0, 35, 7):
        byte = memory.read(at, 1)[0]
        at, size = at + 1, size | (byte & 0x7F) << shift
        if byte < 0x80:
            break
    name = bytes(memory.read(at, min(size, _LONGEST))).decode("utf-8", "surrogateescape")
    return name[1:] if memory.read(kind + _FLAGS, 1)[0] & _HAS_STAR else name


def _word(memory: GuestMemory, at: int) -> int:
    return int.from_bytes(memory.read(at, 8), "little")


def elements_of_map(operand: Operand) -> Operand | None:
    """What says how many elements the map of Go has that *operand* points to; None for anything else."""
    kind = operand.type
    target = kind.target if kind.kind is Kind.POINTER and not kind.is_reference else None
    name = "" if target is None or target.die is None else target.die.name
    if target is None or not name.startswith(("map<", "hash<")):
        return None
    found = next((each for each in ("used", "count") if target.find(each) is not None), None)
    return None if found is None else member(pointed(operand), found)
