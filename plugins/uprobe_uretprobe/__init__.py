"""The consumer ``returns``: how many calls were seen to return, and what became of the others."""

from __future__ import annotations

from uprobe_uretprobe.consumer import ReturnsConsumer

__all__ = ("ReturnsConsumer",)
