"""The arch operations around a hit, on a task and a process that only remember."""

from __future__ import annotations

from typing import Any

import pluggy
import pytest
from uprobe_arm64 import Arm64Arch

from uprobe_core.arch_hooks import PROJECT, ArchHooks
from uprobe_core.types import Access, FaultKind, MemoryFault, Policy, Verdict
from uprobe_core.utask import POISONED_FAULT_CODE, ReturnInstance, Utask

VADDR, SLOT, TRAMPOLINE = 0x40_0100, 0x7FFF_F004, 0x7FFF_F000
ANYWHERE = Policy("anywhere")


class Process:
    """A process whose slots are a dictionary; remembers what it is asked."""

    def __init__(self) -> None:
        self.slots: dict[int, bytes] = {}
        self.log: list[tuple[Any, ...]] = []

    def read(self, address: int, size: int) -> bytes:
        if address >= SLOT:
            return self.slots.get(address, bytes(size))
        raise MemoryFault(address, Access.READ)

    def write_slot(self, address: int, insn: bytes) -> None:
        self.slots[address] = insn
        self.log.append(("write_slot", address))

    def flush(self, address: int, size: int) -> None:
        self.log.append(("flush", address, size))


@pytest.fixture
def task(regs: Any) -> Any:
    """A task at the probed address, not single-stepping."""
    regs.process = Process()
    regs.stepping = False

    def single_step(on: bool) -> None:
        regs.stepping = on

    regs.single_step = single_step
    regs.regs[regs.PC] = VADDR
    return regs


@pytest.fixture
def utask() -> Utask:
    """A hit at VADDR that has a slot, with a fault code from before."""
    return Utask(vaddr=VADDR, xol_vaddr=SLOT, fault_code=0x92000007)


@pytest.fixture
def arch() -> Arm64Arch:
    """The plugin itself; pluggy is not needed to call it."""
    return Arm64Arch()


def insn(word: int) -> bytes:
    return word.to_bytes(4, "little")


def test_the_plugin_implements_every_specified_operation_and_no_other() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ArchHooks)
    manager.register(Arm64Arch())
    manager.check_pending()
    specified = [name for name in vars(ArchHooks) if not name.startswith("_")]
    missing = [name for name in specified if not getattr(manager.hook, name).get_hookimpls()]
    assert missing == []


def test_the_breakpoint_is_brk_5(arch: Arm64Arch) -> None:
    assert arch.architecture().breakpoint == bytes.fromhex("a00020d4")
    assert arch.architecture().slot_bytes == 4


@pytest.mark.parametrize(
    ("name", "index"),
    [("x0", 0), ("x29", 29), ("x30", 30), ("lr", 30), ("sp", 31), ("pc", 32), ("pstate", 33)],
)
def test_register_names_are_the_kernels(arch: Arm64Arch, name: str, index: int) -> None:
    assert arch.architecture().registers.names[name] == index


@pytest.mark.parametrize("name", ["w0", "fp", "x31", "xzr", "wsp", "x01", "X0", "v0", "", "ip0"])
def test_other_register_names_are_unknown(arch: Arm64Arch, name: str) -> None:
    assert name not in arch.architecture().registers.names


def test_eight_arguments_are_in_registers(arch: Arm64Arch) -> None:
    registers = arch.architecture().registers
    assert [registers.argument(number) for number in range(1, 9)] == list(range(8))
    assert registers.argument(9) is None
    assert registers.argument(0) is None


def test_analysis_decodes_the_first_instruction(arch: Arm64Arch) -> None:
    analysis = arch.analyze_insn(insn(0x14000004) + b"more", VADDR, ANYWHERE)
    assert (analysis.word, analysis.insn_class, analysis.verdict) == (0x14000004, "B", Verdict.SIMULATE)


