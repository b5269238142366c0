"""What is stored without the emulator is what the emulator stores."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from uprobe_linux.cpu import Event, Perm
from uprobe_linux.pausing.plain_stores import make_store, plain_store

from tests.unicorn.cpu_bench import CODE, SVC, Bench, bench

AREA, SIZE = 0x10_0000, 0x4_0000
MIDDLE = AREA + SIZE // 2
SPACES = {"pairs": (0x28000000, 0x3A000000), "single registers": (0x38000000, 0x3A000000)}
"""Of encodings: the bits that are fixed, and which those are."""
SP, PC = 31, 32
UXTW = 0b010


@pytest.fixture(scope="module")
def machine() -> Iterator[Bench]:
    with bench() as made:
        made.memory.map(AREA, SIZE, Perm.READ | Perm.WRITE)
        yield made


def begin(machine: Bench, word: int, seed: int) -> None:
    """Stand before *word*: addresses in the area in all registers, indexes included."""
    values, cpu = random.Random(seed), machine.cpu
    machine.load(word, SVC)
    index = word >> 16 & 31
    for register in range(32):
        cpu.set_reg(register, MIDDLE + values.randrange(-64, 64) * 16)
        cpu.set_vec(register, values.getrandbits(128))
    if index != SP:
        lowest = 0 if word >> 13 & 7 == UXTW else -4096
        cpu.set_reg(index, values.randrange(lowest, 4096) & (1 << 64) - 1)


def seen(machine: Bench) -> tuple[Any, ...]:
    """Registers and the area, which is zero again afterwards."""
    content = machine.memory.read(AREA, SIZE)
    machine.memory.discard(AREA, SIZE)
    first = len(content) - len(content.lstrip(b"\0"))
    return [machine.cpu.get_reg(register) for register in range(32)], first, content.strip(b"\0")


@pytest.mark.parametrize("space", SPACES)
def test_memory_and_registers_are_those_of_the_emulator(space: str, machine: Bench) -> None:
    fixed, mask = SPACES[space]
    words, found = random.Random(1), 0
    cpu = machine.cpu
    process = SimpleNamespace(memory=machine.memory)
    task = SimpleNamespace(
        get_reg=cpu.get_reg, set_reg=cpu.set_reg, get_vec=cpu.get_vec, set_vec=cpu.set_vec, process=process
    )
    while found < 100:
        word = fixed | (words.getrandbits(32) & ~mask)
        if plain_store(word) is None or word >> 16 & 31 == word >> 5 & 31:
            continue
        found += 1
        begin(machine, word, found)
        assert make_store(cast("Any", task), word), hex(word)
        assert cpu.get_reg(PC) == CODE + 4
        ours = seen(machine)
        begin(machine, word, found)
        assert cpu.run() is Event.SYSCALL, hex(word)
        assert ours == seen(machine), hex(word)


@pytest.mark.parametrize(
    ("word", "what"),
    [
        (0xF9400020, "ldr x0, [x1]"),
        (0xA9400440, "ldp x0, x1, [x2]"),
        (0xF9800020, "prfm pldl1keep, [x1]"),
        (0xB8200040, "ldadd w0, w0, [x2]"),
        (0xC8007C41, "stxr w0, x1, [x2]"),
        (0xC89FFC20, "stlr x0, [x1]"),
        (0x69000440, "stgp x0, x1, [x2]"),
        (0xF8008421, "str x1, [x1], #8"),
        (0x0C007020, "st1 {v0.8b}, [x1]"),
        (0xD50B7421, "dc zva, x1"),
        (0x8B020020, "add x0, x1, x2"),
    ],
)
def test_what_is_no_plain_store_is_left_to_the_emulator(word: int, what: str) -> None:
    assert plain_store(word) is None, what


@pytest.mark.parametrize(("value", "is_made"), [(7, True), (8, False)])
def test_what_changes_a_watched_byte_is_not_made(value: int, is_made: bool, machine: Bench) -> None:
    store, cpu = 0xF9000020, machine.cpu  # str x0, [x1]
    task = SimpleNamespace(
        get_reg=cpu.get_reg, set_reg=cpu.set_reg, process=SimpleNamespace(memory=machine.memory)
    )
    machine.load(store)
    machine.memory.write_u64(AREA, 7)
    cpu.set_reg(0, value)
    cpu.set_reg(1, AREA)
    assert make_store(cast("Any", task), store, [(AREA + 7, AREA + 9), (AREA, AREA + 1)]) is is_made
    assert machine.memory.read_u64(AREA) == 7
    assert cpu.get_reg(PC) == CODE + 4 * is_made
