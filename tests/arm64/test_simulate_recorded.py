"""What a real kernel's simulation did, word by word, is what ours does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from uprobe_arm64.decode import analyze

from uprobe_core.types import Policy, Verdict

RECORDING = Path(__file__).parent.parent / "data" / "kernel" / "simulated.tsv"
KERNEL = Policy("kernel", "6.12")
ROWS = [line.split("\t") for line in RECORDING.read_text().splitlines() if not line.startswith("#")]


def state_a(regs: Any) -> None:
    """The recording's state A, see the head of the file."""
    regs.regs[:31] = [0x4000_8000 + 64 * index for index in range(31)]
    regs.regs[regs.PSTATE] = 0


def state_b(regs: Any) -> None:
    """The recording's state B."""
    regs.regs[:31] = [0xFFFF_FFFF_0000_0000 + 16 * index if index & 1 else 0 for index in range(31)]
    regs.regs[0] = 0xFFFF_FFFE_0000_0000
    regs.regs[regs.PSTATE] = 0xF000_0000


def relative(value: int, address: int) -> str:
    difference = (value - address) % (1 << 64)
    return f"{difference - (difference >> 63 << 64):+d}"


def outcome(regs: Any, before: Any, address: int) -> str:
    """The changes in the recording's notation."""
    if regs.regs[regs.PC] == address:
        return "loops"
    changed = regs.changes(before)
    pc = relative(changed.pop("pc"), address)
    others = [f" {name}=pc{relative(value, address)}" for name, value in changed.items()]
    return f"pc={pc}" + "".join(others)


@pytest.mark.parametrize(("column", "prepare"), [(2, state_a), (3, state_b)], ids=["A", "B"])
def test_a_simulation_does_what_the_kernels_did(registers_type: Any, column: int, prepare: Any) -> None:
    wrong = []
    compared = 0
    for row in ROWS:
        if row[column] == "-":
            continue
        address = int(row[1], 16)
        analysis = analyze(int(row[0], 16), address, KERNEL)
        assert analysis.verdict is Verdict.SIMULATE
        assert analysis.simulate is not None
        regs = registers_type()
        prepare(regs)
        regs.regs[regs.PC] = address
        before = regs.copy()
        analysis.simulate(regs, None, address)  # type: ignore[arg-type]  # none of these touches memory
        compared += 1
        if outcome(regs, before, address) != row[column]:
            wrong.append((row[0], row[column], outcome(regs, before, address)))
    assert wrong == []
    assert compared > 1300
