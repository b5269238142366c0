"""The register checker: the rules for plugins with hooks, a run that is right, and one that is made wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pluggy
import pytest
from uprobe_stepcheck import StepCheck, StepCheckPlugin

from uprobe_core import Session, arch_hooks, hookspecs
from uprobe_core.backend import Task
from uprobe_core.testing.compliance import HooksCompliance
from uprobe_core.utask import Utask

EXAMPLES = Path(__file__).parents[3]
LOOP = str(EXAMPLES / "loop")


class TestStepCheck(HooksCompliance):
    """What every plugin with hooks must do."""

    @pytest.fixture
    def plugin(self, monkeypatch: pytest.MonkeyPatch) -> StepCheckPlugin:
        monkeypatch.setenv("UPROBE_STEPCHECK", "1")
        return StepCheckPlugin()


def run(*events: str, **variables: str) -> str:
    """Standard error of a run of ./loop that stops at each of *events* for a step."""
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--mode", "trap", "-C", "count"]
    words = [word for event in events for word in ("-e", event)]
    done = subprocess.run(
        [*command, *words, "--", "./loop", "5"],
        cwd=EXAMPLES,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr


def test_steps_of_real_instructions_change_what_they_name() -> None:
    """Every instruction of two functions: 6 that run five times, and a loop of 10 around their call."""
    events = [f"p:work{n} ./loop:work+{4 * n}" for n in range(6)]
    events += [f"p:main{n} ./loop:main+{4 * n}" for n in range(40)]
    lines = run(*events, UPROBE_STEPCHECK="1").splitlines()
    (last,) = [line for line in lines if line.startswith("stepcheck")]
    steps = int(last.removeprefix("stepcheck: ").removesuffix(" steps, 0 surprises"))
    assert steps >= 5 * (6 + 10)


def test_without_the_switch_nothing_is_checked() -> None:
    assert "stepcheck" not in run("p:work ./loop:work")


class Clobbers:
    """An arch plugin's defect: the step loses x9."""

    @arch_hooks.hookimpl(wrapper=True)
    def post_xol(self, task: Task, utask: Utask) -> Generator[None, bool, bool]:
        done = yield
        task.set_reg(9, 0xBAD)
        return done


def test_a_register_that_a_step_loses_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = StepCheck()

    class Both:
        @hookspecs.hookimpl
        def uprobe_arch_wrappers(self) -> list[Any]:
            return [Clobbers(), check]

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.PluginHooks)
    manager.register(Both())
    monkeypatch.setattr("uprobe_core.discovery.called.create", lambda **_: manager)
    with Session([LOOP, "3"], mode="trap", output=os.devnull) as session:
        session.probe(f"p:work {LOOP}:work")
        session.run()
    assert (check.steps, check.surprises) == (3, 1), "afterwards x9 is wrong before the step as well"
    assert "changed x9 from" in capsys.readouterr().err
