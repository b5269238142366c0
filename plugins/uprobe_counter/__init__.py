"""The consumers ``count``, ``sum``, ``hist``, ``latency`` and ``stacks``: numbers instead of records.

Each leaves the work to a declarative action of :mod:`uprobe_core.actions`, one
per event, so that a native engine can run it without Python per hit; what is
here is options and reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_counter.consumers import (
        CountConsumer,
        HistConsumer,
        LatencyConsumer,
        StacksConsumer,
        SumConsumer,
    )
    from uprobe_counter.coverage import CoverageConsumer
    from uprobe_counter.graph import GraphConsumer
    from uprobe_counter.leaks import LeaksConsumer
    from uprobe_counter.profile import ProfileConsumer
    from uprobe_counter.summary import SummaryConsumer

__all__ = (
    "CountConsumer",
    "CoverageConsumer",
    "GraphConsumer",
    "HistConsumer",
    "LatencyConsumer",
    "LeaksConsumer",
    "ProfileConsumer",
    "StacksConsumer",
    "SumConsumer",
    "SummaryConsumer",
)

_HOME = {
    "consumers": ("CountConsumer", "HistConsumer", "LatencyConsumer", "StacksConsumer", "SumConsumer"),
    "coverage": ("CoverageConsumer",),
    "graph": ("GraphConsumer",),
    "leaks": ("LeaksConsumer",),
    "profile": ("ProfileConsumer",),
    "summary": ("SummaryConsumer",),
}


def __getattr__(name: str) -> object:
    """Import the module that defines *name* on its first use (PEP 562)."""
    for module, names in _HOME.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
