"""A register file and a memory made of dictionaries, for tests without an emulator."""

from __future__ import annotations

import pytest

from uprobe_core.types import Access, MemoryFault


class Registers:
    """A RegisterFile that remembers what was written."""

    SP, PC, PSTATE = 31, 32, 33

    def __init__(self) -> None:
        self.regs = [0x1000_0000_0000_0000 + index * 0x111 for index in range(34)]
        self.regs[self.PSTATE] = 0
        self.vecs = [0xABCD << 112 | index for index in range(32)]

    def get_reg(self, index: int) -> int:
        return self.regs[index]

    def set_reg(self, index: int, value: int) -> None:
        self.regs[index] = value % (1 << 64)

    def get_vec(self, index: int) -> int:
        return self.vecs[index]

    def set_vec(self, index: int, value: int) -> None:
        assert 0 <= value < 1 << 128
        self.vecs[index] = value

    def changes(self, before: Registers) -> dict[str, int]:
        """What differs from *before*, by name ("x0", "sp", "pc", "pstate", "v0")."""
        names = [*(f"x{index}" for index in range(31)), "sp", "pc", "pstate"]
        changed = {
            name: new for name, old, new in zip(names, before.regs, self.regs, strict=True) if old != new
        }
        vectors = enumerate(zip(before.vecs, self.vecs, strict=True))
        return changed | {f"v{index}": new for index, (old, new) in vectors if old != new}

    def copy(self) -> Registers:
        other = Registers()
        other.regs, other.vecs = list(self.regs), list(self.vecs)
        return other


class Memory:
    """A GuestMemory with one readable range; everything else faults."""

    def __init__(self, start: int = 0, data: bytes = b"") -> None:
        self.start, self.data = start, data
        self.writes: list[tuple[int, bytes]] = []

    def read(self, address: int, size: int) -> bytes:
        for byte in range(address, address + size):
            if not self.start <= byte < self.start + len(self.data):
                raise MemoryFault(byte, Access.READ)
        return self.data[address - self.start : address - self.start + size]

    def write(self, address: int, data: bytes) -> None:
        self.writes.append((address, data))


@pytest.fixture
def regs() -> Registers:
    """Registers with distinct values and clear flags."""
    return Registers()


@pytest.fixture
def memory_type() -> type[Memory]:
    """The memory double's class."""
    return Memory


@pytest.fixture(scope="session")
def registers_type() -> type[Registers]:
    """The register double's class."""
    return Registers
