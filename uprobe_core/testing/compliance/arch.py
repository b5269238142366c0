"""What every arch plugin must do; the steps and returns run on scripted tasks."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.architecture import Registers
from uprobe_core.probes.arch_ops import ArchOps, bind_arch
from uprobe_core.testing.compliance.manners import Manners
from uprobe_core.testing.fake_backend import FakeMachine
from uprobe_core.testing.fake_memory import XOL_BASE
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import ToyArch
from uprobe_core.types import Analysis, Policy, Verdict
from uprobe_core.utask import ReturnInstance, Utask

__all__ = ("ArchCompliance",)

PLACE, SLOT = 0x40_1000, XOL_BASE + 0x40
KERNEL, ANYWHERE = Policy("kernel"), Policy("anywhere")


class _Silent:
    """A handler that wants to know nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args, **_kwargs: None


def make_task(registers: Registers) -> FakeTask:
    """A task whose registers all differ, at PLACE, with a slot area."""
    task = FakeMachine(_Silent(), arch=ToyArch(registers)).start_process()
    task.regs = [0x1000_0000 + 0x10 * index for index in range(registers.count)]
    task.pc = PLACE
    task.space.create_xol_area(b"")
    return task


class ArchCompliance(Manners):
    """Required fixtures: ``arch`` and ``stepped``, ``simulated``, ``refused``, instructions as bytes."""

    stands = "uprobe_core.arch_hooks (docs/hooks.md) and uprobe_core.architecture"

    @pytest.fixture
    def arch(self) -> object:
        """The plugin object, with its hooks."""
        raise NotImplementedError("override the fixture 'arch'")

    @pytest.fixture
    def stepped(self) -> bytes:
        """An instruction that runs out of line; any that touches no memory."""
        raise NotImplementedError("override the fixture 'stepped'")

    @pytest.fixture
    def simulated(self) -> bytes:
        """An unconditional jump or another instruction that is simulated and moves PC."""
        raise NotImplementedError("override the fixture 'simulated'")

    @pytest.fixture
    def refused(self) -> bytes:
        """An instruction that policy=kernel refuses."""
        raise NotImplementedError("override the fixture 'refused'")

    @pytest.fixture
    def ops(self, arch: object) -> ArchOps:
        """Its operations, bound as a session binds them."""
        return bind_arch(arch)

    @pytest.fixture
    def task(self, ops: ArchOps) -> FakeTask:
        """A task at PLACE."""
        return make_task(ops.info.registers)

    @pytest.fixture
    def utask(self, ops: ArchOps, stepped: bytes) -> Utask:
        """The state of a hit at PLACE that has its slot."""
        analysis = ops.analyze_insn(stepped, PLACE, ANYWHERE)
        return Utask(vaddr=PLACE, xol_vaddr=SLOT, analysis=analysis, fault_code=7)

    # --- verdicts --------------------------------------------------------------------------------

    def test_the_breakpoint_fits_into_a_slot(self, ops: ArchOps) -> None:
        assert 0 < len(ops.info.breakpoint) <= ops.info.alignment
        assert max(ops.info.insn_sizes) <= ops.info.slot_bytes

    def test_it_is_always_the_same_architecture(self, arch: object) -> None:
        first, second = bind_arch(arch).info, bind_arch(arch).info
        for what in ("name", "breakpoint", "insn_sizes", "slot_bytes", "registers"):
            assert getattr(first, what) == getattr(second, what)

    def test_verdicts_are_what_the_fixtures_say(
        self, ops: ArchOps, stepped: bytes, simulated: bytes, refused: bytes
    ) -> None:
        assert ops.analyze_insn(stepped, PLACE, KERNEL).verdict is Verdict.STEP
        assert ops.analyze_insn(simulated, PLACE, KERNEL).verdict is Verdict.SIMULATE
        assert ops.analyze_insn(refused, PLACE, KERNEL).verdict is Verdict.REJECT

    def test_every_word_has_a_verdict_and_keeps_it(self, ops: ArchOps) -> None:
        """A walk over the encoding space with a large odd stride."""
        for number in range(2000):
            insn = (number * 0x9E37_79B1 % (1 << 32)).to_bytes(4, "little")[: ops.info.slot_bytes]
            for policy in (KERNEL, ANYWHERE):
                found = ops.analyze_insn(insn, PLACE, policy)
                assert isinstance(found, Analysis)
                assert isinstance(found.verdict, Verdict)
                assert found.size in ops.info.insn_sizes
                assert found.verdict is ops.analyze_insn(insn, PLACE, policy).verdict

    def test_every_verdict_says_why(
        self, ops: ArchOps, stepped: bytes, simulated: bytes, refused: bytes
    ) -> None:
        for insn in (stepped, simulated, refused):
            analysis = ops.analyze_insn(insn, PLACE, KERNEL)
            assert analysis.reason
            assert analysis.reason.isprintable(), "it is one line"
            assert analysis.insn_class
            assert analysis.word.to_bytes(len(insn), "little") == insn

    def test_a_refusal_names_its_errno(self, ops: ArchOps, refused: bytes) -> None:
        assert ops.analyze_insn(refused, PLACE, KERNEL).errno_name.startswith("E")

    def test_the_breakpoint_itself_is_refused_as_the_kernel_refuses_it(self, ops: ArchOps) -> None:
        """ENOTSUPP: there is a breakpoint already (install_breakpoint in kernel/events/uprobes.c)."""
        analysis = ops.analyze_insn(ops.info.breakpoint, PLACE, KERNEL)
        assert (analysis.verdict, analysis.errno_name) == (Verdict.REJECT, "ENOTSUPP")

    def test_a_misaligned_place_is_refused(self, ops: ArchOps, stepped: bytes) -> None:
        assert ops.analyze_insn(stepped, PLACE + 1, KERNEL).verdict is Verdict.REJECT

    def test_exactly_the_simulated_have_a_simulator(
        self, ops: ArchOps, stepped: bytes, simulated: bytes
    ) -> None:
        assert ops.analyze_insn(stepped, PLACE, ANYWHERE).simulate is None
        assert ops.analyze_insn(simulated, PLACE, ANYWHERE).simulate is not None

    # --- a step ----------------------------------------------------------------------------------

    def test_a_step_begins_in_the_slot_with_single_step_on(
        self, ops: ArchOps, task: FakeTask, utask: Utask
    ) -> None:
        assert ops.pre_xol(task, utask)
        assert (task.pc, task.stepping) == (SLOT, True)
        assert not ops.xol_was_trapped(utask)

    def test_a_changed_fault_code_means_trapped(self, ops: ArchOps, task: FakeTask, utask: Utask) -> None:
        ops.pre_xol(task, utask)
        utask.fault_code = 0
        assert ops.xol_was_trapped(utask)

    def test_a_completed_step_goes_on_behind_the_probed_instruction(
        self, ops: ArchOps, task: FakeTask, utask: Utask, stepped: bytes
    ) -> None:
        ops.pre_xol(task, utask)
        task.pc = SLOT + len(stepped)
        assert ops.post_xol(task, utask)
        assert (task.pc, task.stepping, utask.fault_code) == (PLACE + len(stepped), False, 7)

    def test_a_completed_step_changes_no_other_register(
        self, ops: ArchOps, task: FakeTask, utask: Utask, stepped: bytes
    ) -> None:
        """Neither do its flags: what the instruction did is all that is seen."""
        ops.pre_xol(task, utask)
        task.pc = SLOT + len(stepped)
        before = list(task.regs)
        ops.post_xol(task, utask)
        before[ops.info.registers.pc] = PLACE + len(stepped)
        assert task.regs == before

    def test_answers_are_yes_or_no_where_they_are_to_be(
        self, ops: ArchOps, task: FakeTask, utask: Utask
    ) -> None:
        analysis = utask.analysis
        assert analysis is not None
        assert ops.ignore(task, analysis) in {False, None}
        answers = [
            ops.skip_sstep(task, utask, analysis),
            ops.xol_copy(task.process, SLOT, analysis),
        ]
        answers += [ops.pre_xol(task, utask), ops.xol_was_trapped(utask), ops.post_xol(task, utask)]
        answers += [ops.is_alive(ReturnInstance(PLACE, 0x8000, PLACE, chained=False), 0x7000, False)]
        assert [type(each) for each in answers] == [bool] * len(answers)

    def test_an_aborted_step_leaves_no_trace(self, ops: ArchOps, task: FakeTask, utask: Utask) -> None:
        before = list(task.regs)
        ops.pre_xol(task, utask)
        utask.fault_code = 0
        assert ops.abort_xol(task, utask)
        assert (task.regs, task.stepping, utask.fault_code) == (before, False, 7)

    def test_two_tasks_step_at_once_without_meeting(self, ops: ArchOps, utask: Utask) -> None:
        """All step state lives in the utask."""
        one, other = (make_task(ops.info.registers) for _ in range(2))
        first = utask
        second = Utask(vaddr=PLACE + 0x20, xol_vaddr=SLOT + 8, analysis=utask.analysis)
        ops.pre_xol(one, first)
        ops.pre_xol(other, second)
        ops.abort_xol(other, second)
        ops.post_xol(one, first)
        assert (one.pc > PLACE, other.pc, other.stepping, one.stepping) == (True, PLACE + 0x20, False, False)

    def test_a_slot_is_written_once_and_flushed(
        self, ops: ArchOps, task: FakeTask, stepped: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flushed: list[int] = []
        monkeypatch.setattr(task.space, "flush", lambda address, _size: flushed.append(address))
        analysis = ops.analyze_insn(stepped, PLACE, ANYWHERE)
        assert ops.xol_copy(task.process, SLOT, analysis)
        assert task.process.read(SLOT, len(stepped)) == stepped
        assert not ops.xol_copy(task.process, SLOT, analysis)
        ops.xol_flush(task.process, SLOT)
        assert flushed == [SLOT]

    # --- simulation ------------------------------------------------------------------------------

    def test_a_simulated_instruction_needs_no_step(
        self, ops: ArchOps, task: FakeTask, utask: Utask, simulated: bytes
    ) -> None:
        task.space.map(None, PLACE)
        task.space.poke(PLACE, simulated)
        analysis = ops.analyze_insn(simulated, PLACE, ANYWHERE)
        assert ops.skip_sstep(task, utask, analysis)
        assert (task.pc != PLACE, task.stepping) == (True, False)

    def test_a_stepped_instruction_is_left_to_the_step(
        self, ops: ArchOps, task: FakeTask, utask: Utask, stepped: bytes
    ) -> None:
        before = list(task.regs)
        analysis: Analysis = ops.analyze_insn(stepped, PLACE, ANYWHERE)
        assert not ops.skip_sstep(task, utask, analysis)
        assert task.regs == before

    # --- return probes ---------------------------------------------------------------------------

    def test_hijacking_swaps_the_return_address_and_nothing_else(self, ops: ArchOps, task: FakeTask) -> None:
        back = ops.return_address(task)
        before = list(task.regs)
        assert ops.hijack_return_addr(task, XOL_BASE) == back
        assert ops.return_address(task) == XOL_BASE
        assert sum(old != new for old, new in zip(before, task.regs, strict=True)) <= 1

    def test_reading_registers_changes_none(self, ops: ArchOps, task: FakeTask) -> None:
        before = list(task.regs)
        ops.return_address(task)
        assert task.regs == before

    def test_a_frame_is_alive_below_its_caller_and_dead_above(self, ops: ArchOps) -> None:
        frame = ReturnInstance(PLACE, 0x8000, PLACE, chained=False)
        assert ops.is_alive(frame, 0x7000, False)
        assert ops.is_alive(frame, 0x7000, True)
        assert not ops.is_alive(frame, 0x9000, False)
        assert not ops.is_alive(frame, 0x9000, True)

    def test_at_its_own_entry_a_frame_is_alive_only_for_a_chained_call(self, ops: ArchOps) -> None:
        """A tail call enters with the caller's stack pointer (arch_uretprobe_is_alive, arm64)."""
        frame = ReturnInstance(PLACE, 0x8000, PLACE, chained=False)
        assert ops.is_alive(frame, 0x8000, True)
        assert not ops.is_alive(frame, 0x8000, False)

    # --- names -----------------------------------------------------------------------------------

    def test_every_register_that_has_a_part_to_play_is_one(self, ops: ArchOps) -> None:
        registers = ops.info.registers
        named = [registers.sp, registers.pc, registers.result, *registers.arguments]
        named += [number for number in (registers.link, registers.frame) if number is not None]
        assert {*named, *registers.names.values()} <= set(range(registers.count))
        assert len({registers.sp, registers.pc, registers.result}) == 3

    def test_sp_and_pc_have_names_and_nonsense_has_none(self, ops: ArchOps) -> None:
        registers = ops.info.registers
        assert registers.names.get("sp") == registers.sp
        assert registers.names.get("pc") == registers.pc
        assert "no-such-register" not in registers.names

    def test_the_verdict_says_how_long_the_instruction_is(
        self, ops: ArchOps, stepped: bytes, simulated: bytes, refused: bytes
    ) -> None:
        for insn in (stepped, simulated, refused):
            found = ops.analyze_insn(insn.ljust(ops.info.slot_bytes, b"\0"), PLACE, ANYWHERE)
            assert found.size == len(insn)
            assert found.size in ops.info.insn_sizes
