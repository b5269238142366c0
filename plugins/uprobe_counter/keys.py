"""The keys of a table as people read them: each part as its field prints in a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from uprobe_core.consumer import EventInfo, Frame
from uprobe_core.value_text import quoted, value_text

__all__ = ("ArgumentText", "KeyText", "argument_text", "is_stack", "key_text", "shown")

STACK = " <- "
"""Between a frame and its caller's."""

_PLAIN = ("u", "s", "x", "f", "string")
"""Kinds of types whose values are shown without knowing more of them."""

KeyText = Callable[[Any], str]
ArgumentText = Callable[[str, Any], str]
"""``text(name, value)``."""
NameOf = Callable[[int], str]


def is_stack(key: Any) -> bool:
    """Whether *key* is a user stack."""
    return isinstance(key, tuple) and key != () and all(isinstance(frame, Frame) for frame in key)


def shown(key: Any) -> str:
    """A key as text: parts with commas, strings quoted, what could not be read as (fault).

    A stack goes from the inside outwards.
    """
    if is_stack(key):
        return STACK.join(frame.name for frame in key)
    if isinstance(key, tuple):
        return ", ".join(map(shown, key))
    if key is None:
        return "(fault)"
    return quoted(key) if isinstance(key, str) else str(key)


def key_text(event: EventInfo, by: Sequence[str], name_of: NameOf) -> KeyText:
    """How keys made of the fields *by* of *event* are shown.

    Fields of a hexadecimal type are hexadecimal, and ``ip`` is an address with its name.
    """
    parts = [_part(event, name, name_of) for name in by]
    if len(parts) == 1:
        return parts[0]
    return lambda key: ", ".join(part(value) for part, value in zip(parts, key, strict=True))


def argument_text(event: EventInfo) -> ArgumentText:
    """How the arguments of *event* are shown."""
    return lambda name, value: (
        shown(None) if value is None else _part(event, name, lambda _address: "")(value)
    )


def _part(event: EventInfo, name: str, name_of: NameOf) -> KeyText:
    args = getattr(getattr(event, "spec", None), "args", ())
    arg = next((arg for arg in args if arg.name == name), None)
    if arg is not None:
        one = _of_type(arg)
        return (lambda values: "{" + ",".join(map(one, values)) + "}") if arg.count else one
    if name == "ip":
        return lambda address: f"{address:#x} {name_of(address)}".rstrip()
    return shown


def _of_type(arg: Any) -> KeyText:
    """Shows letters in quotes, and what a number is called where it is called something."""
    if arg.type.kind in ("c", "C") or arg.type.words or arg.type.kind not in _PLAIN:
        return partial(value_text, replace(arg, count=0))
    return hex if arg.type.kind == "x" else shown
