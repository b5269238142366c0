"""Fetches and data accesses of one page differ where they should, and code that changes is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from uprobe_linux.cpu import PAGE, Event, Perm
from uprobe_unicorn.cpu import UnicornCpu
from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

from tests.unicorn.cpu_bench import CODE, DATA, NOP, RET, SVC, Bench, bench
from uprobe_core.types import MemoryFault

BRK = (0xD42000A0).to_bytes(4, "little")
LDR_W0_X1 = 0xB9400020
STR_W2_X1 = 0xB9000022
BLR_X3 = 0xD63F0060
RWX = Perm.READ | Perm.WRITE | Perm.EXEC


def mov_w0(value: int) -> int:
    return 0x52800000 | value << 5


@pytest.fixture(params=[UnicornCpu, NativeCpu])
def machine(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """With fills answered by Python, and by C."""
    if request.param is NativeCpu and native_refusal():
        pytest.skip(native_refusal())
    with bench(request.param) as made:
        yield made


def test_invisible_breakpoint_traps_and_reads_as_the_original(machine: Bench) -> None:
    """The guest loads the word that it is about to be stopped at."""
    machine.load(LDR_W0_X1, NOP, SVC)
    machine.memory.insert_trap(CODE + 4, BRK)
    machine.cpu.set_reg(1, CODE + 4)
    assert machine.cpu.run() is Event.BREAK
    assert (machine.cpu.get_reg(32), machine.cpu.get_reg(0)) == (CODE + 4, NOP)
    assert machine.memory.read_u32(CODE + 4) == NOP


def test_removed_breakpoint_is_gone_from_code_that_ran(machine: Bench) -> None:
    """Translations with the breakpoint are forgotten."""
    machine.load(NOP, SVC)
    machine.memory.insert_trap(CODE, BRK)
    assert machine.cpu.run() is Event.BREAK
    machine.memory.code.remove(CODE)
    assert machine.cpu.run() is Event.SYSCALL


def test_breakpoint_goes_into_code_that_ran(machine: Bench) -> None:
    """Translations without it are forgotten; two in a page do not disturb each other."""
    assert machine.run(NOP, NOP, SVC) is Event.SYSCALL
    machine.memory.insert_trap(CODE, BRK)
    machine.memory.insert_trap(CODE + 4, BRK)
    machine.memory.code.remove(CODE)
    machine.cpu.set_reg(32, CODE)
    assert machine.cpu.run() is Event.BREAK
    assert machine.cpu.get_reg(32) == CODE + 4


def _asked(machine: Bench) -> list[int]:
    """The pages that the page table is asked about from now on."""
    pages: list[int] = []

    def fill(address: int, access: int) -> tuple[int, int]:
        pages.append(address & -PAGE)
        return machine.memory.fill(address, access)

    machine.cpu.set_fill(fill)
    return pages


def test_further_breakpoints_in_a_page_leave_what_is_known_of_addresses(machine: Bench) -> None:
    """One goes in and another out: no page is asked about again."""
    pages = _asked(machine)
    machine.memory.insert_trap(CODE + 12, BRK)
    assert machine.run(LDR_W0_X1, NOP, NOP, NOP, x1=DATA) is Event.BREAK
    pages.clear()
    machine.memory.insert_trap(CODE + 4, BRK)
    machine.cpu.set_reg(32, CODE)
    assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.BREAK, CODE + 4)
    machine.memory.code.remove(CODE + 4)
    assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.BREAK, CODE + 12)
    assert pages == []


def test_first_breakpoint_in_a_page_leaves_what_c_knows_of_others(machine: Bench) -> None:
    """The page's own fetches are asked about again, and those of no other."""
    if not isinstance(machine.cpu, NativeCpu):
        pytest.skip("without C all that is known is forgotten")
    pages = _asked(machine)
    assert machine.run(LDR_W0_X1, NOP, SVC, x1=DATA) is Event.SYSCALL
    pages.clear()
    machine.memory.insert_trap(CODE + 4, BRK)
    machine.cpu.set_reg(32, CODE)
    assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.BREAK, CODE + 4)
    assert set(pages) == {CODE}


