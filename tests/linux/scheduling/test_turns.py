"""Processes take turns by moment and by pid, whatever the host does; nobody waits for one that is gone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from uprobe_linux.shared.memory import SharedMemory
from uprobe_linux.shared.seats import NEVER, SEATS_BYTES, Seats, State, key_of, moment_at, moment_of

from tests.linux.guests import HERE, build
from tests.warm_python import PATHS

FIRST, SECOND, THIRD = 1000, 1001, 1002


@pytest.fixture
def seats() -> Iterator[Seats]:
    """A table of nobody."""
    shared = SharedMemory(SEATS_BYTES)
    table = Seats(shared, 0)
    yield table
    table.close()
    shared.close()


def test_the_lowest_is_the_earliest_and_of_those_the_first_by_pid(seats: Seats) -> None:
    late, second, first = (seats.take(moment, pid, 0) for moment, pid in ((9, 1), (4, SECOND), (4, FIRST)))
    assert seats.lowest() == key_of(4, FIRST)
    assert seats.holder(seats.lowest()) == first
    assert seats.lowest(without=first) == key_of(4, SECOND)
    for seat in (first, second):
        seats.free(seat)
    assert (seats.lowest(), seats.lowest(without=late)) == (key_of(9, 1), NEVER)


def test_a_time_that_lies_years_ahead_is_never() -> None:
    assert key_of(moment_at(1 << 62), FIRST) == NEVER
    assert moment_of(key_of(moment_at(5 << 20), FIRST)) == moment_at(5 << 20)


def test_a_seat_is_given_again_when_it_is_free(seats: Seats) -> None:
    seat = seats.take(1, FIRST, 0)
    seats.free(seat)
    assert seats.states[seat] == State.FREE
    assert seats.take(2, SECOND, 0) == seat


def test_who_is_posted_before_it_sleeps_does_not_sleep(seats: Seats) -> None:
    seat = seats.take(1, FIRST, 0)
    seats.post(seat)
    assert seats.pause(seat, 10)
    assert not seats.pause(seat, 0.001)


def test_one_that_ended_without_a_word_is_noticed(seats: Seats) -> None:
    seat, pid = seats.take(1, FIRST, 0), os.fork()
    if not pid:
        os._exit(0)
    seats.hosts[seat] = pid
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert seats.is_gone(seat)  # still a zombie
    os.waitpid(pid, 0)
    assert seats.is_gone(seat)


def test_keys_that_are_raised_and_lowered_meanwhile_are_seen_in_order(seats: Seats) -> None:
    """One wakes another and only then goes on: who looks never finds both late."""
    waker, woken = seats.take(1, SECOND, 0), seats.take(1, FIRST, 0)
    watcher = os.fork()
    if not watcher:
        chance = random.Random(1)
        for moment in range(2, 20_000):
            seats.keys[woken] = NEVER
            with seats.locked():
                seats.lower(woken, key_of(moment, FIRST))
            seats.keys[waker] = key_of(moment, SECOND)
            if chance.random() < 0.001:
                time.sleep(0)
        os._exit(0)
    low = 0
    while not os.waitpid(watcher, os.WNOHANG)[0]:
        found = moment_of(seats.lowest())
        assert low <= found < 20_000
        low = found


def test_nobody_waits_for_a_process_that_was_killed_from_outside(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "run_guest.py"), "0", "0", str(build("left_behind"))]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "started\n"
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        rest, _ = run.communicate(timeout=60)
    assert rest.splitlines() == ["killed by 9", "ended by 15", "ended by 15"]
