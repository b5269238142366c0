"""A plugin does not end, double or replace the process that calls it, nor take its signals.

``os._exit`` would end a run with a status that looks like the program's, ``os.fork`` would have everything
twice. From the first plugin of somebody else's on, such a call raises if our code has called the plugin that
makes it, which is then named like for any other error. Starting a program (``subprocess``) is none of them.
"""

from __future__ import annotations

import os
import posix
import signal
import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

from uprobe_core.discovery.entries import Kind, PluginEntry

__all__ = ("arrivals", "keep_here", "owner", "visitor")

_ENDS, _DOUBLES, _REPLACES = "ends the process", "has the run twice", "puts a program in its place"
_CLOSES = "closes what the run writes into"
_TAKES, _CHANGES = "takes signals from the run", "changes what is the whole run's"
_CALLS = {
    "os": {
        "_exit": _ENDS,
        "abort": _ENDS,
        "fork": _DOUBLES,
        "forkpty": _DOUBLES,
        "execv": _REPLACES,
        "execve": _REPLACES,
        "closerange": _CLOSES,
    },
    "signal": {"signal": _TAKES, "setitimer": _TAKES, "alarm": _TAKES},
    "sys": {"setrecursionlimit": _CHANGES},
}
arrivals: list[Callable[[], None]] = []
"""Called when the first plugin of somebody else's comes."""
_visitors: dict[str, str] = {}
"""By the module at the top of what plugins of somebody else's were imported from, whose it is, in words."""


def keep_here(entry: PluginEntry) -> None:
    """From now on code of *entry* stays in this process; a backend may have processes of its own."""
    if entry.kind is Kind.BACKEND:
        return
    if not _visitors:
        for module in (os, signal, sys):
            for name, why in _CALLS[module.__name__].items():
                checked = _checked(f"{module.__name__}.{name}()", why, getattr(module, name))
                setattr(module, name, checked)
                if module is os:
                    setattr(posix, name, checked)
        for call in arrivals:
            call()
    top = entry.target.partition(":")[0].partition(".")[0]
    _visitors.setdefault(top, f"{entry.kind.word} {entry.name!r}")


def _checked(name: str, why: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def checked(*words: Any) -> Any:
        if visitor(sys._getframe(1)) is not None:
            raise RuntimeError(f"{name} {why}, which is not a plugin's to do")
        return call(*words)

    return checked


def visitor(frame: FrameType | None) -> str | None:
    """The plugin of somebody else's that *frame* is in, in words, if it is we who called it.

    A program of the same package that called us is not in it.
    """
    found = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] == "uprobe_core":
            return found
        found = found or owner(name)
        frame = frame.f_back
    return None


def owner(module: object) -> str | None:
    """The plugin of somebody else's that a module of this name belongs to, in words."""
    return _visitors.get(str(module).partition(".")[0])