def test_breakpoint_in_the_middle_of_a_translated_block_is_met(machine: Bench) -> None:
    """The block begins before it, and another page has been left alone meanwhile."""
    machine.memory.insert_trap(CODE, BRK)
    machine.load(NOP, NOP, NOP, NOP, SVC)
    machine.cpu.set_reg(32, CODE + 4)
    assert machine.cpu.run() is Event.SYSCALL
    machine.memory.insert_trap(CODE + 12, BRK)
    machine.cpu.set_reg(32, CODE + 4)
    assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.BREAK, CODE + 12)


def test_breakpoint_where_nothing_is_mapped_is_refused(machine: Bench) -> None:
    """The caller hears of it."""
    with pytest.raises(MemoryFault):
        machine.memory.insert_trap(0x1000, BRK)


def test_guest_store_to_a_page_with_breakpoints_reaches_both_views(machine: Bench) -> None:
    """The stored instruction runs, the breakpoint stays, and the core is told once the page runs again."""
    page = 0x600000
    told: list[tuple[int, int]] = []
    machine.memory.on_code_written = lambda start, end: told.append((start, end))
    machine.memory.map(page, 0x1000, RWX)
    for index, word in enumerate((mov_w0(1), NOP, RET)):
        machine.memory.write_u32(page + 4 * index, word)
    machine.memory.insert_trap(page + 4, BRK)
    call = (BLR_X3, SVC)
    assert machine.run(*call, x3=page) is Event.BREAK
    machine.cpu.set_reg(32, page + 8)
    assert machine.cpu.run() is Event.SYSCALL
    assert machine.run(STR_W2_X1, *call, x1=page, x2=mov_w0(2), x3=page) is Event.BREAK
    assert (machine.cpu.get_reg(32), machine.cpu.get_reg(0) & 0xFFFF) == (page + 4, 2)
    assert [span for span in told if span[0] >= page] == [(page, page + 0x1000)]


def test_store_by_a_system_call_reaches_code_that_ran(machine: Bench) -> None:
    """read() into a code page, say."""
    assert machine.run(mov_w0(1), SVC) is Event.SYSCALL
    machine.memory.poke(CODE, mov_w0(3).to_bytes(4, "little"))
    machine.cpu.set_reg(32, CODE)
    assert machine.cpu.run() is Event.SYSCALL
    assert machine.cpu.get_reg(0) == 3


@pytest.mark.parametrize("rounds", [3, 40])
def test_code_that_rewrites_itself_never_runs_stale(machine: Bench, rounds: int) -> None:
    """Stores and calls take turns; after a while the page is mapped writable and executable together."""
    page = 0x600000
    machine.memory.map(page, 0x1000, RWX)
    machine.memory.write_u32(page + 4, RET)
    for value in range(1, rounds):
        assert machine.run(STR_W2_X1, BLR_X3, SVC, x1=page, x2=mov_w0(value), x3=page) is Event.SYSCALL
        assert machine.cpu.get_reg(0) & 0xFFFF == value


def test_new_mapping_at_an_old_address_runs_the_new_code(machine: Bench) -> None:
    """dlclose and dlopen: same address, perhaps the same arena page."""
    for value in (1, 2):
        machine.memory.map(0x600000, 0x1000, Perm.READ | Perm.EXEC)
        machine.memory.poke(0x600000, mov_w0(value).to_bytes(4, "little") + RET.to_bytes(4, "little"))
        assert machine.run(BLR_X3, SVC, x3=0x600000) is Event.SYSCALL
        assert machine.cpu.get_reg(0) & 0xFFFF == value
        machine.memory.unmap(0x600000, 0x1000)


