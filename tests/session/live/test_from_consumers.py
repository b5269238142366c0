"""Probes that a consumer changes while the program runs: exact counts around the change.

``calls spin 1000`` calls work() a thousand times and outer(), which calls
mark(k), after every 100k-th, without a system call between.
"""

from __future__ import annotations

from typing import Any

import pytest

import uprobe_core as up
from tests.session.live.conftest import At, Live
from uprobe_core.errors import ProbeError, SpecError, UprobeError, UsageError

pytestmark = pytest.mark.usefixtures("capfd")


class Returns:
    """A consumer that keeps what it sees return."""

    name = "returns"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def ret_handler(self, hit: Any) -> None:
        self.seen.append(hit.values[0])


def test_a_probe_that_is_added_sees_every_later_call(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("mark"), At({5: lambda: s.probe(live.line("work"), count)}))
    s.run()
    assert count.result() == 500


def test_a_return_probe_that_is_added_sees_every_later_return(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("mark"), At({5: lambda: s.probe(live.line("work", kind="r"), count)}))
    s.run()
    assert count.result() == 500


def test_a_probe_that_is_removed_sees_no_later_call(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("work"), count)
    s.probe(live.line("mark"), At({3: lambda: s.remove("work")}))
    s.run()
    assert count.result() == 300


def test_a_probe_can_be_switched_off_and_on(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("work"), count)
    s.probe(live.line("mark"), At({3: lambda: s.disable("work"), 7: lambda: s.enable("work")}))
    s.run()
    assert count.result() == 600


def test_a_removed_probe_can_be_added_again(live: Live) -> None:
    s, before, after = live("spin", "1000"), up.Count(), up.Count()
    s.probe(live.line("work"), before)
    again = {3: lambda: s.remove("work"), 7: lambda: s.probe(live.line("work"), after)}
    s.probe(live.line("mark"), At(again))
    s.run()
    assert (before.result(), after.result()) == (300, 300)


def test_a_consumer_can_remove_its_own_event(live: Live) -> None:
    s, seen = live("spin", "1000"), []

    class Once:
        name = "once"

        def handler(self, hit: Any) -> None:
            seen.append(hit.values[0])
            if hit.values[0] == 250:
                s.remove("work")

    s.probe(live.line("work"), Once())
    s.run()
    assert seen == list(range(1, 251))


def test_a_probe_added_where_one_is_being_hit_sees_the_next_hit(live: Live) -> None:
    s, count, late = live("spin", "1000"), up.Count(), up.Count()
    s.probe(live.line("work", "early"), At({250: lambda: s.probe(live.line("work", "late"), late)}))
    s.probe(live.line("work", "all"), count)
    s.run()
    assert (count.result(), late.result()) == (1000, 750)


def test_a_probe_can_leave_a_place_that_others_keep(live: Live) -> None:
    s, stays, leaves = live("spin", "1000"), up.Count(), up.Count()
    s.probe(live.line("work", "stays"), stays)
    s.probe(live.line("work", "leaves"), leaves)
    s.probe(live.line("mark"), At({4: lambda: s.remove("leaves")}))
    s.run()
    assert (stays.result(), leaves.result()) == (1000, 400)


def test_an_event_may_be_removed_twice_at_once(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("work"), count)
    event = s.events.find("work")[0]

    def twice() -> None:
        s.remove(event)
        s.remove(event)

    s.probe(live.line("mark"), At({3: twice, 6: lambda: s.remove(event)}))
    s.run()
    assert count.result() == 300


@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_a_pending_return_of_a_removed_event_is_not_seen(live: Live, returns: str) -> None:
    """mark(5) runs inside outer(5), whose return comes after the removal."""
    s, seen = live("spin", "1000", returns=returns), Returns()
    s.probe(live.line("outer", kind="r"), seen)
    s.probe(live.line("mark"), At({5: lambda: s.remove("outer")}))
    s.run()
    assert seen.seen == [1, 2, 3, 4]


@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_a_return_probe_added_within_a_call_sees_the_next_one(live: Live, returns: str) -> None:
    s, seen = live("spin", "1000", returns=returns), Returns()
    s.probe(live.line("mark"), At({5: lambda: s.probe(live.line("outer", kind="r"), seen)}))
    s.run()
    assert seen.seen == [6, 7, 8, 9, 10]


def test_several_changes_take_effect_at_once(live: Live) -> None:
    """Every call of work() is in exactly one of the two counts."""
    s, one, two = live("spin", "1000"), up.Count(), up.Count()
    s.probe(live.line("work", "one"), one)

    def swap() -> None:
        s.remove("one")
        s.probe(live.line("work", "two"), two)

    s.probe(live.line("mark"), At({4: lambda: s.change(swap)}))
    s.run()
    assert (one.result(), two.result()) == (400, 600)


def test_a_bad_one_among_several_leaves_nothing_changed(live: Live) -> None:
    s, one, two = live("spin", "1000"), up.Count(), up.Count()
    s.probe(live.line("work", "one"), one)
    errors: list[UprobeError] = []

    def several() -> None:
        s.remove("one")
        s.probe(live.line("other", "two"), two)
        s.probe(f"p:g/bad {live.program}:0x7fffffff")

    def attempt() -> None:
        try:
            s.change(several)
        except ProbeError as error:
            errors.append(error)

    s.probe(live.line("mark"), At({4: attempt}))
    s.run()
    assert (one.result(), two.result()) == (1000, 0)
    assert "beyond the end" in str(errors[0])
    with pytest.raises(UsageError, match="two"):
        s.events.find("two")


def test_a_line_that_is_refused_changes_nothing(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("work"), count)
    refused: list[str] = []

    def attempt() -> None:
        for line in (live.line("work"), "p:g/x", "-:g/nobody", f"p:g/y {live.program}:nobody"):
            try:
                s.probe(line, up.Count())
            except (SpecError, ProbeError):
                refused.append(line)

    s.probe(live.line("mark"), At({4: attempt}))
    s.run()
    assert len(refused) == 4
    assert count.result() == 1000


def test_a_line_that_deletes_takes_the_probe_out(live: Live) -> None:
    s, count = live("spin", "1000"), up.Count()
    s.probe(live.line("work"), count)
    s.probe(live.line("mark"), At({4: lambda: s.probe("-:g/work")}))
    s.run()
    assert count.result() == 400
