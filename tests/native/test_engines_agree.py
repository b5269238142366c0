"""Every engine and every mode finds the same, and the program ends the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import uprobe_core as up

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

MODES = ("inline", "trap", "jump", "auto")
FUNCTIONS = ("leaf", "recurse", "tail", "jumper", "scale", "thread", "main")


@pytest.fixture
def engine_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``engine_is("py")``: sessions opened from here on use that engine."""

    def choose(name: str) -> None:
        monkeypatch.setenv("UPROBE_ENGINE", name)

    return choose


def arguments(function: str, offset: int) -> str:
    if function == "leaf" and offset == 0:
        return "a=%x0:s64 b=%x1:u8 s=+0(%x2):string k=+0(%x3):u32 m=+4(%x3):s16 w=+16(%x3):f64 c=$comm"
    return "a=%x0:s64 b=%x1 p=%pc s=%sp"


Probe = tuple[str, int, str, str]
"""Function, offset in instructions, kind, action."""

probes = st.lists(
    st.tuples(
        st.sampled_from(FUNCTIONS[:6]),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.sampled_from(["p", "p", "r"]),
        st.sampled_from(["count", "by", "sum", "hist", "linear", "record", "latency", "stacks", "when"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda probe: probe[:3],
)


def action_of(name: str, is_return: bool) -> Any:
    field = "r" if is_return else "a"
    actions: dict[str, Callable[[], Any]] = {
        "count": up.Count,
        "by": lambda: up.Count(by=(field, "tid")),
        "sum": lambda: up.Sum(field, by="comm"),
        "hist": lambda: up.Hist(field, kind="log2"),
        "linear": lambda: up.Hist(field, kind="linear", step=3, by="tid"),
        "record": up.Record,
        "latency": up.Latency,
        "stacks": lambda: up.Stacks(8),
        "when": lambda: up.Count(by=field, when=f"{field} > 2 && {field} != 5"),
    }
    return actions[name]()


def run(program: str, argv: list[str], chosen: list[Probe], mode: str) -> list[Any]:
    # Without this environment, which names the engine and so moves the stack.
    with up.Session([program, *argv], mode=mode, output=os.devnull, seed=7, inherit_env=False) as session:
        actions = []
        for number, (function, offset, kind, action) in enumerate(chosen):
            if kind == "r" or (action == "latency" and offset):
                line = f"r:e{number} {program}:{function} r=$retval:s64"
                actions.append(session.probe(line, action_of(action, True)))
            else:
                place = f"{function}+{4 * offset}" if offset else function
                line = f"p:e{number} {program}:{place} {arguments(function, offset)}"
                actions.append(session.probe(line, action_of(action, False)))
        status = session.run()
        tallies = [dict(p.tallies) for event in session.events.events for p in event.probes]
        return [status.code, [a.result() for a in actions], tallies]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=probes)
def test_native_results_are_those_of_python(
    build: Callable[[str], str], engine_is: Callable[[str], None], mode: str, chosen: list[Probe]
) -> None:
    program = build("mixed")
    engine_is("py")
    reference = run(program, ["9"], chosen, "inline")
    engine_is("c")
    assert run(program, ["9"], chosen, mode) == reference


@pytest.mark.parametrize("mode", MODES)
def test_counts_are_the_same_with_threads(
    build: Callable[[str], str], engine_is: Callable[[str], None], mode: str
) -> None:
    program = build("mixed")
    chosen: list[Probe] = [("leaf", 0, "p", "by"), ("recurse", 0, "r", "count"), ("leaf", 1, "p", "sum")]
    engine_is("py")
    reference = run(program, ["15", "3"], chosen, "inline")
    engine_is("c")
    assert run(program, ["15", "3"], chosen, mode) == reference


@pytest.mark.parametrize("engine", ["py", "c"])
@pytest.mark.parametrize("mode", MODES[:3])
def test_trace_text_does_not_depend_on_mode_or_engine(
    build: Callable[[str], str], engine: str, mode: str
) -> None:
    if (engine, mode) == ("py", "jump"):
        pytest.skip("jumps are native")
    program = build("mixed")
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--mode"]
    events = [
        "-e",
        f"p:leaf {program}:leaf a=%x0 s=+0(%x2):string",
        "-e",
        f"r:ret {program}:recurse r=$retval",
    ]
    folders = [p for p in sys.path if p]

    def trace(engine: str, mode: str) -> list[str]:
        env = {**os.environ, "UPROBE_ENGINE": engine, "PYTHONPATH": os.pathsep.join(folders)}
        done = subprocess.run(
            [*command, mode, *events, program, "5"], env=env, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return [line.split(": ", 1)[1] for line in done.stderr.splitlines()]

    assert trace(engine, mode) == trace("py", "inline")
