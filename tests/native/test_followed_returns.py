"""Calls that know of each other have one follower: a late probe that would be the other's is refused."""

from __future__ import annotations

import os
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import ROOT, build_debian
from uprobe_core.actions import CallGraph, Summary
from uprobe_core.probes.returns import WatchReturns
from uprobe_core.tracing.indirect import Indirect

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")


class Chosen:
    """Chooses processes, so it is never the native engine's."""

    name = "chosen"

    def filter(self, process: Any) -> bool:
        return True

    def handler(self, hit: Any) -> None:
        return None


class Returned(Chosen):
    """The same, and looks at returns."""

    def ret_handler(self, hit: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("returns", "consumer", "refused"),
    [
        ("hijack", Returned, True),
        ("watch", Returned, True),
        ("hijack", Chosen, False),
        ("watch", Chosen, False),
    ],
)
def test_python_cannot_follow_what_comes_after_the_engine_did(
    returns: str, consumer: type[Chosen], refused: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    program = ROOT / "examples" / "loop"
    with up.Session([str(program), "3"], output=os.devnull, engine="c", returns=returns) as session:
        main = session.probe(f"r:main {program}:main", up.Count())

        class Adds:
            name = "adds"

            def handler(self, hit: Any) -> None:
                session.probe(f"p:late {program}:work+4", consumer())

        session.probe(f"p:work {program}:work", Adds())
        session.run()
    assert main.result() == 1
    assert ("are the native engine's" in capfd.readouterr().err) is refused


@pytest.mark.parametrize("action", [Summary, CallGraph])
def test_an_indirect_function_leaves_own_times_to_the_engine(
    action: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its resolver's returns are Python's, and no event's: nobody's own time depends on them."""
    followed: list[Any] = []
    enter = WatchReturns.enter

    def noted(self: WatchReturns, task: Any, utask: Any, uprobe: Any, *rest: Any) -> None:
        followed.extend(type(link.consumer) for link in uprobe.links)
        enter(self, task, utask, uprobe, *rest)

    monkeypatch.setattr(WatchReturns, "enter", noted)
    program = build_debian("copies.c", "-O1", "-static", "-g")
    with up.Session([str(program)], output=os.devnull, engine="c", returns="watch") as session:
        calls = session.probe(f"r:copy {program}:memcpy", up.Count())
        session.probe(f"r:copies {program}:memcpy", action())
        session.run()
    assert calls.result() >= 286
    assert set(followed) == {Indirect}
