"""Properties of every simulator, over its whole encoding: only the PC and the destination change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64.decode import analyze
from uprobe_arm64.decode_table import ROWS
from uprobe_arm64.rows import Row

from uprobe_core.types import Access, MemoryFault, Policy, Verdict

pytestmark = pytest.mark.thorough

POLICIES = (Policy("anywhere"), Policy("kernel", "6.12"))
WORD64 = (1 << 64) - 1
values = st.integers(0, WORD64) | st.sampled_from((0, 1, 0xFFFF_FFFF, 1 << 32, 1 << 63, WORD64))
SIMULATED = [
    row for row in ROWS if row.anywhere.simulator or any(ruling.simulator for _, ruling in row.kernel)
]


def encodings(row: Row) -> st.SearchStrategy[int]:
    """Words that match *row*, extremes of its free bits included."""
    free = ~row.mask & 0xFFFF_FFFF
    bits = st.integers(0, 0xFFFF_FFFF) | st.sampled_from((0, 0xFFFF_FFFF))
    return bits.map(lambda noise: row.value | noise & free)


class AnyMemory:
    """Every address reads as bytes derived from it; half of the runs refuse instead."""

    def __init__(self, *, faults: bool) -> None:
        self.faults = faults

    def read(self, address: int, size: int) -> bytes:
        if self.faults:
            raise MemoryFault(address, Access.READ)
        return bytes((address + offset) * 37 & 0xFF for offset in range(size))

    def write(self, address: int, data: bytes) -> None:
        raise AssertionError("no simulated instruction stores")


def destinations(row: Row, word: int) -> set[str]:
    """The registers besides PC that the manual lets the instruction write."""
    if row.name in {"BL", "BLR"}:
        return {"x30"}
    if row.name in {"ADR", "ADRP", "LDR-lit-W", "LDR-lit-X", "LDRSW-lit"}:
        return {f"x{word & 31}"} - {"x31"}
    if row.name in {"LDR-lit-S", "LDR-lit-D", "LDR-lit-Q"}:
        return {f"v{word & 31}"}
    return set()


@pytest.mark.parametrize("row", SIMULATED, ids=lambda row: row.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_simulation_changes_the_pc_and_the_destination_only(
    registers_type: Any, row: Row, data: st.DataObject
) -> None:
    word = data.draw(encodings(row), label="word")
    address = data.draw(st.integers(0, WORD64 >> 2), label="address / 4") * 4
    for policy in POLICIES:
        analysis = analyze(word, address, policy)
        if analysis.verdict is not Verdict.SIMULATE:
            continue
        assert analysis.simulate is not None
        regs = registers_type()
        for index in range(33):
            regs.regs[index] = data.draw(values, label=f"register {index}")
        regs.regs[regs.PSTATE] = data.draw(st.integers(0, 15), label="nzcv") << 28
        before = regs.copy()
        faults = data.draw(st.booleans(), label="memory faults")
        try:
            analysis.simulate(regs, AnyMemory(faults=faults), address)
        except MemoryFault:
            assert regs.changes(before) == {}
            continue
        assert set(regs.changes(before)) <= destinations(row, word) | {"pc"}
        assert regs.regs[regs.PSTATE] == before.regs[regs.PSTATE]
        if not row.branches:
            assert regs.regs[regs.PC] == (address + 4) & WORD64
