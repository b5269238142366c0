"""Each simulator on its own: one word, its disassembly, exactly what changes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from uprobe_arm64.decode import analyze
from uprobe_arm64.simulate import condition_holds

from uprobe_core.types import Access, MemoryFault, Policy, Simulator

ADDRESS = 0x40_0100
NEXT = ADDRESS + 4


def simulator(word: int) -> Simulator:
    """The simulator that policy anywhere, or else the kernel's, gives for *word*."""
    for policy in (Policy("anywhere"), Policy("kernel", "6.12")):
        found = analyze(word, ADDRESS, policy).simulate
        if found is not None:
            return found
    raise AssertionError(f"{word:#010x} is not simulated")


def run(word: int, regs: Any, memory: Any = None) -> dict[str, int]:
    """Simulate *word* and return what changed."""
    before = regs.copy()
    simulator(word)(regs, memory, ADDRESS)
    changed: dict[str, int] = regs.changes(before)
    return changed


@pytest.mark.parametrize(
    ("word", "target"),
    [
        (0x14000004, ADDRESS + 16),  # b .+16
        (0x17FFFFFF, ADDRESS - 4),  # b .-4
        (0x15FFFFFF, ADDRESS + 0x7FFFFFC),  # b, furthest forward
        (0x16000000, ADDRESS - 0x8000000 & (1 << 64) - 1),  # b, furthest back, wraps
    ],
)
def test_b_goes_to_its_target_and_changes_nothing_else(regs: Any, word: int, target: int) -> None:
    assert run(word, regs) == {"pc": target}


def test_bl_links(regs: Any) -> None:
    assert run(0x94000002, regs) == {"x30": NEXT, "pc": ADDRESS + 8}  # bl .+8


def test_br_goes_where_the_register_says(regs: Any) -> None:
    assert run(0xD61F0060, regs) == {"pc": regs.regs[3]}  # br x3


def test_br_xzr_goes_to_zero_and_not_to_the_stack_pointer(regs: Any) -> None:
    assert run(0xD61F03E0, regs) == {"pc": 0}  # br xzr


def test_blr_links(regs: Any) -> None:
    assert run(0xD63F0060, regs) == {"x30": NEXT, "pc": regs.regs[3]}  # blr x3


def test_blr_x30_reads_the_target_before_it_links(regs: Any) -> None:
    target = regs.regs[30]
    assert run(0xD63F03C0, regs) == {"x30": NEXT, "pc": target}  # blr x30


@pytest.mark.parametrize(("word", "index"), [(0xD65F03C0, 30), (0xD65F0020, 1)])  # ret; ret x1
def test_ret_goes_where_its_register_says(regs: Any, word: int, index: int) -> None:
    assert run(word, regs) == {"pc": regs.regs[index]}


# What each condition means in terms of the flags (Arm ARM, table C1-1), not of its bits.
CONDITIONS: dict[int, Callable[[bool, bool, bool, bool], bool]] = {
    0b0000: lambda n, z, c, v: z,  # eq
    0b0001: lambda n, z, c, v: not z,  # ne
    0b0010: lambda n, z, c, v: c,  # cs
    0b0011: lambda n, z, c, v: not c,  # cc
    0b0100: lambda n, z, c, v: n,  # mi
    0b0101: lambda n, z, c, v: not n,  # pl
    0b0110: lambda n, z, c, v: v,  # vs
    0b0111: lambda n, z, c, v: not v,  # vc
    0b1000: lambda n, z, c, v: c and not z,  # hi
    0b1001: lambda n, z, c, v: not c or z,  # ls
    0b1010: lambda n, z, c, v: n == v,  # ge
    0b1011: lambda n, z, c, v: n != v,  # lt
    0b1100: lambda n, z, c, v: not z and n == v,  # gt
    0b1101: lambda n, z, c, v: z or n != v,  # le
    0b1110: lambda n, z, c, v: True,  # al
    0b1111: lambda n, z, c, v: True,  # nv, which is "always" as well
}


@pytest.mark.parametrize("flags", range(16), ids="nzcv={:04b}".format)
@pytest.mark.parametrize("condition", CONDITIONS, ids="cond={:04b}".format)
def test_b_cond_is_taken_when_its_condition_holds(regs: Any, condition: int, flags: int) -> None:
    n, z, c, v = (bool(flags >> bit & 1) for bit in (3, 2, 1, 0))
    holds = CONDITIONS[condition](n, z, c, v)
    regs.regs[regs.PSTATE] = flags << 28
    assert condition_holds(condition, flags << 28) is holds
    taken = ADDRESS + 0x40 if holds else NEXT
    assert run(0x54000200 | condition, regs) == {"pc": taken}  # b.<cond> .+64
    regs.regs[regs.PC] = 0
    assert run(0x54000210 | condition, regs) == {"pc": taken}  # bc.<cond> .+64, the kernel's


@pytest.mark.parametrize(
    ("word", "value", "taken"),
    [
        (0xB4000100, 0, True),  # cbz x0, .+32
        (0xB4000100, 1 << 32, False),
        (0x34000100, 1 << 32, True),  # cbz w0, .+32: the high half does not count
        (0x34000100, 1, False),
        (0xB5000100, 1 << 32, True),  # cbnz x0, .+32
        (0xB5000100, 0, False),
        (0x35000100, 1 << 32, False),  # cbnz w0, .+32
        (0x35000100, 1, True),
    ],
)
def test_cbz_and_cbnz_look_at_the_width_that_they_name(regs: Any, word: int, value: int, taken: bool) -> None:
    regs.regs[0] = value
    assert run(word, regs) == {"pc": ADDRESS + 32 if taken else NEXT}


