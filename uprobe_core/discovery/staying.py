"""A plugin does not end, double or replace the process that calls it.

``os._exit`` would end a run with a status that looks like the program's, ``os.fork`` would have everything
twice. From the first plugin of somebody else's on, such a call raises if our code has called the plugin that
makes it, which is then named like for any other error. Starting a program (``subprocess``) is none of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

from uprobe_core.discovery.entries import Kind, PluginEntry

__all__ = ("keep_here",)

_ENDS, _DOUBLES, _REPLACES = "ends the process", "has the run twice", "puts a program in its place"
_CALLS = {
    "_exit": _ENDS,
    "abort": _ENDS,
    "fork": _DOUBLES,
    "forkpty": _DOUBLES,
    "execv": _REPLACES,
    "execve": _REPLACES,
}
_visitors: set[str] = set()
"""The modules at the top of what plugins of somebody else's were imported from."""


def keep_here(entry: PluginEntry) -> None:
    """From now on code of *entry* stays in this process; a backend may have processes of its own."""
    if entry.kind is Kind.BACKEND:
        return
    if not _visitors:
        for name in _CALLS:
            setattr(os, name, _checked(name, getattr(os, name)))
    _visitors.add(entry.target.partition(":")[0].partition(".")[0])


def _checked(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def checked(*words: Any) -> Any:
        if _is_a_visitors(sys._getframe(1)):
            raise RuntimeError(f"os.{name}() {_CALLS[name]}, which is not a plugin's to do")
        return call(*words)

    return checked


def _is_a_visitors(frame: FrameType | None) -> bool:
    """Whether *frame* is in a plugin that we called, not in a program of the same package that called us."""
    inside = False
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        if top == "uprobe_core":
            return inside
        inside = inside or top in _visitors
        frame = frame.f_back
    return False
