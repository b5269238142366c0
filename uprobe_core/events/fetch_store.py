"""The end of an operation list: the store, a bit field, an array loop.

Follows finalize_fetch_insn of kernel/trace/trace_probe.c (6.12); the errors'
columns are counted from where the expression's parser stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uprobe_core.event_model import MAX_OPS, FetchOp, FetchType, OpCode
from uprobe_core.events.tokens import simple_strtoul

if TYPE_CHECKING:
    from uprobe_core.errors import SpecError

__all__ = ("finish",)

_STRING_SOURCES = (OpCode.DEREF, OpCode.UDEREF, OpCode.IMM, OpCode.COMM, OpCode.IMMSTR, OpCode.ENTRY)
_KEPT_BY_STRING = (OpCode.IMM, OpCode.COMM, OpCode.IMMSTR, OpCode.ENTRY)
_ARRAY_STORES = (OpCode.ST_MEM, OpCode.ST_STRING, OpCode.ST_USTRING)


class _Argument(Protocol):
    """What this needs of the argument's parser."""

    ops: list[FetchOp]
    offset: int

    def fail(self, code: str, offset: int | None = None, errno: str = "EINVAL", hint: str = "") -> SpecError:
        """The error *code*."""
        ...


def finish(arg: _Argument, kind: FetchType, count: int, type_name: str | None, type_offset: int) -> None:
    """Append to ``arg.ops`` what stores a value of *kind* (*count* of them, 0 for no array).

    :param type_offset: column of the type, from the argument's own offset

    Raises SpecError.
    """
    at = arg.offset + type_offset
    if kind.is_string:
        _string_store(arg, kind, count, at)
    else:
        _number_store(arg, kind)
    store = arg.ops[-1].code
    if type_name is not None and type_name.startswith("b"):
        _bit_field(arg, type_name, kind, at)
    if count:
        if store not in _ARRAY_STORES:
            raise arg.fail("BAD_STRING", at, hint="an array needs a memory argument, such as +0(%x0)")
        _grow(arg, FetchOp(OpCode.LP_ARRAY, count), "E2BIG")
    arg.ops.append(FetchOp(OpCode.END))


def _grow(arg: _Argument, op: FetchOp, errno: str = "EINVAL") -> None:
    if len(arg.ops) + 1 >= MAX_OPS:
        raise arg.fail("TOO_MANY_OPS", errno=errno)
    arg.ops.append(op)


def _string_store(arg: _Argument, kind: FetchType, count: int, at: int) -> None:
    last = arg.ops[-1]
    if last.code not in _STRING_SOURCES:
        raise arg.fail("BAD_STRING", at, hint="a string is read from memory: +0(%x0):string")
    user = kind.name == "ustring"
    if last.code in _KEPT_BY_STRING or count:
        _grow(arg, FetchOp(OpCode.ST_USTRING if user else OpCode.ST_STRING, size=4))
        return
    user = user or last.code is OpCode.UDEREF
    arg.ops[-1] = FetchOp(OpCode.ST_USTRING if user else OpCode.ST_STRING, last.param, size=4)


def _number_store(arg: _Argument, kind: FetchType) -> None:
    last = arg.ops[-1]
    if last.code is OpCode.DEREF:
        arg.ops[-1] = FetchOp(OpCode.ST_MEM, last.param, size=kind.size)
    elif last.code is OpCode.UDEREF:
        arg.ops[-1] = FetchOp(OpCode.ST_UMEM, last.param, size=kind.size)
    else:
        _grow(arg, FetchOp(OpCode.ST_RAW, size=kind.size), "E2BIG")


def _bit_field(arg: _Argument, text: str, kind: FetchType, at: int) -> None:
    width, rest = simple_strtoul(text[1:])
    start, tail = simple_strtoul(rest[1:])
    bits = kind.size * 8
    well_formed = width != 0 and rest[:1] == "@" and tail != rest[1:] and tail[:1] == "/"
    end = (width + start) % (1 << 64)  # it wraps there as well
    if not well_formed or len(arg.ops) + 1 >= MAX_OPS or end > bits:
        hint = f"bWIDTH@OFFSET/{bits}: WIDTH at least 1, WIDTH + OFFSET at most {bits}"
        raise arg.fail("BAD_BITFIELD", at, hint=hint)
    left, right = bits - end, (bits - width) & 0xFF
    arg.ops.append(FetchOp(OpCode.MOD_BF, size=kind.size, lshift=left, rshift=right))
