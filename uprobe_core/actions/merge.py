"""What was found elsewhere (by a native engine, in a forked child) added to the action that a user holds."""

from __future__ import annotations

from typing import Any

from uprobe_core.actions.base import Action
from uprobe_core.actions.call_graph import CallGraph
from uprobe_core.actions.kinds import Count, Hist, Stacks, Sum
from uprobe_core.actions.latency import Latency
from uprobe_core.actions.summary import Summary

__all__ = ("Found", "merge")

Found = list[tuple[int, Any, int, Any]]
"""(order of first sight, key, count, (total, low, high), bucket, (bucket, longest),
(bucket, longest, sums), time or None)."""


def merge(action: Action, found: Found, lost: int) -> None:
    """Add what was *found*, in order of first sight, to *action*, and what was *lost*."""
    action.lost += lost
    for _order, key, count, extra in sorted(found, key=lambda each: each[0]):
        if isinstance(action, Latency):
            bucket, high = extra
            action.add(key, bucket, count, high)
        elif isinstance(action, Summary):
            bucket, high, sums = extra
            action.add(bucket, count, high, sums)
        elif isinstance(action, CallGraph):
            action.add(key, count, extra)
        elif isinstance(action, Hist):
            action.add(key, extra, count)
        elif isinstance(action, Sum):
            action.add(key, count, *extra)
        elif isinstance(action, Count | Stacks):
            action.add(key, count)
