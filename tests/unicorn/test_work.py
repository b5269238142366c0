"""Executed instructions are counted exactly, and slices end where the program's instructions say.

Every count is known by construction; the four ways of counting have to agree on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from uprobe_linux.cpu import Event
from uprobe_unicorn import meter
from uprobe_unicorn.cpu import UnicornCpu
from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

from tests.unicorn.cpu_bench import CODE, DATA, END, NOP, RET, RX, SVC, Bench, bench

LDR_X0_X1, STR_X0_X1, ADD_X2_1, SUBS_X0_1 = 0xF9400020, 0xF9000020, 0x91000442, 0xF1000400
B_NE_BACK_2, BR_X1, DC_ZVA_X1, UDF, BRK = 0x54FFFFC1, 0xD61F0020, 0xD50B7421, 0, 0xD42000A0
LDXR_X0_X1, ISB = 0xC85F7C20, 0xD5033FDF


@pytest.fixture(params=["machine-code", "callback", "shortcuts", "block-hook"])
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One CPU for each way of counting: two of Python's, two in C."""
    native = request.param in ("shortcuts", "block-hook")
    if native and native_refusal():
        pytest.skip(native_refusal())
    if request.param == "callback":
        monkeypatch.setattr(meter, "_CODE", {})
    if request.param == "block-hook":
        monkeypatch.setenv("UPROBE_DISABLE_SHORTCUTS", "1")
    with bench(NativeCpu if native else UnicornCpu) as made:
        if request.param == "shortcuts" and made.cpu.glue.no_shortcuts:  # type: ignore[attr-defined]
            pytest.skip(made.cpu.glue.no_shortcuts)  # type: ignore[attr-defined]
        yield made


@pytest.mark.parametrize(
    ("words", "event", "executed"),
    [
        ((NOP, NOP, SVC), Event.SYSCALL, 3),
        ((SVC,), Event.SYSCALL, 1),
        ((NOP, BRK), Event.BREAK, 1),
        ((NOP, NOP, UDF), Event.UNDEFINED, 2),
        ((NOP, 0xD4000003, NOP), Event.UNDEFINED, 1),
        ((NOP, 0xD5380000, NOP), Event.UNDEFINED, 1),
        ((NOP, LDR_X0_X1, NOP, SVC), Event.FAULT, 1),
        ((STR_X0_X1, NOP, SVC), Event.FAULT, 0),
        ((NOP, NOP, DC_ZVA_X1, NOP, SVC), Event.FAULT, 2),
        ((NOP, BR_X1), Event.FAULT, 2),
        ((NOP, ISB, NOP, LDR_X0_X1), Event.FAULT, 3),
    ],
)  # fmt: skip
def test_all_before_pc_are_counted_and_no_more(
    cpu: Bench, words: tuple[int, ...], event: Event, executed: int
) -> None:
    assert cpu.run(*words, x1=END) is event
    assert cpu.cpu.executed == executed


def test_misaligned_exclusive_is_not_counted(cpu: Bench) -> None:
    assert cpu.run(NOP, LDXR_X0_X1, NOP, SVC, x1=DATA + 1) is Event.ALIGN
    assert cpu.cpu.executed == 1


def test_what_faulted_is_counted_once_when_it_is_done_again(cpu: Bench) -> None:
    assert cpu.run(NOP, LDR_X0_X1, NOP, SVC, x1=END) is Event.FAULT
    cpu.cpu.set_reg(1, DATA)
    assert cpu.cpu.run() is Event.SYSCALL
    assert cpu.cpu.executed == 4


