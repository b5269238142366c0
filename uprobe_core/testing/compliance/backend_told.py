"""The part of the suite for backends that is about what a target asks to be told, and what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Backend, Process, Task
from uprobe_core.errors import BackendError
from uprobe_core.testing.compliance.backend_rig import REGISTERS, SIZE, BackendFixtures, Rig, needs
from uprobe_core.testing.tiny_elf import BASE, CALLS, READS, STRANGE_CALL, TEXT

__all__ = ("BackendTold",)


class _Listener:
    """A watcher of calls, samples and code.

    :ivar calls: the name of each call, then its name and its result
    :ivar samples: addresses, in order
    :ivar code: how often each instruction was executed, by address
    """

    every = 10

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.samples: list[int] = []
        self.code: Counter[int] = Counter()

    def called(self, task: Task, name: str, arguments: tuple[int, ...]) -> None:
        """Part of CallWatcher."""
        assert arguments[0] == task.get_reg(REGISTERS.arguments[0])
        self.calls.append((name,))

    def answered(self, _task: Task, name: str, _arguments: tuple[int, ...], result: int | None) -> None:
        """Part of CallWatcher."""
        self.calls.append((name, result))

    def sampled(self, _task: Task, _block: int, address: int) -> None:
        """Part of SampleWatcher."""
        self.samples.append(address)

    def executed(self, _process: Process, blocks: Sequence[tuple[int, int, int]]) -> None:
        """Part of CodeWatcher."""
        for start, size, times in blocks:
            for at in range(start, start + size, SIZE):
                self.code[at] += times


class BackendTold(BackendFixtures):
    """System calls, samples, executed code; and counts."""

    stands = (
        "uprobe_core.target (the watchers of a Target) and uprobe_core.backend"
        " (Machine.statistics), on one page in docs/contracts.md"
    )

    def test_system_calls_are_told_with_their_results(
        self, backend: Backend, rig: Any, tmp_path: Path
    ) -> None:
        needs(backend.capabilities.syscalls, "word of system calls")
        (tmp_path / "A").write_text("7")
        told = _Listener()
        made = _calls_told(rig, "A", cwd=str(tmp_path), on_syscall=told)
        made.run()
        (opens, opened, *others) = told.calls
        assert opens == ("openat",)
        assert opened[0] == "openat"
        assert opened[1] >= 3
        assert others[:3] == [("read",), ("read", 1), ("exit_group",)]

    def test_system_calls_that_are_told_are_counted(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.syscalls, "word of system calls")
        told = _Listener()
        made = _calls_told(rig, "none", on_syscall=told)
        assert made.run().code == 255
        assert told.calls[1] == ("openat", -2)  # ENOENT
        assert made.machine.statistics()["syscalls"] == 2  # openat, exit_group

    def test_a_system_call_that_is_not_there_is_refused_and_counted(self, backend: Backend, rig: Any) -> None:
        """By a backend that makes calls itself; a kernel knows what it has."""
        made = rig(STRANGE_CALL)
        assert made.run().code == 38
        needs(backend.capabilities.confined, "system calls of its own")
        assert made.machine.statistics()["unknown-syscalls"] == 1

    def test_every_so_many_th_instruction_is_told(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.samples, "samples")
        told = _Listener()
        assert rig(CALLS, on_sample=told).run().code == 150
        ran = _executed()
        assert told.samples == [ran[n] for n in range(told.every - 1, len(ran), told.every)]

    def test_executed_code_is_told_with_how_often(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.code, "word of executed code")
        told = _Listener()
        assert rig(CALLS, on_code=told).run().code == 150
        assert told.code == Counter(_executed())


def _calls_told(rig: Any, *arguments: str, **target: Any) -> Rig:
    """READS with what is told of system calls; skips the test where this target cannot tell of them."""
    try:
        made: Rig = rig(READS, *arguments, **target)
    except BackendError as error:
        pytest.skip(str(error))
    return made


def _executed() -> list[int]:
    """Where the instructions of CALLS lie, in the order of their execution."""
    first, loop, call, end = (CALLS.labels[each] for each in ("_start", "loop", "back", "svc"))
    work, ret = CALLS.labels["work"], CALLS.labels["ret"]
    once = [*range(loop, call), work, ret, *range(call, end - 2)]
    return [BASE + TEXT + SIZE * n for n in (*range(first, loop), *once * 5, *range(end - 2, end + 1))]
