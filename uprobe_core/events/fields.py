"""The fields that filters, triggers and writers see of an event, beside its arguments.

Sources: uprobe_event_define_fields in kernel/trace/trace_uprobe.c and the
generic and common fields in kernel/trace/trace_events.c (6.12).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.event_model import leaves

if TYPE_CHECKING:
    from uprobe_core.event_model import EventSpec, FetchArg

__all__ = ("Field", "FieldKind", "event_fields", "spec_of")


class FieldKind(enum.Enum):
    """How a field compares."""

    NUMBER = "number"
    STRING = "string"
    CPU = "cpu"
    COMM = "comm"
    STACK = "stack"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    :param source: a Python expression for its value, ``h`` being the hit and ``v`` its values
    :param size: bytes; of an array, all of it
    :param signed: whether its number is signed
    :param index: of the argument, -1 for a field that is none
    :param leaf: of what a program fetches for it (see event_model.leaves)
    """

    name: str
    source: str
    kind: FieldKind = FieldKind.NUMBER
    size: int = 8
    signed: bool = False
    index: int = -1
    arg: FetchArg | None = None
    leaf: int = -1


def _common() -> dict[str, Field]:
    cpu = [Field(name, "h.task.cpu()", FieldKind.CPU, 4, True) for name in ("CPU", "cpu", "common_cpu")]
    comm = [Field(name, "h.comm", FieldKind.COMM, 16) for name in ("COMM", "comm")]
    stack = [Field(name, "0", FieldKind.STACK, 0) for name in ("STACKTRACE", "stacktrace")]
    common = [
        Field("common_type", "h.event.number", size=2),
        Field("common_flags", "0", size=1),
        Field("common_preempt_count", "0", size=1),
        Field("common_pid", "h.tid", size=4, signed=True),
    ]
    return {field.name: field for field in (*cpu, *comm, *stack, *common)}


COMMON = _common()
_ENTRY = (Field("__probe_ip", "h.address"),)
_RETURN = (Field("__probe_func", "h.function"), Field("__probe_ret_ip", "h.return_address"))


def spec_of(event: object) -> EventSpec:
    """The spec of an installed event (its ``spec``), or *event* itself when it is one."""
    spec: EventSpec = getattr(event, "spec", event)  # type: ignore[arg-type]  # either is one
    return spec


def _argument(index: int, arg: FetchArg, leaf: int) -> Field:
    source = f"v[{index}]"
    if arg.type.is_string or arg.shape is not None:
        text = f"({source}[0] if {source} else None)" if arg.count else source
        return Field(arg.name, text, FieldKind.STRING, arg.size, index=index, arg=arg, leaf=leaf)
    if arg.type.kind == "f" and not arg.count:
        return Field(arg.name, source, FieldKind.FLOAT, arg.size, index=index, arg=arg, leaf=leaf)
    if arg.count:
        source = f"join({source}, {arg.type.size}, {arg.size}, {arg.type.kind == 's'})"
    return Field(arg.name, source, FieldKind.NUMBER, arg.size, arg.type.kind == "s", index, arg, leaf)


def event_fields(spec: EventSpec) -> dict[str, Field]:
    """All fields of *spec* by name, its own before the generic ones that they may hide."""
    own = [_argument(index, arg, len(leaves(spec.args[:index]))) for index, arg in enumerate(spec.args)]
    head = _RETURN if spec.is_return else _ENTRY
    common = {name: each for name, each in COMMON.items() if each.kind is not FieldKind.STACK}
    return (common if spec.is_older else COMMON) | {field.name: field for field in (*head, *own)}


def join(values: tuple[int, ...], size: int, total: int, signed: bool) -> int:
    """The number that the bytes of an array make, as a filter compares it (little endian)."""
    mask = (1 << 8 * size) - 1
    data = b"".join((value & mask).to_bytes(size, "little") for value in values)
    return int.from_bytes(data[:total], "little", signed=signed)
