"""A relocated instruction leaves the state that it leaves at its own address."""

from __future__ import annotations

import pytest
from uprobe_linux.cpu import Event, Perm
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.memory.arena import Arena

_glue = pytest.importorskip("uprobe_unicorn.native._glue")

CODE, SLOT, DATA, STACK = 0x400000, 0x300000, 0x500000, 0x600000
BRK = 0xD4200000

COPIED = {
    "add x0, x1, x2": 0x8B020020,
    "subs x0, x1, x2": 0xEB020020,
    "ldr x0, [x5]": 0xF94000A0,
    "str x1, [x5, #8]!": 0xF8008CA1,
    "stp x29, x30, [sp, #-16]!": 0xA9BF7BFD,
    "csel x0, x1, x2, ne": 0x9A821020,
    "mrs x0, tpidr_el0": 0xD53BD040,
    "nop": 0xD503201F,
    "paciasp": 0xD503233F,
    "fadd d0, d1, d2": 0x1E622820,
    "ldxr x0, [x5]": 0xC85F7CA0,
}
MOVED = {
    "adr x0, +4": 0x10000020,
    "adr x3, -1048576": 0x10800003,
    "adrp x0, +0x2000": 0xD0000000,
    "adrp x30, -0x1000": 0xF0FFFFFE,
    "adr xzr, +4": 0x1000003F,
    "prfm pldl1keep, +16": 0xD8000080,
    "b +8": 0x14000002,
    "b -4": 0x17FFFFFF,
    "bl +16": 0x94000004,
    "b.eq +8": 0x54000040,
    "b.ne +8": 0x54000041,
    "b.al -8": 0x54FFFFCE,
    "cbz x6, +12": 0xB4000066,
    "cbnz x6, +12": 0xB5000066,
    "cbz w7, -4": 0x34FFFFE7,
    "tbz x7, #63, +8": 0xB6F80047,
    "tbnz x7, #0, +8": 0x37000047,
    "br x8": 0xD61F0100,
    "blr x8": 0xD63F0100,
    "ret": 0xD65F03C0,
    "ret x8": 0xD65F0100,
}
REFUSED = {
    "svc #0": 0xD4000001,
    "brk #5": 0xD42000A0,
    "hlt #0": 0xD4400000,
    "hvc #0": 0xD4000002,
    "udf #0": 0x00000000,
    "blr x30": 0xD63F03C0,
    "ldr x0, +16": 0x58000080,
    "ldr w1, +16": 0x18000081,
    "ldrsw x2, +20": 0x980000A2,
    "ldr q0, +16": 0x9C000080,
    "ldr s0, +16": 0x1C000080,
    "eret": 0xD69F03E0,
    "blraa x8, x9": 0xD73F0909,
    "dc zva, x5": 0xD50B7425,
}


class Bench:
    """A CPU with code, a slot, data and a stack; everything else around the code is BRK."""

    def __init__(self) -> None:
        from uprobe_unicorn.cpu import UnicornCpu

        self.arena = Arena(1 << 28)
        self.cpu = UnicornCpu(self.arena)
        self.memory = AddressSpace(self.arena, self.cpu)
        self.cpu.set_fill(self.memory.fill)
        self.memory.map(CODE - 0x1000, 0x3000, Perm.READ | Perm.EXEC)
        self.memory.map(SLOT, 0x1000, Perm.READ | Perm.EXEC)
        for start in (DATA, STACK):
            self.memory.map(start, 0x1000, Perm.READ | Perm.WRITE)

    def state_after(self, words: list[int], at: int, zero: bool) -> tuple[object, ...]:
        """Registers, PC, a vector and memory after *words* at *at*, which run until a breakpoint."""
        self.memory.poke(CODE - 0x1000, BRK.to_bytes(4, "little") * 0xC00)
        self.memory.poke(CODE + 16, bytes(range(0x70, 0x80)))
        self.memory.poke(at, b"".join(word.to_bytes(4, "little") for word in words))
        self.memory.poke(DATA, bytes(range(64)))
        cpu = self.cpu
        for index in range(31):
            cpu.set_reg(index, 0x1111111111111111 * (index % 15 + 1))
        for index, value in ((5, DATA + 16), (8, CODE + 0x800), (30, CODE + 0x900), (31, STACK + 0x800)):
            cpu.set_reg(index, value)
        for index in (6, 7):
            cpu.set_reg(index, 0 if zero else 0x8000000000000001)
        cpu.set_reg(33, 0x40000000 if zero else 0)
        cpu.set_reg(32, at)
        assert cpu.run() in (Event.BREAK, Event.UNDEFINED)
        data = self.memory.read(DATA, 64) + self.memory.read(STACK + 0x7F0, 16)
        flags = cpu.get_reg(33) & 0xF0000000  # a moved BLR is a BR behind other instructions: another BTYPE
        return (*[cpu.get_reg(i) for i in range(33)], flags, cpu.get_vec(0), data)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("zero", [True, False], ids=["zero", "nonzero"])
@pytest.mark.parametrize("name", [*COPIED, *MOVED])
def test_it_does_the_same_from_a_slot(bench: Bench, name: str, zero: bool) -> None:
    word = (COPIED | MOVED)[name]
    packed = _glue.relocate(word, CODE, SLOT)
    words = [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
    assert 1 <= len(words) <= 7
    assert bench.state_after(words, SLOT, zero) == bench.state_after([word], CODE, zero)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_moved_is_refused(name: str) -> None:
    assert _glue.relocate(REFUSED[name], CODE, SLOT) == b""


def test_a_slot_out_of_reach_is_refused() -> None:
    assert _glue.relocate(0xD503201F, CODE, CODE + (1 << 30)) == b""