def test_cbz_xzr_is_always_taken(regs: Any) -> None:
    assert run(0xB400011F, regs) == {"pc": ADDRESS + 32}  # cbz xzr, .+32


@pytest.mark.parametrize("bit", range(64))
def test_tbz_and_tbnz_look_at_one_bit(regs: Any, bit: int) -> None:
    field = bit >> 5 << 31 | (bit & 31) << 19
    for value, is_set in ((1 << bit, True), (~(1 << bit) & (1 << 64) - 1, False)):
        regs.regs[1] = value
        for base, on_set in ((0x36000101, False), (0x37000101, True)):  # tbz, tbnz x1, #bit, .+32
            regs.regs[regs.PC] = 0
            assert run(base | field, regs) == {"pc": ADDRESS + 32 if is_set is on_set else NEXT}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x10000040, ADDRESS + 8),  # adr x0, .+8
        (0x30000040, ADDRESS + 9),  # adr x0, .+9
        (0x70FFFFE0, ADDRESS - 1),  # adr x0, .-1
        (0x10800000, ADDRESS - 0x100000 & (1 << 64) - 1),  # adr x0, furthest back
        (0xB0000000, 0x401000),  # adrp x0, next page
        (0xF0FFFFE0, 0x3FF000),  # adrp x0, page before
        (0x90800000, 0x400000 - 0x1_0000_0000 & (1 << 64) - 1),  # adrp x0, furthest back, wraps
    ],
)
def test_adr_and_adrp_compute_from_their_own_address(regs: Any, word: int, value: int) -> None:
    assert run(word, regs) == {"x0": value, "pc": NEXT}


def test_adr_xzr_writes_no_register(regs: Any) -> None:
    assert run(0x1000005F, regs) == {"pc": NEXT}  # adr xzr, .+8


@pytest.mark.parametrize("word", [0xD503201F, 0xD503207F, 0xD503245F, 0xD8000040])  # nop, wfi, bti c, prfm
def test_what_has_no_effect_only_advances(regs: Any, memory_type: Any, word: int) -> None:
    assert run(word, regs, memory_type()) == {"pc": NEXT}


DATA = bytes.fromhex("f0debc9a78563412efcdab8967452301")


@pytest.mark.parametrize(
    ("word", "changed"),
    [
        (0x18000040, {"x0": 0x9ABCDEF0}),  # ldr w0, .+8: zero-extended
        (0x58000040, {"x0": 0x123456789ABCDEF0}),  # ldr x0, .+8
        (0x98000040, {"x0": 0xFFFFFFFF9ABCDEF0}),  # ldrsw x0, .+8: sign-extended
        (0x1C000040, {"v0": 0x9ABCDEF0}),  # ldr s0, .+8: the rest of the vector is cleared
        (0x5C000040, {"v0": 0x123456789ABCDEF0}),  # ldr d0, .+8
        (0x9C000040, {"v0": 0x0123456789ABCDEF123456789ABCDEF0}),  # ldr q0, .+8
        (0x5800005F, {}),  # ldr xzr, .+8
        (0x5C00005F, {"v31": 0x123456789ABCDEF0}),  # ldr d31, .+8: 31 is a vector like any other
    ],
)
def test_load_literal_loads_its_own_width(regs: Any, memory_type: Any, word: int, changed: Any) -> None:
    memory = memory_type(ADDRESS + 8, DATA)
    assert run(word, regs, memory) == changed | {"pc": NEXT}
    assert memory.writes == []


def test_load_literal_reaches_back(regs: Any, memory_type: Any) -> None:
    memory = memory_type(ADDRESS - 0x100000, DATA)
    assert run(0x58800000, regs, memory)["x0"] == 0x123456789ABCDEF0  # ldr x0, furthest back


@pytest.mark.parametrize("word", [0x18000040, 0x58000040, 0x98000040, 0x1C000040, 0x9C000040, 0x5800005F])
def test_a_load_literal_that_faults_changes_nothing(regs: Any, memory_type: Any, word: int) -> None:
    before = regs.copy()
    with pytest.raises(MemoryFault) as caught:
        simulator(word)(regs, memory_type(), ADDRESS)
    assert (caught.value.address, caught.value.access) == (ADDRESS + 8, Access.READ)
    assert regs.changes(before) == {}


def test_a_load_literal_across_a_boundary_faults_at_the_first_byte_beyond(
    regs: Any, memory_type: Any
) -> None:
    before = regs.copy()
    with pytest.raises(MemoryFault) as caught:
        simulator(0x58000040)(regs, memory_type(ADDRESS + 8, DATA[:4]), ADDRESS)
    assert caught.value.address == ADDRESS + 12
    assert regs.changes(before) == {}


def test_the_address_wraps_at_the_top(regs: Any) -> None:
    top = operator.sub(1 << 64, 4)
    simulator(0xD503201F)(regs, None, top)  # type: ignore[arg-type]  # nop touches no memory
    assert regs.regs[regs.PC] == 0
