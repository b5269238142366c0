"""The cases: what is attached to the probe at ``work``, and how it is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uprobe_core as up
from benchmarks.bare import BareLoop

__all__ = (
    "BARE",
    "CASES",
    "Discard",
    "Increment",
    "discard_records",
    "measure_bare",
    "measure_session",
    "quietly",
)


class Increment:
    """A handler in Python that does the least."""

    name = "increment"

    def __init__(self) -> None:
        self.count = 0

    def handler(self, hit: Any) -> None:
        """Count."""
        self.count += 1


class Discard:
    """Takes records as a consumer would, and forgets them."""

    name = "discard"
    writes_records = True

    def handler(self, hit: Any) -> None:
        """Never called natively."""


ENTRY = "p:work {path}:work a=%x0 b=%x1 c=%x2 d=%x3"
STRING = "p:work {path}:work s=+0(%x2):string"
RETURN = "r:work {path}:work r=$retval"

CASES: dict[str, tuple[str, Callable[[], Any]]] = {
    "count": (ENTRY, up.Count),
    "count by key": (ENTRY, lambda: up.Count(by="b")),
    "record 4 registers": (ENTRY, Discard),
    "record a string": (STRING, Discard),
    "histogram": (ENTRY, lambda: up.Hist("a")),
    "entry + return latency": (RETURN, up.Latency),
    "latency by an argument of the entry": (ENTRY, lambda: up.Latency(by="b")),
    "latency with the ten slowest calls": (ENTRY, lambda: up.Latency(top=10)),
    "filter that rejects": (ENTRY, lambda: up.Count(when="a == 77777777777")),
    "Python handler": (ENTRY, Increment),
}

BARE: dict[str, Callable[[BareLoop], None]] = {
    "raw loop": lambda _loop: None,
    "raw C hook: count": BareLoop.count,
    "raw C hook: 4 registers": BareLoop.store,
    "raw C hooks: entry and return": BareLoop.count_both,
    "raw BRK + slot: count": BareLoop.trap,
    "raw branch + slot: count": BareLoop.jump,
    "raw Python hook (ctypes): count": BareLoop.python,
    "unicorn package: count": BareLoop.package_count,
    "unicorn package: 4 registers": BareLoop.package_store,
    "unicorn package: entry + return latency": BareLoop.package_latency,
}


def measure_bare(path: str, prepare: Callable[[BareLoop], None], rounds: int) -> float:
    """Nanoseconds per call of the bare loop."""
    loop = BareLoop(path)
    try:
        prepare(loop)
        loop.run(1000)
        return loop.run(rounds)
    finally:
        loop.close()


def measure_session(
    path: str, lines: list[tuple[str, Any]], mode: str, rounds: int, *places: int, engine: str = "auto"
) -> float:
    """Nanoseconds of processor time per call of a whole run under the personality.

    :param lines: event lines with their consumers
    :param rounds: calls of ``work``
    :param places: how many places are passed, and how often; then the time is that of one place
    """
    argv = [path, *map(str, (0 if places else rounds, *places))]
    with quietly(), up.Session(argv, mode=mode, output=os.devnull, engine=engine) as session:
        for line, consumer in lines:
            session.probe(line.format(path=path), *([] if consumer is None else [consumer]))
        machine = session.open()
        discard_records(session)
        spent: list[float] = []
        run = machine.run

        def timed() -> Any:
            start = time.thread_time()
            try:
                return run()
            finally:
                spent.append(time.thread_time() - start)

        machine.run = timed  # type: ignore[method-assign]  # without the reports at the end
        session.run()
        return spent[0] * 1e9 / (places[0] * places[1] if places else rounds)


@contextmanager
def quietly() -> Iterator[None]:
    """What the guest prints goes nowhere."""
    out = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(out, 1)
        os.close(out)
        os.close(null)


def discard_records(session: up.Session) -> None:
    """Measure the engine and not what a writer does with the records: drain them unread."""
    native = session._native  # a benchmark looks inside
    if native is not None:
        native.engine.set_drain(native.engine.reset_ring)
        native.drain = native.engine.reset_ring  # type: ignore[method-assign]
