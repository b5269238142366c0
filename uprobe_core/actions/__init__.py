"""The declarative actions: what to do at a hit, said in advance, so that no Python runs for it.

The names are resolved on first use: a run that takes none of them imports none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.actions.base import MAX_KEYS, Action
    from uprobe_core.actions.call_graph import CallGraph, Path
    from uprobe_core.actions.kinds import Count, Hist, Record, Stacks, Sum
    from uprobe_core.actions.latency import Latency, SlowCall
    from uprobe_core.actions.summary import CallSummary, Summary

__all__ = (
    "MAX_KEYS",
    "Action",
    "CallGraph",
    "CallSummary",
    "Count",
    "Hist",
    "Latency",
    "Path",
    "Record",
    "SlowCall",
    "Stacks",
    "Sum",
    "Summary",
)

_HOME = {
    "base": ("MAX_KEYS", "Action"),
    "call_graph": ("CallGraph", "Path"),
    "kinds": ("Count", "Hist", "Record", "Stacks", "Sum"),
    "latency": ("Latency", "SlowCall"),
    "summary": ("CallSummary", "Summary"),
}


def __getattr__(name: str) -> object:
    """Import the module that defines *name* on its first use (PEP 562)."""
    for module, names in _HOME.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
