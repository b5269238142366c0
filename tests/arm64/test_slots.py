"""Slots and translations: what a slot held before, and code that changes, must not be executed again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from uprobe_arm64 import Arm64Arch

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.backend import Process
from uprobe_core.discovery.load import load_backend
from uprobe_core.probes.xol import XolArea
from uprobe_core.testing.conformance_bench import Bench
from uprobe_core.testing.conformance_driver import Ending
from uprobe_core.testing.conformance_program import LAYOUT, TEXT_OFFSET
from uprobe_core.testing.conformance_state import SIZE, register
from uprobe_core.types import Mode

START = LAYOUT.cases[0]
ADD, SUB, STOP = 0x91000400, 0xD1000400, 0xD4202000  # add x0, x0, #1; sub x0, x0, #1; brk #0x100


class ForgetfulArch(Arm64Arch):
    """Does not make the backend forget what it translated from a slot."""

    @hookimpl
    def xol_flush(self, process: Process, slot: int) -> bool:
        return True


class Program:
    """Instructions at START on a bench, run from x0 = 100 and x1 pointing to data."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.hits: list[int] = []
        self.uprobes: list[Any] = []

    def handler(self, hit: Any) -> None:
        self.hits.append(hit.task.get_reg(32) - START)

    def write(self, *words: int, at: int = 0) -> None:
        code = b"".join(word.to_bytes(4, "little") for word in words)
        self.bench.driver.process.poke(START + at, code)

    def probe(self, *offsets: int, mode: Mode = Mode.TRAP) -> None:
        self.bench.registry.mode = mode
        file = next(m.file for m in self.bench.driver.process.mappings() if m.start == LAYOUT.text[0])
        assert file is not None
        first = TEXT_OFFSET + START - LAYOUT.text[0]
        self.uprobes += [self.bench.registry.register(file, first + offset, self) for offset in offsets]

    def unprobe(self) -> None:
        for uprobe in self.uprobes:
            self.bench.registry.unregister(uprobe, self)
        self.uprobes.clear()

    def run(self) -> int:
        """x0 at the stop; fails if the program ends in another way."""
        self.hits.clear()
        state = bytearray(SIZE)
        for index, value in ((0, 100), (1, LAYOUT.data[0]), (32, START)):
            state[8 * index : 8 * index + 8] = value.to_bytes(8, "little")
        self.bench.driver.load(bytes(state))
        ending = self.bench.driver.run()
        assert ending.what == "breakpoint", ending
        self.ending: Ending = ending
        return register(self.bench.driver.save(), 0)

    def only_slots(self, count: int) -> None:
        """Shrink the XOL area to *count* slots, so that instructions have to share them."""
        process = self.bench.driver.process
        address, _, stride = process.create_xol_area(self.bench.registry.arch.info.breakpoint)
        self.bench.registry.space_of(process).xol = XolArea(address, 4 + count * stride, 4, stride)


def open_program(arch: Arm64Arch) -> Program:
    pytest.importorskip("unicorn", reason="the harness runs on the default backend")
    return Program(Bench(load_backend("unicorn"), arch))


@pytest.fixture
def program() -> Iterator[Program]:
    """A program on a machine of its own."""
    made = open_program(Arm64Arch())
    yield made
    made.bench.close()


def run_in_one_slot(program: Program) -> int:
    """add, sub, sub, add, sub: each runs in the slot that another one left."""
    program.only_slots(1)
    program.write(ADD, SUB, SUB, ADD, SUB, STOP)
    program.probe(0, 4, 8, 12, 16)
    return program.run()


def test_different_instructions_share_a_slot_one_after_the_other(program: Program) -> None:
    assert run_in_one_slot(program) == 99
    assert program.hits == [0, 4, 8, 12, 16]


def test_without_the_flush_the_slot_would_run_what_it_held_before() -> None:
    program = open_program(ForgetfulArch())
    try:
        assert run_in_one_slot(program) != 99
    finally:
        program.bench.close()


def test_an_instruction_in_a_loop_keeps_its_slot(program: Program) -> None:
    program.only_slots(1)
    # add x0, x0, #1; cmp x0, #110; b.ne .-8
    program.write(ADD, 0xF101B81F, 0x54FFFFC1, STOP)
    program.probe(0)
    assert program.run() == 110
    assert program.hits == [0] * 10


@pytest.mark.parametrize("mode", [Mode.TRAP, Mode.INLINE], ids=["trap", "inline"])
def test_probed_code_that_is_rewritten_does_what_it_now_says(program: Program, mode: Mode) -> None:
    program.write(ADD, STOP)
    program.probe(0, mode=mode)
    assert program.run() == 101
    program.write(SUB)
    assert (program.run(), program.hits) == (99, [0])
    program.write(0x14000003)  # b .+12: simulated, where a step was before
    program.write(STOP, at=12)
    assert (program.run(), program.hits) == (100, [0])
    assert program.ending.pc == START + 12


@pytest.mark.parametrize("mode", [Mode.TRAP, Mode.INLINE], ids=["trap", "inline"])
def test_a_probe_comes_and_goes_while_the_code_is_hot(program: Program, mode: Mode) -> None:
    program.write(ADD, 0xF101B81F, 0x54FFFFC1, STOP)  # as above: ten rounds
    for _ in range(3):
        assert (program.run(), len(program.hits)) == (110, 0)
        program.probe(0, 8, mode=mode)
        assert (program.run(), len(program.hits)) == (110, 20)
        program.unprobe()


@pytest.mark.parametrize("mode", [Mode.TRAP, Mode.INLINE], ids=["trap", "inline"])
def test_an_exclusive_sequence_makes_progress_with_every_instruction_probed(
    program: Program, mode: Mode
) -> None:
    # ldxr x0, [x1]; add x0, x0, #1; stxr w2, x0, [x1]; cbnz w2, .-12
    program.write(0xC85F7C20, ADD, 0xC8027C20, 0x35FFFFA2, STOP)
    program.probe(0, 4, 8, 12, mode=mode)
    before = int.from_bytes(program.bench.driver.process.read(LAYOUT.data[0], 8), "little")
    assert program.run() == before + 1
    assert program.hits == [0, 4, 8, 12]
    assert program.bench.driver.process.read(LAYOUT.data[0], 8) == (before + 1).to_bytes(8, "little")


def test_a_simulated_instruction_takes_no_slot(program: Program) -> None:
    program.only_slots(0)
    program.write(0x14000002, STOP, STOP)  # b .+8
    program.probe(0)
    assert program.run() == 100
    assert program.ending.pc == START + 8
