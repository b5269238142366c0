"""A bare CPU with one address space, for tests that run a few instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uprobe_linux.cpu import Event, Perm
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.memory.arena import Arena
from uprobe_unicorn.cpu import UnicornCpu

CODE, DATA, END = 0x400000, 0x500000, 0x510000
"""One page of code; 16 pages of data; nothing from END on."""
NOP, SVC, RET = 0xD503201F, 0xD4000001, 0xD65F03C0
RW, RX = Perm.READ | Perm.WRITE, Perm.READ | Perm.EXEC


class Bench:
    """Code at CODE, data at DATA, everything else unmapped."""

    def __init__(self, cpu: type[UnicornCpu] = UnicornCpu) -> None:
        self.arena = Arena(1 << 28)
        self.cpu = cpu(self.arena)
        self.memory = AddressSpace(self.arena, self.cpu)
        self.cpu.set_fill(self.memory.fill)
        self.memory.map(CODE, 0x1000, RX)
        self.memory.map(DATA, END - DATA, RW)

    def load(self, *words: int, at: int = CODE) -> None:
        """Store instruction words and go there."""
        self.memory.poke(at, b"".join(word.to_bytes(4, "little") for word in words))
        self.cpu.set_reg(32, at)

    def run(self, *words: int, **registers: int) -> Event:
        """Run *words* with registers set by name (x0=..., sp=...); returns the first event."""
        self.load(*words)
        for name, value in registers.items():
            self.cpu.set_reg(31 if name == "sp" else int(name[1:]), value)
        return self.cpu.run()


@contextmanager
def bench(cpu: type[UnicornCpu] = UnicornCpu) -> Iterator[Bench]:
    """A bench that is closed afterwards."""
    made = Bench(cpu)
    try:
        yield made
    finally:
        made.cpu.close()
