"""Handlers keep the interpreter lock from hit to hit, and nobody who needs it has to wait."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig

pytestmark = pytest.mark.usefixtures("capfd")


_TOLD = os.pipe()
"""What the interrupted process writes its hits to."""


class Do:
    """Calls *function* at each hit."""

    name = "do"

    def __init__(self, function: Any) -> None:
        self.handler = lambda _hit: function()


@pytest.fixture
def program() -> Path:
    """``quiet HITS ROUNDS``."""
    return zig("quiet.c")


def _session(program: Path, hits: int, rounds: int, at_work: Any, at_last: Any = None) -> up.Session:
    session = up.Session([str(program), str(hits), str(rounds)], output=os.devnull)
    session.probe(f"p:g/work {program}:work", Do(at_work))
    if at_last is not None:
        session.probe(f"p:g/last {program}:last", Do(at_last))
    return session


def test_a_thread_that_a_handler_starts_runs_while_the_program_has_no_hits(program: Path) -> None:
    ran, seen = threading.Event(), []

    def start() -> None:
        threading.Thread(target=ran.set, daemon=True).start()

    with _session(program, 1, 30_000_000, start, lambda: seen.append(ran.is_set())) as session:
        session.run()
    assert seen == [True]


def test_a_thread_from_before_runs_while_the_program_has_no_hits(program: Path) -> None:
    go, ran, seen = threading.Event(), threading.Event(), []

    def follow() -> None:
        go.wait(60)
        ran.set()

    threading.Thread(target=follow, daemon=True).start()
    with _session(program, 1, 30_000_000, go.set, lambda: seen.append(ran.is_set())) as session:
        session.run()
    assert seen == [True]


def test_an_interrupt_ends_a_program_that_has_no_more_hits(program: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            with _session(program, 1000, 0, lambda: os.write(_TOLD[1], b".")) as session:
                session.run()
        finally:
            os._exit(77)
    assert len(os.read(_TOLD[0], 1)) == 1
    time.sleep(0.3)
    os.kill(child, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77  # not killed, and not still running


def test_every_hit_calls_the_handler_whether_or_not_another_thread_is_there(program: Path) -> None:
    counts = []
    for threads in (0, 1, 0):
        calls = [0]
        stop = threading.Event()
        others = [threading.Thread(target=stop.wait, args=(60,)) for _ in range(threads)]
        for other in others:
            other.start()

        def count(calls: list[int] = calls) -> None:
            calls[0] += 1

        with _session(program, 20_000, 1, count) as session:
            session.run()
        stop.set()
        for other in others:
            other.join()
        counts.append(calls[0])
    assert counts == [20_000, 20_000, 20_000]
