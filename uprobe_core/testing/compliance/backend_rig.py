"""What the suite for backends stands on: a backend with a tiny program, and fixtures that open them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Backend, ExitStatus, Machine, Process, Target, Task
from uprobe_core.testing.compliance.backend_handler import ScriptedHandler
from uprobe_core.testing.compliance.manners import Manners
from uprobe_core.testing.tiny_elf import ARCH, CALLS, TinyProgram
from uprobe_core.types import FileId, Mode, TrapResult

__all__ = (
    "ADD",
    "BACK",
    "CALL",
    "FIRST",
    "PC",
    "REGISTERS",
    "SECOND",
    "SIZE",
    "SWBP",
    "WORK",
    "BackendFixtures",
    "Hitting",
    "Rig",
    "Slots",
    "multiply",
    "needs",
)

REGISTERS = ARCH.registers
PC = REGISTERS.pc
FIRST, SECOND = REGISTERS.arguments[:2]
"""The argument registers that the programs use; the first is the result's as well."""
SWBP = ARCH.breakpoint
SIZE = ARCH.alignment
"""Bytes of an instruction."""
WORK, BACK, CALL, ADD = (CALLS.address(label) for label in ("work", "back", "call", "add"))


class Rig:
    """A backend with one program opened; the target's sysroot, if it says one, holds *folder*.

    :param name: what the program's file is called
    :param target: what else the target says
    :ivar name: the guest's path of the program
    """

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        program: TinyProgram,
        *arguments: str,
        name: str = "program",
        **target: Any,
    ) -> None:
        self.program = program
        self.path = folder / name
        self.path.write_bytes(program.elf())
        self.path.chmod(0o755)
        self.handler = ScriptedHandler()
        told = {"env": {}, "cwd": str(folder), **target}
        self.name = os.path.join("/", self.path.relative_to(told.get("sysroot", "/")))
        self.machine: Machine = backend.open(Target(argv=[self.name, *arguments], **told), self.handler)

    @property
    def file(self) -> FileId:
        """What the host calls the program's file."""
        status = self.path.stat()
        return FileId(status.st_dev, status.st_ino)

    @property
    def process(self) -> Process:
        """The only process."""
        task = self.machine.current
        assert task is not None
        return task.process

    def word(self, address: int) -> bytes:
        """The instruction at *address* as the guest's data view has it."""
        return self.process.read(address, SIZE)

    def run(self) -> ExitStatus:
        """Run to the end."""
        return self.machine.run()


def multiply(task: Task, address: int) -> TrapResult:
    """Do what ``work`` begins with, by hand."""
    task.set_reg(FIRST, task.get_reg(FIRST) * task.get_reg(SECOND))
    task.set_reg(PC, address + SIZE)
    return TrapResult.HANDLED


class Slots:
    """Steps every trapped instruction in the first slot of the area.

    :param original: the displaced instruction of an address
    :param mend: what to do with the task when a step faulted, which is then resumed without the fault
    :ivar went: how far each step went, in bytes
    """

    def __init__(
        self, rig: Rig, original: Callable[[int], bytes], mend: Callable[[Task], None] | None = None
    ) -> None:
        self._rig = rig
        self._original = original
        self._mend = mend
        self._vaddr = self._slot = 0
        self.went: list[int] = []
        self.stepped: list[int] = []
        self.faults: list[Any] = []
        rig.handler.on |= {"trap": self.begin, "step": self.end, "fault": self.fault}

    def begin(self, task: Task, address: int) -> TrapResult:
        """At the trap: to the slot."""
        base, size, stride = task.process.create_xol_area(SWBP)
        slot = base + ARCH.slot_bytes
        assert size >= ARCH.slot_bytes + stride
        insn = self._original(address)
        if task.process.read(slot, len(insn)) != insn:
            task.process.write_slot(slot, insn)
            task.process.flush(slot, len(insn))
        self._vaddr, self._slot = address, slot
        self.stepped.append(address)
        task.set_reg(PC, slot)
        task.single_step(True)
        return TrapResult.HANDLED

    def end(self, task: Task) -> None:
        """The step is done."""
        self.went.append(task.get_reg(PC) - self._slot)
        task.set_reg(PC, self._vaddr + SIZE)

    def fault(self, task: Task, fault: Any) -> Any:
        """The step faulted: back to the place, mended or with the fault."""
        self.faults.append(fault)
        task.set_reg(PC, self._vaddr)
        if self._mend is None:
            return fault
        self._mend(task)
        return None


