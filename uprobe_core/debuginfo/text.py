"""Which objects are text, and how it is fetched: char *, arrays of char, strings of C++, Rust and Go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uprobe_core.debuginfo.numbers import END, may_fault, number
from uprobe_core.debuginfo.operands import Operand, member, pointed, read_pointer
from uprobe_core.debuginfo.places import Const, InMemory, Place, Synthetic, is_whole, part_of
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.event_model import Fault, FetchArg, FetchOp, OpCode, Value, absent
from uprobe_core.events.fetch_run import FetchProgram, compile_fetch
from uprobe_core.events.fetch_source import FetchSource
from uprobe_core.events.fetch_types import STRING, TYPES
from uprobe_core.types import Access, GoneError, MemoryFault

__all__ = ("computed_text", "is_text_pointer", "numbers_of", "text_of")

_MOST = 4096
_AT_ONCE, _MOST_COUNTED = 64, 256
_RUST_TEXT = frozenset(
    f"{kind}{name}"
    for kind in ("&", "&mut ")
    for name in ("str", "std::path::Path", "std::ffi::os_str::OsStr")
)
_RUST_STRINGS = {"String": ("vec",), "OsString": ("inner", "inner"), "PathBuf": ("inner", "inner", "inner")}
"""Strings that are their own, and the way to the bytes in them."""
COMPUTED_TEXT = -1
"""The parameter of a string store whose text is computed, and not only its address (fetch_run)."""


def _is_char(kind: Type) -> bool:
    """Whether it is ``char``, which people write text with; not the small numbers of other names."""
    if kind.kind is not Kind.CHAR or kind.size != 1 or kind.die is None:
        return False
    return kind.die.name == "char"


def is_text_pointer(kind: Type) -> bool:
    """Whether a pointer of that kind points to text."""
    return kind.kind is Kind.POINTER and not kind.is_reference and _is_char(kind.target)


def text_of(operand: Operand) -> FetchArg | None:
    """The argument that fetches the text of *operand*; None if it is none."""
    kind = operand.type
    if is_text_pointer(kind) and isinstance(operand.place, Synthetic):
        return _synthetic(pointed(operand).place)
    if is_text_pointer(kind):
        ops, added = read_pointer(operand)
        return _string(ops, added)
    if kind.kind is Kind.ARRAY and len(kind.counts) == 1 and _is_char(kind.target):
        return _array(operand)
    if kind.kind is Kind.STRUCT:
        return _structured(operand)
    return None


def _synthetic(place: Place) -> FetchArg | None:
    """Text that the compiler has kept for itself: what a pointer that is nowhere points to."""
    if isinstance(place, InMemory):
        return _string(place.ops, place.offset)
    return _constant(place.data) if isinstance(place, Const) else None


def _constant(data: bytes) -> FetchArg:
    text = data.partition(b"\0")[0]
    return computed_text("a constant", lambda _hit: text)


def _string(ops: tuple[FetchOp, ...], added: int) -> FetchArg:
    return FetchArg("", "", STRING, (*ops, FetchOp(OpCode.ST_STRING, added, 4), END))


def _array(operand: Operand) -> FetchArg | None:
    """An array of characters: text up to its first zero, or all of it."""
    place, count = operand.place, operand.type.counts[0]
    if isinstance(place, Const):
        return _constant(place.data[:count])
    if not isinstance(place, InMemory):
        return _letters(operand, count) if 0 < count <= _AT_ONCE else None
    if not 0 < count <= _MOST_COUNTED:
        return _string(place.ops, place.offset)
    parts = [_bytes(place, at, min(_AT_ONCE, count - at)) for at in range(0, count, _AT_ONCE)]
    return FetchArg("", "", STRING, (), parts=tuple(parts), shape=_joined, tells=True)


def _letters(operand: Operand, count: int) -> FetchArg:
    """An array of characters that is in registers, or here and there."""
    letters = [Operand(operand.type.target, part_of(operand.place, at)) for at in range(count)]
    here = [each for each in letters if is_whole(each.place, 1)]
    parts = tuple(number(each) for each in here)

    def text(values: Sequence[Value]) -> Value:
        data = bytes(int(value or 0) & 255 for value in values)  # type: ignore[arg-type]  # numbers
        known, zero, _ = data.partition(b"\0")
        gone, is_cut = absent(values), not zero and len(here) < count
        return known.decode("utf-8", "surrogateescape") + "..." * is_cut if gone is None else gone

    return FetchArg("", "", STRING, (), parts=parts, shape=text, tells=True)


def _bytes(place: InMemory, at: int, count: int) -> FetchArg:
    ops = (*place.ops, FetchOp(OpCode.ST_MEM, place.offset + at, 1), FetchOp(OpCode.LP_ARRAY, count), END)
    return FetchArg("", "", TYPES["u8"], ops, count, tells=may_fault(place.ops))


def _joined(values: Sequence[Value]) -> Value:
    gone = absent(values)
    if gone is not None:
        return gone
    data = bytes(byte for part in values for byte in part)  # type: ignore[union-attr,misc]  # arrays of bytes
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


# --- text with a length -----------------------------------------------------------------------------


def computed_text(what: str, compute: Callable[[FetchSource], bytes]) -> FetchArg:
    """Text that *compute* makes of a hit, in Python."""
    op = FetchOp(OpCode.COMPUTED, text=what, compute=compute)  # type: ignore[arg-type]  # of text, bytes
    return FetchArg("", "", STRING, (op, FetchOp(OpCode.ST_STRING, COMPUTED_TEXT, 4), END))


def _structured(operand: Operand) -> FetchArg | None:
    """The text of a structure that is a string in some language."""
    name = operand.type.die.name if operand.type.die is not None else ""
    if name.startswith("basic_string<char,"):
        return _libstdcxx(operand) or _libcxx(operand)
    if name.startswith("basic_string_view<char,"):
        return (
            _pair(operand, "_M_str", "_M_len")
            or _pair(operand, "__data_", "__size_")
            or _pair(operand, "__data", "__size")
        )
    if name in _RUST_TEXT or name.startswith(("Box<str,", "alloc::boxed::Box<str,")):
        return _pair(operand, "data_ptr", "length")
    if name in _RUST_STRINGS:
        return _rust_string(operand, _RUST_STRINGS[name])
    if name in ("string", "runtime.string", "go.shape.string") or operand.type.name == "string":
        return _pair(operand, "str", "len") or _pair(operand, "__data", "__length")
    return None


def _libstdcxx(operand: Operand) -> FetchArg | None:
    if operand.type.find("_M_dataplus") is None:
        return None
    pointer = member(member(operand, "_M_dataplus"), "_M_p")
    return _with_length(pointer, member(operand, "_M_string_length"))


def _libcxx(operand: Operand) -> FetchArg | None:
    """libc++ keeps short text in the object itself; its least significant bit says which it is."""
    place = operand.place
    if not isinstance(place, InMemory) or operand.type.size != 24:
        return None
    program = compile_fetch([_raw(place.ops, place.offset)])

    def compute(hit: FetchSource) -> bytes:
        (address,) = numbers_of(program, hit)
        data = hit.process.read(address, 24)
        if not data[0] & 1:
            return bytes(data[1 : 1 + min(data[0] >> 1, 22)])
        size = int.from_bytes(data[8:16], "little")
        return bytes(hit.process.read(int.from_bytes(data[16:], "little"), min(size, _MOST)))

    return computed_text("text of std::string", compute)


def _rust_string(operand: Operand, way: Sequence[str]) -> FetchArg | None:
    vec = operand
    for name in way:
        if vec.type.find(name) is None:
            return None  # something else of that name
        vec = member(vec, name)
    buffer = member(vec, "buf")
    for name in ("inner", "ptr", "pointer", "pointer"):
        if buffer.type.kind is not Kind.POINTER and buffer.type.find(name) is not None:
            buffer = member(buffer, name)
    return _with_length(buffer, member(vec, "len")) if buffer.type.kind is Kind.POINTER else None


def _pair(operand: Operand, pointer: str, length: str) -> FetchArg | None:
    if operand.type.find(pointer) is None or operand.type.find(length) is None:
        return None
    return _with_length(member(operand, pointer), member(operand, length))


def _with_length(pointer: Operand, length: Operand) -> FetchArg:
    """Text of *length* bytes behind *pointer*."""
    ops, added = read_pointer(pointer)
    program = compile_fetch([_raw(ops, added), number(length)])
    return computed_text("text with a length", _Reading(program))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads text whose address and length *program* fetches."""

    program: FetchProgram

    def __call__(self, hit: FetchSource) -> bytes:
        address, size = numbers_of(self.program, hit)
        return bytes(hit.process.read(address, min(max(size, 0), _MOST))) if size else b""


def _raw(ops: tuple[FetchOp, ...], added: int) -> FetchArg:
    return FetchArg("", "", TYPES["u64"], (*ops, FetchOp(OpCode.ST_RAW, added, 8), END), tells=True)


def numbers_of(program: FetchProgram, hit: FetchSource) -> list[int]:
    """The numbers that *program* fetches; raises GoneError or MemoryFault for one that is not there."""
    values = program.run(hit)
    gone = absent(values)
    if isinstance(gone, Fault):
        raise MemoryFault(0, Access.READ)
    if gone is not None:
        raise GoneError("a part of it is not there")
    return [int(value or 0) for value in values]  # type: ignore[arg-type]  # numbers
