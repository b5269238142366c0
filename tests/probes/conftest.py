"""A machine without a CPU, and the core on top of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from uprobe_core.backend import Process
from uprobe_core.consumer import Hit, ReturnHit
from uprobe_core.errors import ProbeError
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.probes.dispatch import Dispatcher
from uprobe_core.probes.registry import Link, Uprobe, UprobeRegistry
from uprobe_core.testing.fake_backend import FakeMachine
from uprobe_core.testing.fake_memory import FakeFile
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import ToyArch
from uprobe_core.types import HandlerVote, Mode, Policy, Returns, UtaskState


class Recorder:
    """A consumer that writes down its hits.

    :param vote: what its handler returns
    :param act: called with each entry hit
    :param wanted: its filter's answer, by process
    """

    def __init__(
        self,
        name: str = "recorder",
        log: list[Any] | None = None,
        *,
        vote: Any = None,
        act: Callable[[Hit], None] | None = None,
        wanted: Callable[[Process], bool] | None = None,
    ) -> None:
        self.name = name
        self.log: list[Any] = [] if log is None else log
        self.vote = vote
        self.act = act
        if wanted is not None:
            self.filter = wanted

    def handler(self, hit: Hit) -> HandlerVote | None:
        self.log.append((self.name, hit.address))
        if self.act is not None:
            self.act(hit)
        vote: HandlerVote | None = self.vote
        return vote


class Session(Recorder):
    """A consumer with both handlers; its cookie is a running number."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = 0
        self.returned: list[tuple[int, int, Any]] = []
        self.lost: list[tuple[int, str]] = []

    def handler(self, hit: Hit) -> HandlerVote | None:
        self.entries += 1
        hit.cookie = self.entries
        return super().handler(hit)

    def ret_handler(self, hit: ReturnHit) -> None:
        self.log.append((self.name, "return", hit.function))
        self.returned.append((hit.function, hit.return_address, hit.cookie))

    def missed(self, function: int, reason: str) -> None:
        self.lost.append((function, reason))


class ReturnOnly:
    """A consumer without an entry handler."""

    name = "return-only"

    def __init__(self) -> None:
        self.returned: list[int] = []

    def ret_handler(self, hit: ReturnHit) -> None:
        self.returned.append(hit.function)


class World:
    """Registry, dispatcher and machine, wired as a session wires them."""

    recorder = Recorder
    session = Session
    return_only = ReturnOnly

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        mode: Mode = Mode.TRAP,
        returns: Returns = Returns.HIJACK,
        xol_slots: int = 64,
        wrappers: tuple[object, ...] = (),
    ) -> None:
        policy = policy or Policy("anywhere")
        self.refused: list[tuple[Uprobe, ProbeError]] = []
        self.errors: list[tuple[Link, Exception]] = []
        self.arch = bind_arch(ToyArch(), wrappers)
        self.registry = UprobeRegistry(
            self.arch,
            policy,
            mode,
            inline_available=True,
            refused=lambda uprobe, error: self.refused.append((uprobe, error)),
        )
        self.dispatcher = Dispatcher(
            self.arch,
            policy,
            self.registry,
            returns,
            on_error=lambda link, error: self.errors.append((link, error)),
        )
        self.machine = FakeMachine(self.dispatcher, xol_slots=xol_slots)

    def program(self, *words: bytes, at: int = 0x1000) -> tuple[FakeTask, FakeFile]:
        """A process with *words* mapped at *at*, and its first task, which is there."""
        file = self.machine.add_file(f"/bin/prog{len(self.machine.files)}", list(words))
        task = self.machine.start_process()
        task.space.map(file, at)
        task.pc = at
        task.sp = 0x8000
        return task, file

    def probe(self, file: FakeFile, offset: int, consumer: Any, *, ref: int = 0) -> Uprobe:
        """Register *consumer* at *offset* of *file*."""
        return self.registry.register(file.id, offset, consumer, ref_offset=ref, path=file.path)

    def state(self, task: FakeTask) -> UtaskState:
        """The state of the task's utask."""
        return self.dispatcher.utask(task).state

    def free_slots(self, task: FakeTask) -> int:
        """How many slots of the task's process are free."""
        xol = self.registry.spaces[task.process].xol
        assert xol is not None
        return len(xol._free) + sum(map(len, xol._holding.values()))


@pytest.fixture
def make_world() -> type[World]:
    """The class, for tests that choose policy, mode, returns or the number of slots."""
    return World


@pytest.fixture
def world() -> World:
    """Policy anywhere, mode trap, returns hijack."""
    return World()
