"""The sweep itself: which cells still have to run, and what becomes of their results."""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from uprobe_core.errors import UsageError
from uprobe_core.sweeping.cell_run import CellTask
from uprobe_core.sweeping.cells import Cell, Sweep
from uprobe_core.sweeping.dataset import DataSet, entry_of
from uprobe_core.sweeping.workers import Workers

__all__ = ("Summary", "run_sweep")

_PATIENCE = 0.5
"""Seconds between two looks at progress and at Ctrl-C."""


@dataclass
class Summary:
    """What became of the cells so far.

    :param total: cells of the sweep
    :param kept: cells that were done before
    :param ran: cells that were run
    :param reasons: of those, how many did not end by themselves, by reason
    :param unmet: cells in which an expectation did not hold
    """

    total: int
    kept: int = 0
    ran: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unmet: int = 0


@dataclass
class _Part:
    """Consecutive cells, some of which may still be missing."""

    cells: list[Cell]
    missing: set[str]


def run_sweep(
    sweep: Sweep,
    data: DataSet,
    workers: Workers,
    *,
    task: Callable[[Cell], CellTask],
    progress: Callable[[Summary], None],
) -> Summary:
    """Run every cell whose result is not there, and write the tables.

    What was done is there however this ends.  Memory is that of the parts under way.

    :param task: what a worker is given for a cell
    :param progress: told what became of the cells, several times a second
    """
    return _Driver(sweep, data, workers, task, progress).run()


@contextmanager
def _alone(data: DataSet) -> Iterator[None]:
    """One sweep at a time writes to a folder."""
    with (data.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another sweep writes to {str(data.folder)!r}", hint="wait for it, or give another folder"
            ) from None
        yield


class _Driver:
    def __init__(
        self,
        sweep: Sweep,
        data: DataSet,
        workers: Workers,
        task: Callable[[Cell], CellTask],
        progress: Callable[[Summary], None],
    ) -> None:
        self.sweep, self.data, self.workers = sweep, data, workers
        self.task, self.progress = task, progress
        self.summary = Summary(sweep.inputs.count)
        self._parts: dict[int, _Part] = {}
        self._count = 0

    def run(self) -> Summary:
        with closing(self.workers), _alone(self.data):
            try:
                self._run()
                self.data.forget(self._count)
            finally:
                for number, part in self._parts.items():  # what there is of them can be read
                    self.data.finish(number, part.cells)
            return self.summary

    def _run(self) -> None:
        todo = self._todo()
        running: dict[str, tuple[int, Cell]] = {}
        while True:
            for number, cell in islice(todo, self.workers.room):
                running[cell.key] = number, cell
                self.workers.submit(self.task(cell))
            if not running:
                return
            for done, found in self.workers.wait(_PATIENCE):
                self._keep(*running.pop(done.key), found)
            self.progress(self.summary)

    def _todo(self) -> Iterator[tuple[int, Cell]]:
        """Cells to run with the numbers of their parts; parts that need none are passed over."""
        cells = self.sweep.cells()
        while batch := list(islice(cells, self.data.part)):
            number, self._count = self._count, self._count + 1
            keys = [cell.key for cell in batch]
            there = self.data.keys(number)
            if there == keys:
                self.summary.kept += len(batch)
                continue
            if there is not None:
                self.data.displace(number)
            self.data.recall(number, set(keys) - self.data.done(number))
            missing = set(keys) - self.data.done(number)
            self.summary.kept += sum(key not in missing for key in keys)
            self._parts[number] = _Part(batch, set(missing))
            first = {cell.key: cell for cell in reversed(batch)}
            yield from ((number, cell) for cell in batch if cell.key in missing and first[cell.key] is cell)
            self._finish_if_done(number)

    def _keep(self, number: int, cell: Cell, found: Mapping[str, Any]) -> None:
        entry = entry_of(cell, found)
        self.data.add(number, entry)
        self._parts[number].missing.discard(cell.key)
        self.summary.ran += 1
        if found["reason"]:
            self.summary.reasons[found["reason"]] += 1
        self.summary.unmet += bool(entry["row"]["unmet"])
        self._finish_if_done(number)

    def _finish_if_done(self, number: int) -> None:
        if number in self._parts and not self._parts[number].missing:
            self.data.finish(number, self._parts.pop(number).cells)
