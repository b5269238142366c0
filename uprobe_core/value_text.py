"""Fetched values as people read them in trees and pages."""

from __future__ import annotations

from uprobe_core.event_model import FetchArg, Record, Value

__all__ = ("time_text", "value_text", "values_text")

_LONGEST = 64
"""Characters of a string that are shown."""
_STEPS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))


def time_text(time: float) -> str:
    """Nanoseconds in the unit in which they are between 1 and 1000."""
    for size, unit in _STEPS:
        if time >= size:
            return f"{time / size:.3f} {unit}"
    return f"{time:.0f} ns"


def value_text(arg: FetchArg, value: Value) -> str:
    """A value: hexadecimal where its type is, strings quoted and cut, ``(fault)`` for what cannot be read."""
    if isinstance(value, tuple):
        return "{" + ",".join(_scalar(arg, each) for each in value) + "}"
    return _scalar(arg, value)


def _scalar(arg: FetchArg, value: Value) -> str:
    if value is None:
        return "(fault)"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _LONGEST else f'"{value[:_LONGEST]}"…'
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:#x}" if arg.type.kind == "x" else str(value)


def values_text(record: Record) -> tuple[str, ...]:
    """``name=value`` of each argument."""
    return tuple(
        f"{arg.name}={value_text(arg, value)}"
        for arg, value in zip(record.event.args, record.values, strict=True)
    )
