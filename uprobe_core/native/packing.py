"""The packed forms that the native engine takes, and the values that it gives back.

Numbers and layouts are the extension's own.  What has no native form is
answered with None, and the caller leaves it to Python.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from uprobe_core.actions.base import STACK_DEPTH
from uprobe_core.architecture import Registers
from uprobe_core.errors import BackendError
from uprobe_core.event_model import FAULT, FetchArg, OpCode, leaves
from uprobe_core.events.fields import Field, FieldKind
from uprobe_core.events.shapes import assembler
from uprobe_core.frame import Frame
from uprobe_core.native import _engine

if TYPE_CHECKING:
    from uprobe_core.events.filters import FilterOp

__all__ = (
    "FIELD",
    "NOTHING",
    "ROOM",
    "FieldRef",
    "common_field",
    "field_of",
    "key_decoder",
    "pack_bound",
    "pack_filter",
    "pack_program",
    "pack_registers",
    "stack_field",
    "value_decoder",
)

ROOM = _engine.MAX_RECORD
"""Bytes of a record: fixed part and strings."""
FIELD = struct.Struct(_engine.FIELD_LAYOUT)
_ARG = struct.Struct(_engine.ARG_LAYOUT)
_TEST = struct.Struct(_engine.TEST_LAYOUT)
_COMPARE = {
    "==": _engine.COMPARE_EQ,
    "!=": _engine.COMPARE_NE,
    "<": _engine.COMPARE_LT,
    "<=": _engine.COMPARE_LE,
    ">": _engine.COMPARE_GT,
    ">=": _engine.COMPARE_GE,
    "&": _engine.COMPARE_AND,
}
_NO_TEXT = _engine.NO_TEXT
_KINDS = {"u": "u", "s": "s", "x": "x", "c": "c", "C": "c", "f": "f", "string": "t"}


class FieldRef(NamedTuple):
    """A value of a hit as the engine names it (struct up_field).

    :param kind: "u", "s", "f", "t" or "k" (a stack; *arg* is how many frames at most)
    """

    source: int
    kind: str
    arg: int = 0

    def pack(self) -> bytes:
        """struct up_field."""
        return FIELD.pack(self.source, ord(self.kind), self.arg)


NOTHING = FieldRef(_engine.FIELD_ZERO, "u")
"""In place of a value where none is wanted."""
_TID = FieldRef(_engine.FIELD_TID, "u")
_COMM = FieldRef(_engine.FIELD_COMM, "t")
_ADDRESS = FieldRef(_engine.FIELD_ADDRESS, "u")
_SIGNED_ZERO = FieldRef(_engine.FIELD_ZERO, "s")
_ACTION_FIELDS = {
    "pid": FieldRef(_engine.FIELD_PID, "u"),
    "tid": _TID,
    "common_pid": _TID,
    "comm": _COMM,
    "ip": _ADDRESS,
    "latency": FieldRef(_engine.FIELD_LATENCY, "u"),
    "stack": FieldRef(_engine.FIELD_STACK, "k", STACK_DEPTH),
}
_FILTER_FIELDS = {
    "common_pid": FieldRef(_engine.FIELD_TID, "s"),
    "comm": _COMM,
    "COMM": _COMM,
    "cpu": _SIGNED_ZERO,
    "CPU": _SIGNED_ZERO,
    "common_cpu": _SIGNED_ZERO,
    "common_flags": NOTHING,
    "common_preempt_count": NOTHING,
    "__probe_ip": _ADDRESS,
    "__probe_func": _ADDRESS,
    "__probe_ret_ip": FieldRef(_engine.FIELD_PC, "u"),
}


def common_field(name: str) -> FieldRef | None:
    """The field of every hit that an action calls *name*."""
    return _ACTION_FIELDS.get(name)


def stack_field(depth: int) -> FieldRef:
    """The stack as a key, *depth* frames at most."""
    return FieldRef(_engine.FIELD_STACK, "k", depth)


def field_of(index: int, arg: FetchArg) -> FieldRef | None:
    """Argument *index* (of the leaves) as a scalar field; None for an array and what is made of parts."""
    if arg.count or arg.shape is not None:
        return None
    kind = _KINDS[arg.type.kind]
    return FieldRef(_engine.FIELD_ARG, kind if kind in "sft" else "u", index)


# --- fetch programs ---------------------------------------------------------------------------------


_NO_PROGRAM = struct.pack("<I", 0), ROOM


def pack_program(args: Sequence[FetchArg]) -> tuple[bytes, int] | None:
    """The program that fetches *args* and the bytes that its strings may take."""
    if not args:
        return _NO_PROGRAM
    args = leaves(args)
    parts = [struct.pack("<I", len(args))]
    for arg in args:
        is_text = arg.type.is_string
        if any(op.code in (OpCode.ADD, OpCode.COMPUTED) for op in arg.ops):
            return None
        ops = b"".join(op.pack() for op in arg.ops)
        size = 0 if is_text else arg.type.size
        parts.append(_ARG.pack(ord(_KINDS[arg.type.kind]), size, arg.count, len(arg.ops), arg.tells) + ops)
    room = ROOM - sum(arg.size for arg in args)
    return (b"".join(parts), room) if room >= 0 else None


def value_decoder(args: Sequence[FetchArg]) -> tuple[int, Callable[[Any, int, int], tuple[Any, ...]]]:
    """(bytes of the cells, decode); ``decode(buffer, cells_at, text_at)`` gives the values of *args*."""
    assemble = assembler(args)
    if assemble is not None:
        size, decode = value_decoder(leaves(args))
        return size, lambda buffer, cells, text: assemble(decode(buffer, cells, text))
    layout = struct.Struct("<" + "".join(_cell_format(arg) for arg in args))
    if all(not arg.count and not arg.type.is_string and not arg.tells for arg in args):
        unpack = layout.unpack_from
        return layout.size, lambda buffer, cells, _text: unpack(buffer, cells)
    return layout.size, _general_decoder(args, layout)


def _cell_format(arg: FetchArg) -> str:
    code = {"s": "q", "f": "d"}.get(arg.type.kind, "Q")
    return code * (arg.count or 1) + "Q" * arg.tells


def _general_decoder(
    args: Sequence[FetchArg], layout: struct.Struct
) -> Callable[[Any, int, int], tuple[Any, ...]]:
    takes: list[slice | int] = []
    texts: list[int] = []
    lists: list[int] = []
    faults: list[tuple[int, int]] = []
    at = 0
    for number, arg in enumerate(args):
        takes.append(slice(at, at + arg.count) if arg.count else at)
        at += arg.count or 1
        if arg.type.is_string:
            (lists if arg.count else texts).append(number)
        if arg.tells:
            faults.append((number, at))
            at += 1
    take = itemgetter(*takes, 0)  # of one alone it would be no tuple
    told = itemgetter(*(cell for _, cell in faults), 0, 0)

    def decode(buffer: Any, cells_at: int, text_at: int) -> tuple[Any, ...]:
        cells = layout.unpack_from(buffer, cells_at)
        values = [*take(cells)]
        values.pop()
        for number in texts:
            values[number] = _text_at(buffer, text_at, values[number])
        for number in lists:
            values[number] = tuple([_text_at(buffer, text_at, cell) for cell in values[number]])
        if faults and any(told(cells)[:-2]):
            for number, cell in faults:
                values[number] = FAULT if cells[cell] else values[number]
        return tuple(values)

    return decode


def _text_at(buffer: Any, text_at: int, cell: int) -> str | None:
    if cell == _NO_TEXT:
        return None
    start = text_at + (cell >> 32)
    return bytes(buffer[start : start + (cell & 0xFFFF_FFFF)]).decode("utf-8", "surrogateescape")


# --- filters ------------------------------------------------------------------------------------------


def pack_filter(ops: Sequence[FilterOp]) -> tuple[bytes, bytes] | None:
    """(tests, texts) of a filter's branching program."""
    tests, texts = bytearray(), bytearray()
    for op in ops:
        field = _filter_field(op.predicate.field)
        packed = _operand(op.predicate.operator, op.predicate.value, field) if field is not None else None
        if field is None or packed is None:
            return None
        compare, inverted, text, number = packed
        head = (field.source, ord(field.kind), field.arg, compare, op.when != inverted, op.target)
        tests += _TEST.pack(*head, len(texts), len(text), number)
        texts += text
    return bytes(tests), bytes(texts)


