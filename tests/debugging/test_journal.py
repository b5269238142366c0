"""Which system calls a run may make once more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from uprobe_core.debugging.journal import Journal

MAIN, OTHER, CHILD = 1000, 1002, 1001
TASK: Any = SimpleNamespace(
    tid=MAIN, process=SimpleNamespace(pid=MAIN, tasks=[SimpleNamespace(tid=MAIN), SimpleNamespace(tid=OTHER)])
)


@pytest.mark.parametrize("name", ["clone", "clone3"])
def test_a_thread_is_started_again_and_a_process_is_not(name: str) -> None:
    forked: list[int] = []
    journal = Journal(input_repeats=True)
    journal.forked = forked.append
    journal.answered(TASK, name, (0x7FFF_0000, 88), OTHER)
    assert (journal.once, forked) == ([], [])
    journal.answered(TASK, name, (0x7FFF_0000, 88), CHILD)
    assert (journal.once, forked) == ([(0, name)], [CHILD])


def test_a_call_that_has_failed_did_nothing() -> None:
    journal = Journal(input_repeats=True)
    journal.answered(TASK, "unlinkat", (0, 0, 0), -2)
    assert journal.once == []
