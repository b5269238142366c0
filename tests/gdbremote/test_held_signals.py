"""Signals that wait until an instruction is done: one of each kind, and not for ever."""

from __future__ import annotations

import time
from typing import Any

import pytest
from uprobe_gdbremote.channel import PATIENCE
from uprobe_gdbremote.task import RemoteTask

from uprobe_core.errors import BackendError

SIGUSR1, SIGALRM, SIGRTMIN = 10, 14, 34


@pytest.fixture
def task() -> RemoteTask:
    """A thread of no program."""
    parts: Any = type("Parts", (), dict.fromkeys(("get", "set", "vector", "set_vector")))
    return RemoteTask(parts, b"p1.1", 1, parts, lambda: 0)


def test_a_signal_that_does_not_queue_waits_once(task: RemoteTask) -> None:
    """signal(7): of a standard signal one instance is pending, of a real-time one all are."""
    for signal in (SIGALRM, SIGRTMIN, SIGUSR1, SIGALRM, SIGRTMIN):
        task.hold(signal)
    assert list(task.held) == [SIGALRM, SIGRTMIN, SIGUSR1, SIGRTMIN]


def test_one_that_lets_no_instruction_be_done_is_an_error(
    task: RemoteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.hold(SIGALRM)
    later = time.monotonic() + PATIENCE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(BackendError, match="signal 14 comes again before thread 1 has done one instruction"):
        task.hold(SIGALRM)
    task.held_since = 0.0  # an instruction was done
    task.hold(SIGALRM)
