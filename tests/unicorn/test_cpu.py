"""The Unicorn CPU keeps the promises of uprobe_linux.cpu.Cpu: events, exact addresses, safe stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from uprobe_linux.cpu import Event, Perm
from uprobe_unicorn.cpu import UnicornCpu
from uprobe_unicorn.native.cpu import NativeCpu, native_refusal

from tests.unicorn.cpu_bench import CODE, DATA, END, NOP, RW, SVC, Bench, bench

LDR_X0_X1 = 0xF9400020
STR_X0_X1 = 0xF9000020


@pytest.fixture(params=[UnicornCpu, NativeCpu], ids=["python", "native"])
def cpu(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param is NativeCpu and native_refusal():
        pytest.skip(native_refusal())
    with bench(request.param) as made:
        yield made


@pytest.mark.parametrize(
    ("word", "event", "pc"),
    [
        (SVC, Event.SYSCALL, 4),
        (0xD42000A0, Event.BREAK, 0),
        (0x00000000, Event.UNDEFINED, 0),
        (0xD4000002, Event.UNDEFINED, 0),
        (0xD4000003, Event.UNDEFINED, 0),
        (0xD4400000, Event.UNDEFINED, 0),
        (0xD5380000, Event.UNDEFINED, 0),
        (0xD53B4220, Event.UNDEFINED, 0),
    ],
    ids=["svc", "brk", "udf", "hvc", "smc", "hlt", "mrs-midr", "mrs-daif"],
)
def test_exception_leaves_pc_where_linux_has_it(cpu: Bench, word: int, event: Event, pc: int) -> None:
    """PC after an SVC, at everything else; privileged reads are undefined at EL0."""
    assert cpu.run(word) is event
    assert cpu.cpu.get_reg(32) == CODE + pc


@pytest.mark.parametrize(
    "word", [0xD53B0020, 0xD53BE040, 0xD53BD040, 0xD503203F], ids=["ctr", "cntvct", "tpidr", "yield"]
)
def test_what_el0_may_do_works(cpu: Bench, word: int) -> None:
    """CTR_EL0, CNTVCT_EL0, TPIDR_EL0, YIELD."""
    assert cpu.run(word, SVC) is Event.SYSCALL


@pytest.mark.parametrize(
    ("word", "address", "access", "refused"),
    [
        (LDR_X0_X1, END + 0x123, Perm.READ, END + 0x123),
        (STR_X0_X1, END + 0x123, Perm.WRITE, END + 0x123),
        (STR_X0_X1, CODE + 8, Perm.WRITE, CODE + 8),
        (LDR_X0_X1, END - 4, Perm.READ, END),
        (STR_X0_X1, END - 4, Perm.WRITE, END),
        (0xA9000420, END - 8, Perm.WRITE, END),
        (0xF9400420, END - 4, Perm.READ, END + 4),
        (0xF85F8020, END + 8, Perm.READ, END),
        (LDR_X0_X1, 0xFFFF_8000_0000_0010, Perm.READ, 0xFFFF_8000_0000_0010),
        (0x3DC00020, 0x10, Perm.READ, 0x10),
        (0x4C407020, END + 32, Perm.READ, END + 32),
    ],
)
def test_refused_access_names_the_first_byte(
    cpu: Bench, word: int, address: int, access: Perm, refused: int
) -> None:
    """Loads, stores, pairs, offsets, vectors; an access across pages names the second page."""
    assert cpu.run(NOP, word, x1=address) is Event.FAULT
    assert (cpu.cpu.fault_address, cpu.cpu.fault_access) == (refused, access)
    assert cpu.cpu.get_reg(32) == CODE + 4


def test_refused_dc_zva_is_found_at_its_own_address(cpu: Bench) -> None:
    """Unicorn leaves PC at the end of the block."""
    assert cpu.run(NOP, 0xD50B7421, NOP, SVC, x1=END + 64) is Event.FAULT
    assert (cpu.cpu.get_reg(32), cpu.cpu.fault_address) == (CODE + 4, END + 64)


@pytest.mark.parametrize("target", [END + 4, DATA, 0, 1 << 52])
def test_refused_fetch_has_pc_at_the_target(cpu: Bench, target: int) -> None:
    """Unmapped, data, null."""
    assert cpu.run(0xD61F0020, x1=target) is Event.FAULT
    assert (cpu.cpu.get_reg(32), cpu.cpu.fault_access) == (target, Perm.EXEC)


def test_access_succeeds_after_the_refusal_was_mended(cpu: Bench) -> None:
    """Nothing remembers the hole."""
    assert cpu.run(LDR_X0_X1, SVC, x1=END) is Event.FAULT
    cpu.memory.map(END, 0x1000, RW)
    cpu.memory.write_u64(END, 77)
    assert cpu.cpu.run() is Event.SYSCALL
    assert cpu.cpu.get_reg(0) == 77


def test_tagged_pointer_loads(cpu: Bench) -> None:
    """Top byte ignore."""
    cpu.memory.write_u64(DATA + 8, 5)
    assert cpu.run(LDR_X0_X1, SVC, x1=0xA5 << 56 | DATA + 8) is Event.SYSCALL
    assert cpu.cpu.get_reg(0) == 5


def test_unaligned_exclusive_is_an_alignment_event(cpu: Bench) -> None:
    """PC at the instruction."""
    assert cpu.run(0xC85F7C20, x1=DATA + 1) is Event.ALIGN
    assert cpu.cpu.get_reg(32) == CODE


def test_data_is_not_executable_and_code_is_not_writable(cpu: Bench) -> None:
    """The page table's answer, not the arena's."""
    assert cpu.run(0xD61F0020, x1=DATA) is Event.FAULT
    assert cpu.run(STR_X0_X1, x1=CODE) is Event.FAULT


LDADD = 0xF8230022
"""ldadd x3, x2, [x1]"""
SUBS_X0 = 0xF1000400
BNE_BACK_2 = 0x54FFFFC1


def test_stop_from_another_thread_never_executes_an_instruction_twice(cpu: Bench) -> None:
    """uc_emu_stop alone makes an atomic addition count twice (measured: 100 in 20 million)."""
    rounds = 3_000_000
    cpu.load(LDADD, SUBS_X0, BNE_BACK_2, SVC)
    for index, value in ((0, rounds), (1, DATA), (3, 1)):
        cpu.cpu.set_reg(index, value)
    events = _run_while_stopping(cpu)
    assert events[-1] is Event.SYSCALL
    assert cpu.memory.read_u64(DATA) == rounds
    assert events.count(Event.STOP) > 0


def _run_while_stopping(cpu: Bench) -> list[Event]:
    over = threading.Event()

    def annoy() -> None:
        while not over.is_set():
            time.sleep(0.0002)
            cpu.cpu.request_stop()

    thread = threading.Thread(target=annoy)
    thread.start()
    events = [Event.STOP]
    while events[-1] in (Event.STOP, Event.SLICE, Event.IDLE):
        events.append(cpu.cpu.run())
    over.set()
    thread.join()
    return events


def test_budget_ends_a_run_between_two_blocks_and_is_repeatable(cpu: Bench) -> None:
    """The same budgets give the same places; executed counts whole blocks."""

    def places() -> list[int]:
        cpu.load(0x91000442, SUBS_X0, BNE_BACK_2, SVC)
        cpu.cpu.set_reg(0, 100_000)
        cpu.cpu.set_reg(2, 0)
        seen = []
        while cpu.cpu.run(1000) is Event.SLICE:
            seen.append(cpu.cpu.get_reg(2))
        return seen

    first = places()
    before = cpu.cpu.executed
    assert places() == first
    assert len(first) in range(295, 302)
    assert cpu.cpu.executed - before == 300_001


def test_more_pages_than_the_emulators_tlb_has_entries(cpu: Bench) -> None:
    """A store to each of 4,096 pages, sixteen times over; the TLB grows by itself."""
    cpu.memory.map(0x1000_0000, 4096 << 12, RW)
    words = (
        0xD2820003,  # mov x3, #4096
        0xAA0103E2,  # mov x2, x1
        0xF9400044,  # ldr x4, [x2]
        0x91000484,  # add x4, x4, #1
        0xF9000044,  # str x4, [x2]
        0x91400442,  # add x2, x2, #1, lsl #12
        0xF1000463,  # subs x3, x3, #1
        0x54FFFF61,  # b.ne ldr
        0xF1000400,  # subs x0, x0, #1
        0x54FFFEE1,  # b.ne mov x3
        SVC,
    )
    assert cpu.run(*words, x0=16, x1=0x1000_0000) is Event.SYSCALL
    counts = {cpu.memory.read_u64(0x1000_0000 + (page << 12)) for page in range(4096)}
    assert counts == {16}


def test_saved_context_holds_every_kind_of_register(cpu: Bench) -> None:
    """General, vector, flags, thread pointer; a copy is independent."""
    machine = cpu.cpu
    machine.set_reg(7, 7)
    machine.set_reg(33, 0x6000_0000)
    machine.set_vec(31, (1 << 127) | 9)
    machine.set_system("tpidr", 0x1234)
    saved = machine.save()
    twin = machine.copy(saved)
    machine.set_saved_reg(twin, 7, 8)
    machine.set_reg(7, 0)
    machine.set_vec(31, 0)
    machine.set_system("tpidr", 0)
    machine.restore(saved)
    assert (machine.get_reg(7), machine.get_reg(33), machine.get_vec(31)) == (7, 0x6000_0000, (1 << 127) | 9)
    assert machine.get_system("tpidr") == 0x1234
    assert (machine.saved_reg(twin, 7), machine.saved_vec(twin, 31)) == (8, (1 << 127) | 9)


def test_hook_is_delivered_once_though_the_run_stops_there(cpu: Bench) -> None:
    """Stopping at a hook leaves its instruction unexecuted; the next run does not report it again."""
    seen: list[int] = []

    def callback(address: int) -> bool:
        seen.append(address)
        return True

    cpu.cpu.set_inline(callback)
    cpu.load(0x91000442, 0x91000442, SVC)
    cpu.cpu.set_reg(2, 0)
    cpu.cpu.add_hook(CODE + 4)
    assert cpu.cpu.run() is Event.HOOK
    assert (cpu.cpu.get_reg(32), cpu.cpu.get_reg(2)) == (CODE + 4, 1)
    cpu.cpu.skip_hook = CODE + 4
    assert cpu.cpu.run() is Event.SYSCALL
    assert (seen, cpu.cpu.get_reg(2)) == ([CODE + 4], 2)


def test_exception_in_a_callback_comes_out_of_run(cpu: Bench) -> None:
    """Callbacks must not raise into the emulator."""

    def callback(address: int) -> bool:
        raise ValueError(address)

    cpu.cpu.set_inline(callback)
    cpu.load(NOP, SVC)
    cpu.cpu.add_hook(CODE)
    with pytest.raises(ValueError, match=str(CODE)):
        cpu.cpu.run()
