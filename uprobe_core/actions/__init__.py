"""The declarative actions: what to do at a hit, said in advance, so that no Python runs for it."""

from uprobe_core.actions.base import MAX_KEYS, Action
from uprobe_core.actions.kinds import Count, Hist, Record, Stacks, Sum
from uprobe_core.actions.latency import Latency, SlowCall
from uprobe_core.actions.summary import CallSummary, Summary

__all__ = (
    "MAX_KEYS",
    "Action",
    "CallSummary",
    "Count",
    "Hist",
    "Latency",
    "Record",
    "SlowCall",
    "Stacks",
    "Sum",
    "Summary",
)
