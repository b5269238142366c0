"""An action holds so many keys and no more, and what it lost for want of room is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import uprobe_core as up
from uprobe_core.errors import UsageError

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

Build = Callable[[str], str]
ACTIONS: dict[str, Callable[[], Any]] = {
    "count": lambda: up.Count(by="a", max_keys=4),
    "sum": lambda: up.Sum("a", by="a", max_keys=4),
    "linear": lambda: up.Hist("a", "linear", max_keys=4),
    "hist": lambda: up.Hist("b", by="a", max_keys=4),
}


@pytest.fixture(params=["py", "c"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("UPROBE_ENGINE", request.param)
    return str(request.param)


def observe(program: str, action: Any, rounds: int = 10) -> Any:
    """*action* on ``leaf``, which ``mixed 10`` calls with a = 0 to 9 and then again."""
    with up.Session([program, str(rounds)], output=os.devnull) as session:
        session.probe(f"p:leaf {program}:leaf a=%x0:s64 b=%x1:u64", action)
        session.run()
    return action


@pytest.mark.parametrize("name", ACTIONS)
def test_the_first_keys_are_kept_and_hits_with_others_are_lost(
    build: Build, engine: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    action = observe(build("mixed"), ACTIONS[name]())
    assert list(action.result()) == [0, 1, 2, 3]
    kept = 8 if name != "hist" else sum(sum(b.values()) for b in action.result().values())
    assert action.lost == 20 - kept
    assert f"{action.name}: {action.lost} hits were lost, it holds 4 keys" in capfd.readouterr().err


def test_an_action_with_room_loses_nothing_and_says_nothing(
    build: Build, engine: str, capfd: pytest.CaptureFixture[str]
) -> None:
    action = observe(build("mixed"), up.Count(by="a", max_keys=10))
    assert (action.result(), action.lost) == (dict.fromkeys(range(10), 2), 0)
    assert "lost" not in capfd.readouterr().err


def test_results_that_are_looked_at_meanwhile_make_no_room(build: Build, engine: str) -> None:
    program = build("mixed")
    action = up.Count(by="a", max_keys=4)
    seen: list[int] = []

    class Look:
        name = "look"

        def handler(self, hit: Any) -> None:
            action.result()
            seen.append(len(action.counts))

    with up.Session([program, "10"], output=os.devnull) as session:
        session.probe(f"p:leaf {program}:leaf a=%x0:s64", action)
        session.probe(f"p:tail {program}:tail", Look())
        session.run()
    assert seen == [4] * 10
    assert (action.result(), action.lost) == ({0: 2, 1: 2, 2: 2, 3: 2}, 12)


def test_keys_of_several_processes_share_the_room(build: Build, engine: str) -> None:
    program = build("family")
    action = up.Count(by="a", max_keys=2)
    with up.Session([program], output=os.devnull) as session:
        session.probe(f"p:work {program}:work a=%x0", action)
        session.run()
    assert (len(action.counts), action.lost) == (2, 8 - action.counts.total())
    assert action.lost > 0


@pytest.mark.parametrize("keys", [0, -1])
def test_an_action_without_room_is_refused(keys: int) -> None:
    with pytest.raises(UsageError, match=f"max_keys {keys} is out of range"):
        up.Count(by="a", max_keys=keys)
