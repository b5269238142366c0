"""A whole hit on an architecture unlike arm64: 32-bit registers, instructions of two and four bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from uprobe_core.backend import ExitStatus
from uprobe_core.session import session as session_module
from uprobe_core.testing.fake_backend import FakeBackend, FakeMachine
from uprobe_core.testing.fake_memory import FakeFile
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import REGISTERS, Op, ToyArch, encode, short
from uprobe_core.types import FileId, MemoryFault

TEXT, STACK, BACK = 0x1000, 0x7000, 0x9010
ADD, LONG_ADD, LOAD = short(Op.ADD, 1), encode(Op.ADD, 0x100), short(Op.LOAD, 2)
CODE = (ADD, LONG_ADD, LOAD, short(Op.JUMP, 4), short(Op.NOP), short(Op.RET))
"""At TEXT + 0, 2, 6, 8, 10, 12; the jump skips the NOP."""


class Toy:
    """A program of one function, which each call enters with a0 = 7, a2 = the stack pointer."""

    def __init__(self, folder: Path, calls: int = 2) -> None:
        self.path = folder / "program"
        self.path.write_bytes(b"".join(CODE).ljust(4096, b"\0"))
        self.calls = calls
        self.task: FakeTask
        self.results: list[int] = []
        self.backend = FakeBackend(self._run, self._load)

    def _load(self, machine: FakeMachine) -> None:
        status = os.stat(self.path)
        file = FakeFile(str(self.path), self.path.read_bytes(), FileId(status.st_dev, status.st_ino))
        self.task = machine.start_process()
        self.task.space.map(file, TEXT)
        self.task.space.map(None, BACK - 0x10)
        self.task.space.map(None, STACK, writable=True, executable=False)
        self.task.sp = STACK + 0x100
        self._put(self.task.sp, 0xAAAA, 0xBBBB, 0xCCCC)
        self._put(STACK + 0x200, STACK + 0x300, BACK)
        self._put(STACK + 0x300, 0, BACK + 0x20)

    def _put(self, address: int, *words: int) -> None:
        for n, word in enumerate(words):
            self.task.space.poke(address + 4 * n, word.to_bytes(4, "little"))

    def _run(self, machine: FakeMachine) -> ExitStatus:
        for _ in range(self.calls):
            self.task.args[0], self.task.args[2] = 7, self.task.sp
            self.task.set_reg(REGISTERS.names["fp"], STACK + 0x200)
            self.task.call(TEXT, BACK)
            self.task.arrive(BACK)
            self.results.append(self.task.args[0])
        machine.exit(self.task)
        return ExitStatus()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """The program, which sessions open on the toy."""
    made = Toy(tmp_path)
    monkeypatch.setattr(session_module, "load_backend", lambda _name: made.backend)
    monkeypatch.setattr("uprobe_core.session.prepared.load_arch", lambda _name: ToyArch())
    return made


@pytest.fixture(params=["trap", "inline"])
def open_session(request: pytest.FixtureRequest, toy: Toy, tmp_path: Path) -> Callable[..., up.Session]:
    """Open a session in either mode."""

    def make(**options: Any) -> up.Session:
        out = str(tmp_path / "out")
        return up.Session([str(toy.path)], mode=request.param, output=out, **options)

    return make


def test_the_engine_is_the_one_that_calls_its_operations(
    open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPROBE_ENGINE", raising=False)
    with open_session() as session:
        assert session.engine.name == "py"
        assert "arch 'toy' has operations" in session.engine.reason


@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_every_kind_of_instruction_is_hit_and_done(toy: Toy, open_session: Any, returns: str) -> None:
    """Two short ones and a long one that are stepped, a jump and a return that are simulated."""
    with open_session(returns=returns) as session:
        counts = {at: session.probe(f"p:e{at} {toy.path}:{at:#x}", up.Count()) for at in (0, 2, 6, 8, 12)}
        skipped = session.probe(f"p:skipped {toy.path}:0xa", up.Count())
        ends = session.probe(f"r:r {toy.path}:0x0", up.Count())
        session.run()
    assert {at: count.result() for at, count in counts.items()} == dict.fromkeys(counts, 2)
    assert (skipped.result(), ends.result()) == (0, 2)
    assert toy.results == [7 + 1 + 0x100] * 2
    assert toy.task.delivered == []


def test_arguments_are_fetched_by_its_names_and_words(toy: Toy, open_session: Any) -> None:
    with open_session() as session:
        entry = session.probe(
            f"p:e {toy.path}:0x6 a=%a0 sp=%sp pc=%pc top=$stack s1=$stack1 d=+8(%a2) b=+1(%a2):u8 n=$arg3",
            up.Record(),
        )
        leave = session.probe(f"r:r {toy.path}:0x0 v=$retval:u32 was=$arg1:u32", up.Record())
        session.run()
    sp = STACK + 0x100
    wanted = {"a": 0x108, "sp": sp, "pc": TEXT + 6, "top": sp, "s1": 0xBBBB, "d": 0xCCCC, "b": 0xAA, "n": sp}
    assert entry.result() == [wanted] * 2
    assert leave.result() == [{"v": 0x108, "was": 7}] * 2


def test_a_consumer_asks_for_its_registers_by_name_or_number(toy: Toy, open_session: Any) -> None:
    seen = []

    class Looks:
        name = "looks"

        def handler(self, hit: up.Hit) -> None:
            seen.append((hit.reg("ra"), hit.reg(2), hit.reg("a0"), hit.sp, hit.registers.width))

    with open_session() as session:
        session.probe(f"p:e {toy.path}:0x0", Looks())
        session.run()
    assert seen == [(BACK, BACK, 7, STACK + 0x100, 4)] * 2


def test_its_stacks_are_walked_by_its_frame_records(toy: Toy, open_session: Any) -> None:
    """Each is two words of four bytes: the older record, the return address."""
    with open_session() as session:
        stacks = session.probe(f"p:e {toy.path}:0x6", up.Stacks())
        session.run()
    found = {tuple(map(int, stack)): count for stack, count in stacks.result().items()}
    assert found == {(TEXT + 6, BACK, BACK + 0x20): 2}


def test_an_unknown_register_is_answered_with_its_own(toy: Toy, open_session: Any) -> None:
    from uprobe_core.errors import SpecError

    with open_session() as session, pytest.raises(SpecError) as caught:
        session.probe(f"p:e {toy.path}:0x0 a=%x0", up.Count())
    assert caught.value.hint == "registers are %pc, %sp, %ra, %a0 to %a3, %s0 to %s4, %fp and %flags"


def test_a_short_load_that_faults_in_its_slot_is_the_programs_fault(
    toy: Toy, open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(machine: FakeMachine) -> ExitStatus:
        toy.task.args[2] = 0xDEAD_0000
        toy.task.call(TEXT + 6, BACK)
        toy.task.execute()
        machine.exit(toy.task)
        return ExitStatus()

    monkeypatch.setattr(toy, "backend", FakeBackend(run, toy._load))
    with open_session() as session:
        hits = session.probe(f"p:e {toy.path}:0x6", up.Count())
        session.run()
    assert hits.result() == 1
    assert toy.task.delivered == [("SIGSEGV", TEXT + 6, 0xDEAD_0000)]
    with pytest.raises(MemoryFault):
        toy.task.space.read(0xDEAD_0000, 4)
