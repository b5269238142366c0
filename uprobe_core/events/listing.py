"""How an event is written back: the line that reading ``uprobe_events`` shows for it."""

from __future__ import annotations

from uprobe_core.event_model import EventSpec
from uprobe_core.events.quoting import path_as_written

__all__ = ("listing_of",)


def listing_of(spec: EventSpec) -> str:
    """The line of ``uprobe_events`` for *spec* (trace_uprobe_show in trace_uprobe.c)."""
    ref = f"({spec.ref:#x})" if spec.ref else ""
    head = f"{spec.kind}:{spec.full_name} {path_as_written(spec.path)}:0x{spec.offset:016x}{ref}"
    return " ".join([head, *map(str, spec.args)])
