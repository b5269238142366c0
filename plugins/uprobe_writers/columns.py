"""What the columns of a table of records are called."""

from __future__ import annotations

__all__ = ("FIELDS", "column_of")

FIELDS = ("event", "timestamp_ns", "pid", "tid", "comm", "cpu", "ip", "function")
"""Those that every record has, in this order."""


def column_of(argument: str) -> str:
    """The column of an *argument*: its name, ``arg_NAME`` if a field of the record is called so."""
    return f"arg_{argument}" if argument in FIELDS else argument
