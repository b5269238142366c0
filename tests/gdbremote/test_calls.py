"""System calls that a stub stops at: which side of a call it is, and calls that are made again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from uprobe_gdbremote.calls import CaughtCalls
from uprobe_gdbremote.stops import SIGTRAP, Stop

READ, WRITE, RESTART = 63, 64, 128
Side = tuple[str, int, int]


def told(*stops: Side) -> list[tuple[str, int | None]]:
    """Names of calls as they are made, and of those that are answered with the answer."""
    found: list[tuple[str, int | None]] = []
    watcher: Any = SimpleNamespace(
        called=lambda _task, name, _arguments: found.append((name, None)),
        answered=lambda _task, name, _arguments, result: found.append((name, result)),
    )
    client: Any = SimpleNamespace(has=lambda _: True, knows=lambda _: True)
    calls = CaughtCalls(client, [watcher], is_qemu=False)
    task: Any = Mock()
    for side, number, x0 in stops:
        registers = {0: x0 % (1 << 64), 7: int(side == "exit")}
        task.get_reg.side_effect = lambda index, known=registers: known.get(index, 0)
        # gdbserver may say "entry" of either
        calls.take(task, Stop("signal", SIGTRAP, reasons={"syscall_entry": b"%x" % number}))
    return found


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ([("exit", READ, 3)], []),
        ([("entry", READ, 5), ("exit", READ, -9)], [("read", None), ("read", -9)]),
        (
            [("entry", READ, 5), ("exit", READ, -512), ("entry", READ, 5), ("exit", READ, 3)],
            [("read", None), ("read", 3)],
        ),
        (
            [("entry", READ, 5), ("exit", READ, -516), ("entry", RESTART, 5), ("exit", RESTART, 3)],
            [("read", None), ("read", 3)],
        ),
        (
            [("entry", READ, 5), ("exit", READ, -514), ("entry", WRITE, 1), ("exit", WRITE, 2)],
            [("read", None), ("read", -514), ("write", None), ("write", 2)],
        ),
    ],
    ids=["under way", "made", "again", "restart_syscall", "interrupted"],
)
def test_calls_are_told_as_the_program_makes_them(stops: list[Side], expected: list[Any]) -> None:
    assert told(*stops) == expected
