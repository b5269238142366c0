"""Ways in which a backend can be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from uprobe_core.testing.mutants.event_rows import EVENT_ROWS, RUN_ROWS, TARGET_ROWS
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.testing.mutants.promise_rows import PROMISE_ROWS, TOLD_ROWS
from uprobe_core.testing.mutants.proxies import BrokenBackend
from uprobe_core.testing.mutants.state_rows import MEMORY_ROWS, REGISTER_ROWS, TRAP_ROWS

__all__ = ("backend_mutants",)


def backend_mutants() -> Iterator[Mutant]:
    """All of them."""
    rows = (*REGISTER_ROWS, *TRAP_ROWS, *MEMORY_ROWS, *EVENT_ROWS, *RUN_ROWS, *PROMISE_ROWS)
    for what, caught_by, changes in rows:
        yield Mutant("backend", what, caught_by, _with(changes))
    for what, caught_by, target in (*TARGET_ROWS, *TOLD_ROWS):
        yield Mutant("backend", what, caught_by, _told(target))


def _with(changes: Any) -> Callable[[Any], Any]:
    made = changes if callable(changes) else lambda: changes
    return lambda good: BrokenBackend(good, made())


def _told(target: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda good: BrokenBackend(good, {}, target)
