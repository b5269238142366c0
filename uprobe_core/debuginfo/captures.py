"""What a return event has captured at the entry, so that its parameters are those of the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from uprobe_core.debuginfo.operands import RefusedError
from uprobe_core.event_model import FetchArg, FetchOp, OpCode
from uprobe_core.events.fetch_types import TYPES

__all__ = ("captured", "captured_source", "captured_value")

Keep = Callable[[FetchArg], int]
"""Has an argument captured at the entry; its number."""
_END = FetchOp(OpCode.END)
_AT_RETURN = frozenset({OpCode.FOFFS, OpCode.IMM, OpCode.ENTRY})
"""What is the same then, or is to be looked at then."""


def captured(arg: FetchArg, keep: Keep) -> FetchArg:
    """*arg*, which is right at the entry, for the return: what it starts from is captured.

    Raises RefusedError.  Text is captured as a whole, because its memory may be another's by then.
    """
    if arg.shape is not None:
        return replace(arg, parts=tuple(captured(part, keep) for part in arg.parts))
    if arg.ops[0].code in _AT_RETURN:
        return arg
    if arg.type.is_string and not arg.count:
        return replace(arg, ops=(FetchOp(OpCode.ENTRY, keep(arg)), FetchOp(OpCode.ST_STRING, size=4), _END))
    if any(op.code is OpCode.LP_ARRAY for op in arg.ops) and arg.ops[0].code is OpCode.STACKP:
        raise RefusedError("an array that the caller has put on the stack is not kept", "probe the entry")
    return replace(arg, ops=captured_source(arg.ops, keep))


def captured_source(ops: tuple[FetchOp, ...], keep: Keep) -> tuple[FetchOp, ...]:
    """*ops* with the value that they start from captured at the entry."""
    first = ops[0]
    if first.code in _AT_RETURN:
        return ops
    if first.code is not OpCode.STACKP:
        return (captured_value((first, FetchOp(OpCode.ST_RAW, size=first.size or 8)), keep), *ops[1:])
    read = ops[1]
    size = read.size or 8
    value = captured_value((first, FetchOp(OpCode.ST_MEM, read.param, size)), keep)
    if read.code is OpCode.ST_MEM:
        return (value, FetchOp(OpCode.ST_RAW, size=size), *ops[2:])
    return (value, *ops[2:])


def captured_value(ops: tuple[FetchOp, ...], keep: Keep) -> FetchOp:
    """What loads at the return the number that *ops* fetch at the entry."""
    arg = FetchArg("", "", TYPES[f"u{8 * ops[-1].size}"], (*ops, _END))
    return FetchOp(OpCode.ENTRY, keep(arg))