class Hitting:
    """Programs whose ``work`` (a multiplication) is probed, whatever the mode.

    :param rig: the fixture
    """

    def __init__(self, rig: Any, mode: Mode) -> None:
        self._rig, self.mode = rig, mode
        self.hits: list[tuple[Task, int]] = []

    def open(
        self,
        program: TinyProgram,
        act: Callable[[Task, int], None] = lambda _task, _address: None,
        *arguments: str,
        label: str = "work",
        **target: Any,
    ) -> Rig:
        """Open *program* with a probe at *label*, of which *act* is told; then the instruction is done."""
        made: Rig = self._rig(program, *arguments, **target)
        follow = multiply if program.code(label) == CALLS.code("work") else _pass_over
        made.handler.on |= {"trap": partial(self._trap, act, follow), "inline": partial(self._note, act)}
        self.place(made.process, program.address(label))
        return made

    def place(self, process: Process, address: int) -> None:
        """Put another probe at *address*."""
        if self.mode is Mode.TRAP:
            process.insert_trap(address, SWBP, visible=False)
        else:
            process.insert_inline(address)

    def remove(self, process: Process, address: int) -> None:
        """Take it out again."""
        (process.remove_trap if self.mode is Mode.TRAP else process.remove_inline)(address)

    def _note(self, act: Callable[[Task, int], None], task: Task, address: int) -> None:
        self.hits.append((task, address))
        act(task, address)

    def _trap(
        self,
        act: Callable[[Task, int], None],
        follow: Callable[[Task, int], TrapResult],
        task: Task,
        address: int,
    ) -> TrapResult:
        self._note(act, task, address)
        moved = task.get_reg(PC) != address
        return TrapResult.HANDLED if moved else follow(task, address)


def _pass_over(task: Task, address: int) -> TrapResult:
    """Do what ``nop`` does."""
    task.set_reg(PC, address + SIZE)
    return TrapResult.HANDLED


def needs(has: bool, what: str) -> None:
    """Skip the test if the backend does not claim to have *what*."""
    if not has:
        pytest.skip(f"the backend has no {what}")


class BackendFixtures(Manners):
    """The fixtures of every part of the suite; ``backend`` is to be overridden."""

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test."""
        raise NotImplementedError("override the fixture 'backend'")

    @pytest.fixture
    def rig(self, backend: Backend, tmp_path: Path) -> Any:
        """Open a program: ``rig(CALLS)``; its arguments and what else the target says may follow."""
        made: list[Rig] = []

        def make(program: TinyProgram, *arguments: str, **target: Any) -> Rig:
            folder = tmp_path / f"rig{len(made)}"
            folder.mkdir()
            made.append(Rig(backend, folder, program, *arguments, **target))
            return made[-1]

        yield make
        for each in made:
            each.machine.close()

    @pytest.fixture
    def trapping(self, backend: Backend, rig: Any) -> Rig:
        """CALLS with a breakpoint at ``work``."""
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made: Rig = rig(CALLS)
        made.process.insert_trap(WORK, SWBP, visible=False)
        return made

    @pytest.fixture(params=["trap", "inline"])
    def hitting(self, request: pytest.FixtureRequest, backend: Backend, rig: Any) -> Hitting:
        """CALLS or another program with a probe of each mode."""
        mode = Mode(request.param)
        needs(mode in backend.capabilities.modes, f"mode {mode.value}")
        return Hitting(rig, mode)

    @pytest.fixture
    def inlining(self, backend: Backend, rig: Any) -> Rig:
        """CALLS with an inline probe at ``work``."""
        needs(Mode.INLINE in backend.capabilities.modes, "mode inline")
        made: Rig = rig(CALLS)
        made.process.insert_inline(WORK)
        return made