def test_a_simulated_instruction_needs_no_step(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    analysis = arch.analyze_insn(insn(0x14000004), VADDR, ANYWHERE)  # b .+16
    assert arch.skip_sstep(task, utask, analysis) is True
    assert task.regs[task.PC] == VADDR + 16


def test_a_stepped_instruction_is_left_alone(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    analysis = arch.analyze_insn(insn(0x91000400), VADDR, ANYWHERE)  # add x0, x0, #1
    before = task.copy()
    assert arch.skip_sstep(task, utask, analysis) is False
    assert task.changes(before) == {}


def test_a_simulation_that_faults_leaves_the_pc(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    analysis = arch.analyze_insn(insn(0x58000040), VADDR, ANYWHERE)  # ldr x0, .+8
    with pytest.raises(MemoryFault):
        arch.skip_sstep(task, utask, analysis)
    assert task.regs[task.PC] == VADDR


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        (0xD4200020, FaultKind.BREAKPOINT),  # brk #1
        (0xD42000A0, FaultKind.BREAKPOINT),  # brk #5
        (0x00000000, FaultKind.UNDEFINED),  # udf #0
        (0xD4400000, FaultKind.UNDEFINED),  # hlt #0
        (0xD4000002, FaultKind.UNDEFINED),  # hvc #0
        (0xD4000003, FaultKind.UNDEFINED),  # smc #0
        (0xD4A00001, FaultKind.UNDEFINED),  # dcps1
    ],
)
def test_an_instruction_that_is_an_exception_raises_it_from_its_own_address(
    arch: Arm64Arch, task: Any, utask: Utask, word: int, kind: FaultKind
) -> None:
    analysis = arch.analyze_insn(insn(word), VADDR, ANYWHERE)
    before = task.copy()
    with pytest.raises(MemoryFault) as caught:
        arch.skip_sstep(task, utask, analysis)
    assert (caught.value.kind, caught.value.address) == (kind, VADDR)
    assert task.changes(before) == {}


def test_a_slot_is_written_once_for_the_same_instruction(arch: Arm64Arch, task: Any) -> None:
    add, sub = (arch.analyze_insn(insn(word), VADDR, ANYWHERE) for word in (0x91000400, 0xD1000400))
    assert arch.xol_copy(task.process, SLOT, add) is True
    assert arch.xol_copy(task.process, SLOT, add) is False
    assert arch.xol_copy(task.process, SLOT, sub) is True
    assert task.process.slots[SLOT] == insn(0xD1000400)


def test_flushing_covers_the_slot_and_no_more(arch: Arm64Arch, task: Any) -> None:
    assert arch.xol_flush(task.process, SLOT) is True
    assert task.process.log == [("flush", SLOT, 4)]


def test_pre_xol_goes_to_the_slot_with_a_poisoned_fault_code(
    arch: Arm64Arch, task: Any, utask: Utask
) -> None:
    assert arch.pre_xol(task, utask) is True
    assert (task.regs[task.PC], task.stepping) == (SLOT, True)
    assert (utask.fault_code, utask.saved_fault_code) == (POISONED_FAULT_CODE, 0x92000007)
    assert utask.vaddr == VADDR


def test_post_xol_goes_on_behind_the_probed_instruction(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    arch.pre_xol(task, utask)
    task.regs[task.PC] = SLOT + 4
    assert arch.post_xol(task, utask) is True
    assert (task.regs[task.PC], task.stepping, utask.fault_code) == (VADDR + 4, False, 0x92000007)


def test_abort_xol_restores_everything_that_pre_xol_changed(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    before = task.copy()
    arch.pre_xol(task, utask)
    assert arch.abort_xol(task, utask) is True
    assert task.changes(before) == {}
    assert (task.stepping, utask.fault_code, utask.vaddr) == (False, 0x92000007, VADDR)


def test_a_step_that_cannot_be_switched_on_changes_nothing(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    def refuse(on: bool) -> None:
        raise RuntimeError("no single step")

    task.single_step = refuse
    before = task.copy()
    with pytest.raises(RuntimeError):
        arch.pre_xol(task, utask)
    assert task.changes(before) == {}
    assert utask.fault_code == 0x92000007


def test_a_changed_fault_code_means_that_the_copy_faulted(arch: Arm64Arch, task: Any, utask: Utask) -> None:
    arch.pre_xol(task, utask)
    assert arch.xol_was_trapped(utask) is False
    utask.fault_code = 0x92000006
    assert arch.xol_was_trapped(utask) is True


def test_two_tasks_step_the_same_slot_without_knowing_of_each_other(
    arch: Arm64Arch, task: Any, registers_type: Any
) -> None:
    first, second = Utask(vaddr=VADDR, xol_vaddr=SLOT), Utask(vaddr=VADDR + 0x100, xol_vaddr=SLOT)
    other = registers_type()
    other.single_step = lambda on: None
    arch.pre_xol(task, first)
    arch.pre_xol(other, second)
    arch.post_xol(task, first)
    arch.abort_xol(other, second)
    assert (task.regs[task.PC], other.regs[other.PC]) == (VADDR + 4, VADDR + 0x100)


def test_hijack_swaps_the_link_register(arch: Arm64Arch, task: Any) -> None:
    original = task.regs[30]
    before = task.copy()
    assert arch.return_address(task) == original
    assert arch.hijack_return_addr(task, TRAMPOLINE) == original
    assert task.changes(before) == {"x30": TRAMPOLINE}


@pytest.mark.parametrize(
    ("sp", "chained", "alive"),
    [(0xFF0, False, True), (0x1000, False, False), (0x1000, True, True), (0x1010, True, False)],
)
def test_a_frame_is_alive_below_its_entry_sp_or_at_it_when_chained(
    arch: Arm64Arch, sp: int, chained: bool, alive: bool
) -> None:
    instance = ReturnInstance(0, 0x1000, 0, chained)
    assert arch.is_alive(instance, sp, chained) is alive


def test_arm64_neither_ignores_nor_optimizes(arch: Arm64Arch, task: Any) -> None:
    analysis = arch.analyze_insn(insn(0x91000400), VADDR, ANYWHERE)
    assert arch.ignore(task, analysis) is False
    assert arch.optimize(task, analysis, VADDR) is False
