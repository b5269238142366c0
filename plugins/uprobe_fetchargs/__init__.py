"""The ``trace`` consumer: records every hit with its arguments, as a kernel's trace does."""

from __future__ import annotations

from uprobe_fetchargs.consumer import TraceConsumer

__all__ = ("TraceConsumer",)
