"""Python's garbage collector, told to wait while thousands of events are made or taken apart."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("collector_waits",)


@contextmanager
def collector_waits() -> Iterator[None]:
    """No collection until the end of the ``with``: what is made stays, so that to look for garbage is wasted.

    The collector goes over everything again whenever a quarter was added to it, which for
    16,000 events takes longer than to make them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