@pytest.mark.parametrize("count", [126, 127, 128, 129, 512, 513, 1200, 70_000])
def test_straight_code_of_any_length(cpu: Bench, count: int) -> None:
    at = CODE + 0x100000
    cpu.memory.map(at, -(-4 * (count + 2) // 4096) * 4096, RX)
    cpu.load(*[NOP] * count, SVC, at=at)
    for _ in range(3):
        before = cpu.cpu.executed
        cpu.cpu.set_reg(32, at)
        assert cpu.cpu.run() is Event.SYSCALL
        assert cpu.cpu.executed - before == count + 1


def test_fault_in_straight_code_that_was_entered_in_two_places(cpu: Bench) -> None:
    """Blocks that overlap and end in different places: which one was left matters."""
    at = CODE + 0x100000
    cpu.memory.map(at, 0x3000, RX)
    cpu.load(*[NOP] * 600, LDR_X0_X1, *[NOP] * 300, SVC, at=at)
    for start in (0, 4, 400, 599, 600, 0):
        before = cpu.cpu.executed
        cpu.cpu.set_reg(1, END)
        cpu.cpu.set_reg(32, at + 4 * start)
        assert cpu.cpu.run() is Event.FAULT
        assert cpu.cpu.executed - before == 600 - start


def test_loop_of_millions(cpu: Bench) -> None:
    assert cpu.run(ADD_X2_1, SUBS_X0_1, B_NE_BACK_2, SVC, x0=1_000_000) is Event.SYSCALL
    assert cpu.cpu.executed == 3_000_001


def test_hook_sees_what_was_executed_before_it(cpu: Bench) -> None:
    seen: list[int] = []
    cpu.load(ADD_X2_1, SUBS_X0_1, B_NE_BACK_2, SVC)
    cpu.cpu.set_reg(0, 3)
    cpu.cpu.set_inline(lambda _address: seen.append(cpu.cpu.executed) or False)  # type: ignore[func-returns-value]
    cpu.cpu.add_hook(CODE + 4)
    assert cpu.cpu.run() is Event.SYSCALL
    assert seen == [1, 4, 7]
    assert cpu.cpu.executed == 10


def test_hook_that_stops_counts_nothing_twice(cpu: Bench) -> None:
    cpu.load(ADD_X2_1, SUBS_X0_1, B_NE_BACK_2, SVC)
    cpu.cpu.set_reg(0, 3)
    cpu.cpu.set_inline(lambda _address: True)
    cpu.cpu.add_hook(CODE + 4)
    counts = []
    while cpu.cpu.run() is Event.HOOK:
        counts.append(cpu.cpu.executed)
        cpu.cpu.skip_hook = cpu.cpu.hook_address
    assert counts == [1, 4, 7]
    assert cpu.cpu.executed == 10


def test_what_others_executed_is_added(cpu: Bench) -> None:
    cpu.run(NOP, SVC)
    cpu.cpu.retire(5)
    cpu.run(NOP, SVC)
    assert cpu.cpu.executed == 9


@pytest.mark.parametrize("hooked", [(), (4,), (0, 4, 8)], ids=["plain", "one hook", "three hooks"])
@pytest.mark.parametrize("budget", [-1, 1, 2, 3, 10, 1000, 100_000])
def test_slice_ends_behind_the_first_branch_after_its_budget(
    cpu: Bench, budget: int, hooked: tuple[int, ...]
) -> None:
    """A loop of three instructions, the last a branch: slices end after the next multiple of three."""
    cpu.load(ADD_X2_1, SUBS_X0_1, B_NE_BACK_2, SVC)
    cpu.cpu.set_reg(0, 500_000)
    cpu.cpu.set_inline(lambda _address: False)
    for offset in hooked:
        cpu.cpu.add_hook(CODE + offset)
    expected = (max(budget, 0) // 3 + 1) * 3
    for number in range(1, 5):
        assert cpu.cpu.run(budget) is Event.SLICE
        assert cpu.cpu.executed == number * expected
        assert cpu.cpu.get_reg(32) == CODE


def test_slice_goes_on_over_what_is_no_branch(cpu: Bench) -> None:
    """Pages, barriers and the length of a block end none."""
    at = CODE + 0x100000
    cpu.memory.map(at, 0x3000, RX)
    cpu.load(*[NOP] * 700, ISB, *[NOP] * 800, RET, at=at)
    cpu.cpu.set_reg(30, CODE)
    cpu.load(NOP, SVC)
    cpu.cpu.set_reg(32, at)
    assert cpu.cpu.run(10) is Event.SLICE
    assert (cpu.cpu.executed, cpu.cpu.get_reg(32)) == (1502, CODE)
    assert cpu.cpu.run(10) is Event.SYSCALL
    assert cpu.cpu.executed == 1504