def test_execute_permission_taken_away_is_missed_at_once(machine: Bench) -> None:
    """Translations that exist do not run any more."""
    machine.memory.map(0x600000, 0x1000, Perm.READ | Perm.EXEC)
    machine.memory.poke(0x600000, RET.to_bytes(4, "little"))
    assert machine.run(BLR_X3, SVC, x3=0x600000) is Event.SYSCALL
    machine.memory.protect(0x600000, 0x1000, Perm.READ)
    assert machine.run(BLR_X3, SVC, x3=0x600000) is Event.FAULT
    assert machine.cpu.get_reg(32) == 0x600000


def test_unmapping_forgets_breakpoints(machine: Bench) -> None:
    """A new mapping at the same place has none."""
    machine.memory.insert_trap(CODE, BRK)
    machine.memory.map(CODE, 0x1000, Perm.READ | Perm.EXEC)
    assert machine.run(NOP, SVC) is Event.SYSCALL
    assert machine.memory.read_u32(DATA) == 0


@pytest.mark.parametrize("pages", [1, 2, 100])
def test_data_that_was_unmapped_is_missed_at_once_and_what_lies_beside_it_is_not(
    machine: Bench, pages: int
) -> None:
    start = 0x600000
    end = start + (pages + 2) * PAGE
    machine.memory.map(start, end - start, RWX)
    for address in range(start, end, PAGE):
        assert machine.run(STR_W2_X1, SVC, x1=address, x2=address) is Event.SYSCALL
    machine.memory.unmap(start + PAGE, pages * PAGE)
    for address in (start + PAGE, end - 2 * PAGE):
        assert machine.run(LDR_W0_X1, SVC, x1=address) is Event.FAULT
        assert machine.cpu.fault_address == address
    for address in (start, end - PAGE):
        assert machine.run(LDR_W0_X1, SVC, x1=address) is Event.SYSCALL
        assert machine.cpu.get_reg(0) == address


def test_data_between_pages_of_code_is_read_and_written_as_it_is(machine: Bench) -> None:
    """Pages 0 and 3 run, 1 and 2 are data; then page 2 runs as well, and changes."""
    pages = range(0x600000, 0x604000, PAGE)
    machine.memory.map(pages[0], 4 * PAGE, RWX)
    for page in (pages[0], pages[3]):
        machine.memory.write_u32(page, RET)
        assert machine.run(BLR_X3, SVC, x3=page) is Event.SYSCALL
    for value in (mov_w0(1), mov_w0(2)):
        assert machine.run(STR_W2_X1, LDR_W0_X1, SVC, x1=pages[2], x2=value) is Event.SYSCALL
        assert machine.cpu.get_reg(0) == value
        machine.memory.write_u32(pages[2] + 4, RET)
        assert machine.run(LDR_W0_X1, SVC, x1=pages[1]) is Event.SYSCALL
        assert machine.run(BLR_X3, SVC, x3=pages[2]) is Event.SYSCALL
        assert machine.cpu.get_reg(0) & 0xFFFF == value >> 5 & 0xFFFF


@pytest.mark.parametrize("trapped_before", [False, True])
def test_breakpoint_in_the_second_page_of_what_ran_across_two_is_met(
    machine: Bench, trapped_before: bool
) -> None:
    """As the first of that page, and as a further one; without it the code runs across again."""
    second = CODE + PAGE
    machine.memory.map(second, PAGE, Perm.READ | Perm.EXEC)
    if trapped_before:
        machine.memory.insert_trap(second + 64, BRK)
    machine.load(NOP, NOP, NOP, NOP, SVC, at=second - 8)
    assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.SYSCALL, second + 12)
    for address in (second + 4, second):
        machine.memory.insert_trap(address, BRK)
        machine.cpu.set_reg(32, second - 8)
        assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.BREAK, address)
        machine.memory.code.remove(address)
        machine.cpu.set_reg(32, second - 8)
        assert (machine.cpu.run(), machine.cpu.get_reg(32)) == (Event.SYSCALL, second + 12)
