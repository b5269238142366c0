"""The consumers ``count``, ``sum``, ``hist``, ``latency`` and ``stacks``: numbers instead of records.

Each leaves the work to a declarative action of :mod:`uprobe_core.actions`, one
per event, so that a native engine can run it without Python per hit; what is
here is options and reports.
"""

from __future__ import annotations

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
