"""The keyword arguments of a Session: what is taken, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Bind, Limits
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, RunSetup, TriggerUse
from uprobe_core.setup.keywords import setup_from_options
from uprobe_core.types import Mode, Policy, Returns


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"mode": "trap"}, "mode", Mode.TRAP),
        ({"mode": Mode.JUMP}, "mode", Mode.JUMP),
        ({"returns": "watch"}, "returns", Returns.WATCH),
        ({"policy": "kernel:6.1"}, "policy", Policy("kernel", "6.1")),
        ({"timeout": 1.5, "max_insns": 7}, "limits", Limits(1.5, 7)),
        ({"max_memory": "2K"}, "limits", Limits(memory=2048)),
        ({"events": ["p:w ./loop:work"]}, "events", (EventLine("p:w ./loop:work", "events"),)),
        ({"consumers": ["count:by=a"]}, "consumers", (ConsumerUse("count", {"by": "a"}),)),
        ({"filters": ["w:a > 1"]}, "filters", (FilterUse("w", "a > 1"),)),
        ({"triggers": [TriggerUse("w", "traceoff")]}, "triggers", (TriggerUse("w", "traceoff"),)),
        ({"binds": ["/a:/b:ro"]}, "binds", (Bind("/a", "/b", read_only=True),)),
        ({"env": {"A": "1", "B": None, "C": False}}, "env", {"A": "1", "B": None, "C": None}),
        ({"output": Path("/x")}, "output", "/x"),
        ({"cwd": None}, "cwd", None),
    ],
)
def test_values_are_taken_as_the_command_line_has_them(
    options: dict[str, Any], field: str, value: object
) -> None:
    assert getattr(setup_from_options(["./loop", "1"], options), field) == value


def test_without_options_it_is_the_default() -> None:
    assert setup_from_options([Path("./loop")], {}) == RunSetup(argv=("loop",))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sed": 1}, "no option 'sed'"),
        ({"mode": "x"}, "option 'mode' is 'x', not one of \"auto\", "),
        ({"mode": 3}, "option 'mode' is 3, not one of"),
        ({"seed": "x"}, "option 'seed' is 'x', not a whole number, 0 or more"),
        ({"timeout": -1}, "option 'timeout' is -1, not a number of seconds greater than 0"),
        ({"max_memory": "much"}, "option 'max_memory' is 'much', not a number of bytes"),
        ({"env": ["A=1"]}, "option 'env' is ['A=1'], not a table of strings, or false"),
        ({"events": "p:w ./loop:work"}, "option 'events' is 'p:w ./loop:work', not a list"),
        ({"events": [3]}, "option 'events' is 3, not a string or a EventLine"),
        ({"clock": "x"}, "option 'clock' is 'x', not one of"),
        ({"strict": 1}, "option 'strict' is 1, not true or false"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        setup_from_options(["./loop"], options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("argv", ["./loop 1", ["./loop", 1]])
def test_the_arguments_are_a_list_of_strings(argv: Any) -> None:
    with pytest.raises(UsageError, match="option 'argv' is"):
        setup_from_options(argv, {})


def test_a_class_is_no_consumer_and_a_closed_session_does_not_run() -> None:
    import uprobe_core as up
    from tests.cli.command import LOOP

    session = up.Session([str(LOOP), "1"])
    with pytest.raises(UsageError, match="Count is a class, not a consumer"):
        session.probe(f"p:w {LOOP}:work", up.Count)
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        session.run()
