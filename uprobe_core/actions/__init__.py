"""The declarative actions: what to do at a hit, said in advance, so that no Python runs for it."""

from uprobe_core.actions.base import MAX_KEYS, Action
from uprobe_core.actions.kinds import Count, Hist, Latency, Record, Stacks, Sum

__all__ = ("MAX_KEYS", "Action", "Count", "Hist", "Latency", "Record", "Stacks", "Sum")
