"""Shortcuts through translated code change nothing but the time: what changed is seen, stops are exact."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from uprobe_linux.cpu import Event
from uprobe_unicorn import library as uc
from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

from tests.unicorn.cpu_bench import CODE, DATA, RET, RX, SVC, Bench, bench

MORE = CODE + 0x10000
BLR_X5, BR_X5 = 0xD63F00A0, 0xD61F00A0
ADD_X0_1, ADD_X0_16 = 0x91000400, 0x91004000
SUBS_X1_1, B_NE_BACK_2 = 0xF1000421, 0x54FFFFC1
LOOP = (BLR_X5, SUBS_X1_1, B_NE_BACK_2, SVC)
"""Calls what x5 points to x1 times."""


@pytest.fixture
def cpu() -> Iterator[Bench]:
    if native_refusal():
        pytest.skip(native_refusal())
    with bench(NativeCpu) as made:
        if made.cpu.glue.no_shortcuts:  # type: ignore[attr-defined]
            pytest.skip(made.cpu.glue.no_shortcuts)  # type: ignore[attr-defined]
        made.memory.map(MORE, 0x1000, RX)
        yield made


def calls(cpu: Bench, count: int) -> int:
    """x0 after *count* calls of the function at MORE."""
    assert cpu.run(*LOOP, x0=0, x1=count, x5=MORE) is Event.SYSCALL
    return cpu.cpu.get_reg(0)


def test_function_that_was_rewritten_is_called_as_it_is_now(cpu: Bench) -> None:
    cpu.load(ADD_X0_1, RET, at=MORE)
    assert calls(cpu, 1000) == 1000
    cpu.load(ADD_X0_16, RET, at=MORE)
    assert calls(cpu, 1000) == 16000


def test_function_that_another_mapping_brought_is_the_one_that_is_called(cpu: Bench) -> None:
    cpu.load(ADD_X0_1, RET, at=MORE)
    assert calls(cpu, 1000) == 1000
    cpu.memory.unmap(MORE, 0x1000)
    cpu.memory.map(MORE, 0x1000, RX)
    cpu.load(ADD_X0_16, RET, at=MORE)
    assert calls(cpu, 1000) == 16000


def test_call_of_a_function_that_is_gone_faults_at_its_address(cpu: Bench) -> None:
    cpu.load(ADD_X0_1, RET, at=MORE)
    assert calls(cpu, 1000) == 1000
    cpu.memory.unmap(MORE, 0x1000)
    assert cpu.run(*LOOP, x0=0, x1=1, x5=MORE) is Event.FAULT
    assert (cpu.cpu.get_reg(32), cpu.cpu.fault_address) == (MORE, MORE)


def test_code_that_is_forgotten_everywhere_is_translated_again(cpu: Bench) -> None:
    cpu.load(ADD_X0_1, RET, at=MORE)
    assert calls(cpu, 1000) == 1000
    cpu.cpu._ctl(uc.CTL_TB_FLUSH)
    before = cpu.cpu.executed
    assert calls(cpu, 1000) == 1000
    assert cpu.cpu.executed - before == 5001


def test_same_code_reached_by_a_call_a_jump_and_a_branch_is_the_same(cpu: Bench) -> None:
    """BLR, BR and B differ in BTYPE, which is part of a block's identity."""
    cpu.load(ADD_X0_1, SVC, at=MORE)
    for first in (BLR_X5, BR_X5, 0x14000000 | (MORE - CODE) >> 2):
        for _ in range(3):
            assert cpu.run(first, x0=0, x5=MORE) is Event.SYSCALL
            assert (cpu.cpu.get_reg(0), cpu.cpu.get_reg(32)) == (1, MORE + 8)


def test_store_to_a_page_that_is_read_only_does_not_run_on(cpu: Bench) -> None:
    """Nothing behind the store is executed, although no check follows it."""
    store, add = 0xF90000A0, ADD_X0_1
    assert cpu.run(add, store, add, add, SVC, x0=0, x5=CODE) is Event.FAULT
    assert (cpu.cpu.get_reg(0), cpu.cpu.get_reg(32)) == (1, CODE + 4)


def test_stop_from_another_thread_repeats_nothing(cpu: Bench) -> None:
    """ldadd x2, x3, [x1]; add x0, x0, #1; b back: stopped anywhere, memory and register agree."""
    cpu.load(0xF8220023, ADD_X0_1, 0x17FFFFFE)
    for register, value in ((0, 0), (1, DATA), (2, 1)):
        cpu.cpu.set_reg(register, value)
    for _ in range(200):
        timer = threading.Timer(0.0005, lambda: cpu.cpu.request_stop(final=True))
        timer.start()
        assert cpu.cpu.run() is Event.STOP
        timer.join()
        done = int.from_bytes(cpu.memory.read(DATA, 8), "little")
        assert done - cpu.cpu.get_reg(0) == (cpu.cpu.get_reg(32) - CODE) // 4 % 2
    assert cpu.cpu.get_reg(0) > 0