def pack_bound(most: int) -> bytes:
    """The tests of a filter that rejects a record whose strings take more than *most* bytes."""
    rejects = 1  # the last step
    head = (_engine.FIELD_TEXT_SIZE, ord("u"), 0, _engine.COMPARE_GT, True, rejects)
    return _TEST.pack(*head, 0, 0, most)


def _filter_field(found: Field) -> FieldRef | None:
    if found.index >= 0:
        return field_of(found.leaf, found.arg) if found.arg is not None else None
    if found.kind is FieldKind.STACK:
        return None
    return _FILTER_FIELDS.get(found.name)


def _operand(operator: str, value: Any, field: FieldRef) -> tuple[int, bool, bytes, int] | None:
    """(comparison, whether its truth is inverted, text, number)."""
    if isinstance(value, str):
        return (
            _text_operand(operator, value, is_comm=field.source == _COMM.source)
            if field.kind == "t"
            else None
        )
    if field.kind == "t" or isinstance(value, frozenset):
        return None
    if field.kind == "f":
        if operator == "&":
            return None
        return _COMPARE[operator], False, b"", int.from_bytes(struct.pack("<d", float(value)), "little")
    if not isinstance(value, int):
        return None
    if operator == "&" and field.source == NOTHING.source:
        return None
    return _COMPARE[operator], False, b"", value & (1 << 64) - 1


