"""Probes that another thread changes while the program runs."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import uprobe_core as up
from tests.session.live.conftest import At, Live, Talk
from uprobe_core.errors import ProbeError, SpecError


def test_a_change_has_taken_effect_when_the_call_returns(live: Live, talk: Talk) -> None:
    """Ten calls at each request; those of the second, fourth and sixth are wanted."""
    s, count = live("wait"), up.Count()

    def control() -> None:
        talk.request()
        s.probe(live.line("work"), count)
        talk.request()
        s.disable("work")
        talk.request()
        s.enable("work")
        talk.request()
        s.remove("work")
        talk.request()
        s.probe(live.line("work"), count)
        talk.request()
        assert count.result() == 30

    talk.during(s, control)
    assert count.result() == 30


def test_an_error_is_raised_in_the_thread_that_asked_and_the_run_goes_on(live: Live, talk: Talk) -> None:
    s, count = live("wait", strict=True), up.Count()

    def control() -> None:
        talk.request()
        with pytest.raises(ProbeError, match="beyond the end"):
            s.probe(f"p:g/bad {live.program}:0x7fffffff", count)
        with pytest.raises(SpecError):
            s.probe("nonsense", count)
        s.probe(live.line("work", "bad"), count)
        talk.request()

    talk.during(s, control)
    assert count.result() == 10


def test_a_bad_one_among_several_leaves_nothing_changed(live: Live, talk: Talk) -> None:
    s, one, two = live("wait"), up.Count(), up.Count()
    s.probe(live.line("work", "one"), one)

    def several() -> None:
        s.disable("one")
        s.probe(live.line("work", "two"), two)
        s.probe(f"p:g/bad {live.program}:0x7fffffff")

    def control() -> None:
        talk.request()
        with pytest.raises(ProbeError):
            s.change(several)
        talk.request()

    talk.during(s, control)
    assert (one.result(), two.result()) == (20, 0)


def test_a_program_that_makes_no_system_call_is_reached(live: Live) -> None:
    s, count = live("forever", timeout=60), up.Count()
    found: list[Any] = []

    def control() -> None:
        time.sleep(0.2)
        s.probe(live.line("work"), count)
        while not count.result():
            time.sleep(0.01)
        s.remove("work")
        found.extend([count.result(), count.result()])
        machine.request_stop("enough")

    machine = s.open()
    thread = threading.Thread(target=control)
    thread.start()
    status = s.run()
    thread.join()
    assert status.reason == "enough"
    assert found[0] == found[1] > 0


def test_nothing_is_lost_or_doubled_while_others_come_and_go_at_the_same_place(live: Live) -> None:
    s, count, entries = live("spin", "3000"), up.Count(), up.Count()
    s.probe(live.line("work"), count)
    s.probe(live.line("work", "returns", "r"), entries)
    changes: list[int] = []

    def control() -> None:
        while len(changes) < 10:
            s.probe(live.line("work", "guest"), up.Count())
            s.disable("guest")
            s.remove("guest")
            changes.append(1)

    thread = threading.Thread(target=control)
    s.probe(live.line("mark"), At({1: thread.start}))
    s.run()
    thread.join()
    assert len(changes) == 10
    assert (count.result(), entries.result()) == (3000, 3000)


def test_a_change_after_the_run_is_made_at_once(live: Live) -> None:
    s = live("spin", "10")
    s.probe(live.line("work"), up.Count())
    s.run()
    s.remove("work")
    s.probe(live.line("work"), up.Count())
