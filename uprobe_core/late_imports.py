"""Modules that a run imports when it first needs them, behind its wall if that comes later.

There nothing can be written, so that Python could not keep what it compiles, and would do it in each run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Protocol, runtime_checkable

__all__ = ("ModuleStore", "have_ready")


@runtime_checkable
class ModuleStore(Protocol):
    """A finder of ``sys.meta_path`` that has modules in a store of its own."""

    def has(self, name: str) -> bool:
        """Whether it would find the module *name*, as its source is now."""
        ...


def have_ready(names: Iterable[str]) -> None:
    """See to it that modules need not be compiled when they are needed: who has no store imports them now."""
    stores = [finder for finder in sys.meta_path if isinstance(finder, ModuleStore)]
    for name in names:
        if not any(store.has(name) for store in stores):
            import_module(name)
