"""policy=kernel in the native engine: what the program sees is what it sees without, and C does the work."""

from __future__ import annotations

import os
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import symbols, zig

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

OPTIONS = [
    {"policy": "kernel:6.12", "mode": "trap", "returns": "hijack"},
    {"policy": "kernel:6.12", "mode": "auto"},
    {"policy": "kernel:6.12", "mode": "trap", "returns": "watch"},
    {"policy": "kernel:6.12", "mode": "inline", "returns": "hijack"},
]


class Traps:
    """Counts what is left to the dispatcher."""

    def __init__(self, session: up.Session) -> None:
        dispatcher = session._dispatcher
        self.count = 0
        self._on_trap = dispatcher.on_trap
        dispatcher.on_trap = self.on_trap  # type: ignore[method-assign]

    def on_trap(self, task: Any, address: int) -> Any:
        self.count += 1
        return self._on_trap(task, address)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run own_view with probes; returns (output, status, results, tallies) and what was left to the core."""

    def run(engine: str, options: dict[str, str], *, skip: int = 0) -> Any:
        monkeypatch.setenv("UPROBE_ENGINE", engine)
        program = zig("own_view.c")
        offsets = {name: symbols(program)[name][1] for name in ("work", "caller", "load")}
        with up.Session([str(program)], output=os.devnull, inherit_env=False, env={}, **options) as session:
            counts = [
                session.probe(f"p:{name} {program}:{offset + 4 * skip:#x} a=%x0", up.Count(by="a"))
                for name, offset in offsets.items()
            ]
            sums = session.probe(f"r:back {program}:{offsets['caller']:#x} r=$retval", up.Sum("r"))
            session.open()
            traps = Traps(session)
            status = session.run()
            tallies = [dict(p.tallies) for event in session.events.events for p in event.probes]
            assert engine == "py" or all(site.native for site in sites(session))
            found = [*(count.result() for count in counts), sums.result()]
        return (capfd.readouterr().out, status, found, tallies), traps.count

    return run


def sites(session: up.Session) -> list[Any]:
    return [site for space in session._dispatcher.registry.spaces.values() for site in space.sites]


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()))
def test_the_program_sees_what_it_sees_without_the_engine(play: Any, options: Any, skip: int) -> None:
    reference, _ = play("py", options, skip=skip)
    found, _ = play("c", options, skip=skip)
    assert found == reference


def test_the_breakpoint_and_the_area_are_there_to_be_seen(play: Any) -> None:
    (output, *_rest), _ = play("c", OPTIONS[0])
    before, *_more, end, _sum = output.splitlines()
    assert before == "before: work begins with BRK #5"
    assert end.startswith("at the end: work begins with BRK #5, ")
    assert end.endswith("[uprobes]")


def test_elsewhere_the_program_sees_no_breakpoint_and_no_slots(play: Any) -> None:
    options = {"policy": "anywhere", "mode": "trap", "returns": "watch"}
    reference, _ = play("py", {**options, "mode": "inline"}, skip=1)
    found, left = play("c", options, skip=1)
    assert found == reference
    assert left == 0
    assert "BRK" not in found[0]
    assert "[uprobes]" not in found[0]


def test_the_core_is_called_for_the_first_step_and_for_faults_alone(play: Any) -> None:
    (_output, _status, found, _tallies), left = play("c", OPTIONS[0])
    _reference, all_of_them = play("py", OPTIONS[0])
    assert sum(found[0].values()) == 41
    assert left <= 3
    assert all_of_them > 80
