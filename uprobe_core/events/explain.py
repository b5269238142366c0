"""What an event compiles to, for people: ``uprobe check --explain``."""

from __future__ import annotations

from uprobe_core.event_model import EXTENDS, EventSpec, FetchArg, FetchOp, OpCode
from uprobe_core.events.listing import listing_of

__all__ = ("explain", "explain_argument", "explain_program")


def explain(spec: EventSpec) -> list[str]:
    """The event's line, then one commented line for each argument's operations.

    What a return event captures at entry comes first, marked ``at entry``.
    """
    where = f"  # {spec.location}" if spec.location else ""
    at_entry = [f"#  at entry {explain_argument(arg)}" for arg in spec.entry_args]
    return [listing_of(spec) + where, *at_entry, *(f"#  {explain_argument(arg)}" for arg in spec.args)]


def explain_argument(arg: FetchArg) -> str:
    """The operation list on one line, as a kernel built to dump fetch arguments prints it."""
    return f"{arg.name}: {explain_program(arg)}"


def explain_program(arg: FetchArg) -> str:
    """The same without the argument's name; the parts of what is made of parts have theirs."""
    if arg.shape is not None and not arg.parts:
        return str(arg.shape(())) if arg.type.name == "shape" else arg.type.name
    if arg.shape is not None:
        parts = [explain_argument(part) if part.name else explain_program(part) for part in arg.parts]
        return "{ " + "; ".join(parts) + " }"
    return " -> ".join(_explain_op(op) for op in arg.ops)


def _explain_op(op: FetchOp) -> str:
    name, param = op.code.name, op.param
    if op.code in (OpCode.END, OpCode.STACKP, OpCode.RETVAL, OpCode.COMM, OpCode.LATENCY, OpCode.INSNS):
        return name
    if op.code in (OpCode.IMM, OpCode.FOFFS):
        return f"{name}({param:#x})"
    if op.code is OpCode.IMMSTR:
        return f'{name}("{op.text}")'
    if op.code in (OpCode.DEREF, OpCode.UDEREF):
        return f"{name}(offset={param})"
    if op.code is OpCode.ST_RAW:
        return f"{name}(size={op.size})" if not param else f"{name}(value{param:+},size={op.size})"
    if op.code in (OpCode.ST_MEM, OpCode.ST_UMEM, OpCode.ST_STRING, OpCode.ST_USTRING):
        return f"{name}(offset={param},size={op.size})"
    if op.code is OpCode.ADD:
        return f"{name}({param},{EXTENDS[op.rshift]} {op.lshift})"
    if op.code is OpCode.MOD_BF:
        return f"{name}(lshift={op.lshift},rshift={op.rshift},size={op.size})"
    if op.code is OpCode.COMPUTED:
        return f"in Python: {op.text}"
    return f"{name}({param})"
