"""mode=auto: hooks while there are few places, slots for more, and back; nobody misses a hit meanwhile."""

from __future__ import annotations

import os
from typing import Any

import pytest
from uprobe_unicorn.native import places as native_places
from uprobe_unicorn.native.place import How

import uprobe_core as up
from tests.programs import zig
from uprobe_core.types import Mode

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

FEW, FEW_CALLS = 2, 20
"""What few places are in these tests, whatever was measured."""
FUNCTIONS = ("work", "other", "mark", "outer", "main")


class At:
    """Does something at one of its hits, counted from 1."""

    name = "at"

    def __init__(self, **actions: Any) -> None:
        self.actions = {int(number[1:]): action for number, action in actions.items()}
        self.hits = 0

    def handler(self, hit: Any) -> None:
        self.hits += 1
        action = self.actions.get(self.hits)
        if action is not None:
            action()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``session(argv...)``: calls with these arguments, in mode auto unless said otherwise."""
    monkeypatch.setenv("UPROBE_ENGINE", "c")
    monkeypatch.setattr(native_places, "INLINE_AT_MOST", FEW)
    monkeypatch.setattr(native_places, "INLINE_CALLS", FEW_CALLS)
    made: list[up.Session] = []

    def make(*argv: str, mode: str = "auto") -> up.Session:
        session = up.Session([str(zig("calls.c")), *argv], output=os.devnull, mode=mode)
        made.append(session)
        return session

    yield make
    for each in made:
        each.close()


def line(session: up.Session, name: str, kind: str = "p", offset: int = 0) -> str:
    place = f"{name}+{offset}" if offset else name
    return f"{kind}:{name}{kind}{offset} {session.setup.argv[0]}:{place}"


def ways(session: up.Session) -> list[str]:
    """How the places are reached now."""
    native = session._machine.native  # type: ignore[union-attr]
    names = {How.HOOK: "hook", How.JUMP: "slot", How.TRAP: "trap"}
    return sorted(names[place.how] for place in native._places.values())


def test_one_or_two_places_have_hooks(session: Any) -> None:
    run = session("spin", "10")
    for name in FUNCTIONS[:FEW]:
        run.probe(line(run, name), up.Count())
    run.open()
    assert ways(run) == ["hook"] * FEW


def test_one_more_and_all_have_slots(session: Any) -> None:
    run = session("spin", "10")
    for name in FUNCTIONS[: FEW + 1]:
        run.probe(line(run, name), up.Count())
    run.open()
    assert ways(run) == ["slot"] * (FEW + 1)


def test_what_is_removed_gives_the_others_their_hooks_back(session: Any) -> None:
    run = session("spin", "1000")
    counts = [run.probe(line(run, name), up.Count()) for name in FUNCTIONS[:3]]
    run.open()
    seen: list[list[str]] = []
    events = list(run.events.events)

    def remove() -> None:
        seen.append(ways(run))
        run.remove(events[1])

    watcher = run.probe(line(run, "outer"), At(_5=remove))
    run.run()
    assert watcher.hits == 10
    assert seen == [["slot", "slot", "slot", "trap"]] or seen == [["hook", "slot", "slot", "slot"]]
    assert [count.result() for count in counts] == [1000, 4, 10]


def test_places_that_are_few_again_are_hooked_again(session: Any) -> None:
    run = session("spin", "1000")
    work = run.probe(line(run, "work"), up.Count())
    extra = [run.probe(line(run, name)) for name in ("other", "mark", "main")]
    run.open()
    before = ways(run)
    run.change(lambda: [run.remove(event) for event in extra])
    run.run()
    assert before == ["slot"] * 4
    assert ways(run) == ["hook"]
    assert work.result() == 1000


def test_watched_return_addresses_are_places_too(session: Any) -> None:
    run = session("spin", "1000")
    latency = run.probe(line(run, "work"), up.Latency())
    returns = run.probe(line(run, "other", "r"), up.Count())
    run.run()
    assert sum(latency.result().values()) == 1000
    assert returns.result() == 10
    assert len(ways(run)) == 4
    assert set(ways(run)) == {"slot"}


def test_nothing_is_watched_once_nobody_waits_for_returns(session: Any) -> None:
    run = session("spin", "1000")
    work = run.probe(line(run, "work"), up.Count())
    events = [run.probe(line(run, name, "r")) for name in ("mark", "other")]
    run.probe(line(run, "outer"), At(_5=lambda: [run.remove(event) for event in events]))
    run.run()
    assert work.result() == 1000
    assert ways(run) == ["hook", "hook"]


@pytest.mark.parametrize(("places", "way"), [(FEW_CALLS, "hook"), (FEW_CALLS + 1, "trap")])
def test_handlers_in_python_keep_their_hooks_longer_and_then_trap(
    session: Any, places: int, way: str
) -> None:
    run = session("spin", "100")
    first = run.probe(line(run, "work"), At())
    for n in range(places - 1):
        run.probe(line(run, "main", offset=4 * n), At())
    run.open()
    found = ways(run)
    assert found.count(way) > places - 4  # what cannot be moved keeps its hook
    assert set(found) <= {"hook", way}
    run.run()
    assert first.hits == 100


@pytest.mark.parametrize("mode", [Mode.INLINE, Mode.TRAP, Mode.JUMP])
def test_a_mode_that_is_asked_for_stays(session: Any, mode: Mode) -> None:
    run = session("spin", "100", mode=mode.value)
    for name in FUNCTIONS:
        run.probe(line(run, name), up.Count())
    run.open()
    way = {Mode.INLINE: "hook", Mode.TRAP: "trap", Mode.JUMP: "slot"}[mode]
    assert ways(run) == [way] * len(FUNCTIONS)
