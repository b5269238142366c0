"""Stores to a page that is kept from the CPU: it makes in C what the emulator would."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from uprobe_linux.cpu import PAGE, Event, Perm
from uprobe_linux.pausing.plain_stores import plain_store

from tests.unicorn.cpu_bench import CODE, DATA, SVC, Bench, bench
from tests.unicorn.test_plain_stores import AREA, SIZE, SPACES, begin, seen

pytest.importorskip("uprobe_unicorn.native._glue", reason="the native glue is not built")
from uprobe_unicorn.native.cpu import NativeCpu

STR_X0_X1 = 0xF9000020
STLR_X0_X1 = 0xC89FFC20
PC = 32


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    with bench(NativeCpu) as made:
        made.memory.map(AREA, SIZE, Perm.READ | Perm.WRITE)
        yield made


@pytest.fixture
def machine() -> Iterator[Bench]:
    with bench(NativeCpu) as made:
        yield made


def keep(machine: Bench, start: int, size: int, *watched: tuple[int, int]) -> None:
    """No store to these pages is the emulator's."""
    machine.memory.kept_from_stores = frozenset(range(start, start + size, PAGE))
    machine.cpu.flush(start, start + size)
    for page in machine.memory.kept_from_stores:
        machine.cpu.make_stores(page, machine.memory.plain_page(page), frozenset(watched))


def give_back(machine: Bench) -> None:
    machine.memory.kept_from_stores = frozenset()
    machine.cpu.flush()


@pytest.mark.parametrize("space", SPACES)
def test_memory_and_registers_are_those_of_the_emulator(space: str, shared: Bench) -> None:
    fixed, mask = SPACES[space]
    words, tried = random.Random(2), 0
    while tried < 200:
        word = fixed | (words.getrandbits(32) & ~mask)
        if plain_store(word) is None or word >> 16 & 31 == word >> 5 & 31:
            continue
        tried += 1
        found = []
        for kept in (False, True):
            begin(shared, word, tried)
            if kept:
                keep(shared, AREA, SIZE)
            before = shared.cpu.executed
            assert shared.cpu.run() is Event.SYSCALL, hex(word)
            found.append((shared.cpu.executed - before, shared.cpu.get_reg(PC), seen(shared)))
            give_back(shared)
        assert found[0] == found[1], hex(word)


@pytest.mark.parametrize(("value", "event"), [(7, Event.SYSCALL), (8, Event.FAULT)])
def test_what_changes_a_watched_byte_is_left_to_the_core(value: int, event: Event, machine: Bench) -> None:
    machine.memory.write_u64(DATA, 7)
    keep(machine, DATA, PAGE, (DATA, DATA + 8))
    assert machine.run(STR_X0_X1, SVC, x0=value, x1=DATA) is event
    assert machine.memory.read_u64(DATA) == 7
    if event is Event.FAULT:
        assert (machine.cpu.fault_address, machine.cpu.get_reg(PC)) == (DATA, CODE)


def test_bytes_beside_the_watched_ones_may_change(machine: Bench) -> None:
    keep(machine, DATA, PAGE, (DATA + 6, DATA + 8))
    assert machine.run(STR_X0_X1, SVC, x0=0xFFFF_FFFF_FFFF, x1=DATA) is Event.SYSCALL
    assert machine.memory.read_u64(DATA) == 0xFFFF_FFFF_FFFF


def test_a_store_that_reaches_into_a_page_of_the_emulators_is_left_to_the_core(machine: Bench) -> None:
    keep(machine, DATA, PAGE)
    assert machine.run(STR_X0_X1, SVC, x0=1, x1=DATA + PAGE - 4) is Event.FAULT
    assert machine.memory.read(DATA + PAGE - 4, 8) == bytes(8)


def test_what_is_no_plain_store_is_left_to_the_core(machine: Bench) -> None:
    keep(machine, DATA, PAGE)
    assert machine.run(STLR_X0_X1, SVC, x0=1, x1=DATA) is Event.FAULT


def test_a_flushed_page_is_made_no_stores_to(machine: Bench) -> None:
    keep(machine, DATA, PAGE)
    machine.cpu.flush(DATA, DATA + PAGE)
    assert machine.run(STR_X0_X1, SVC, x0=1, x1=DATA) is Event.FAULT
    assert machine.memory.read_u64(DATA) == 0


def test_a_page_with_executed_code_or_nothing_in_it_is_no_plain_one(machine: Bench) -> None:
    assert machine.run(SVC) is Event.SYSCALL
    assert machine.memory.plain_page(CODE) == machine.memory.plain_page(AREA) == -1
    assert machine.memory.plain_page(DATA) >= 0