def _text_operand(operator: str, pattern: str, *, is_comm: bool) -> tuple[int, bool, bytes, int] | None:
    """The matcher that filter_match.py would choose."""
    if operator != "~":
        return _engine.COMPARE_TEXT_EQ, operator == "!=", _bytes(pattern), 0
    inverted = pattern.startswith("!")
    pattern = pattern[inverted:]
    if any(c in "?[\\" for c in pattern) and pattern[:1] not in tuple("0123456789"):
        return None
    compare, text = _glob(pattern)
    if compare == _engine.COMPARE_TEXT_TAIL and is_comm:
        return None
    return compare, inverted, _bytes(text), 0


def _glob(pattern: str) -> tuple[int, str]:
    if pattern[:1] in tuple("0123456789"):
        return _engine.COMPARE_TEXT_EQ, pattern
    if "*" in pattern[1:-1]:
        return _engine.COMPARE_TEXT_GLOB, pattern
    if pattern.startswith("*") and len(pattern) > 1 and pattern.endswith("*"):
        return _engine.COMPARE_TEXT_INSIDE, pattern[1:-1]
    if pattern.startswith("*"):
        return _engine.COMPARE_TEXT_TAIL, pattern[1:]
    if pattern.endswith("*"):
        return _engine.COMPARE_TEXT_HEAD, pattern[:-1]
    return _engine.COMPARE_TEXT_EQ, pattern


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- keys ---------------------------------------------------------------------------------------------


def key_decoder(
    fields: Sequence[FieldRef], frames: Sequence[Frame]
) -> Callable[[bytes], tuple[tuple[Any, ...], int]]:
    """``decode(key)``: the values of *fields*, and where in *key* the rest begins.

    :param frames: of stacks, by number
    """
    kinds = [field.kind for field in fields]

    def decode(key: bytes) -> tuple[tuple[Any, ...], int]:
        values: list[Any] = []
        at = 0
        for kind in kinds:
            number = int.from_bytes(key[at : at + 8], "little", signed=kind == "s")
            at += 8
            if kind not in "tk":
                values.append(number)
            elif number == _NO_TEXT:
                values.append(None)
            elif kind == "k":
                values.append(tuple(frames[n] for n in struct.unpack_from(f"<{number // 4}I", key, at)))
                at += number
            else:
                values.append(key[at : at + number].decode("utf-8", "surrogateescape"))
                at += number
        return tuple(values), at

    return decode


def pack_registers(registers: Registers) -> tuple[int, ...]:
    """What an engine has to know of an architecture's registers.

    Raises BackendError where return addresses lie on the stack: the engine follows a link register.
    """
    if registers.link is None:
        raise BackendError("the native engine needs a link register", hint="take --engine py")
    frame = _engine.NO_REGISTER if registers.frame is None else registers.frame
    numbers = registers.count, registers.sp, registers.pc, registers.result, registers.link, frame
    return (*numbers, registers.width)
