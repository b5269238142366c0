"""The part of the suite for backends that is about breakpoints, slots and steps."""

from __future__ import annotations

from typing import Any

from uprobe_core.backend import Backend, Task
from uprobe_core.testing.compliance.backend_rig import (
    ADD,
    FIRST,
    PC,
    SIZE,
    SWBP,
    WORK,
    BackendFixtures,
    Rig,
    Slots,
    multiply,
    needs,
)
from uprobe_core.testing.tiny_elf import CALLS, OWN_TRAP, SEGFAULT
from uprobe_core.types import Access, FaultKind, Mode, TrapResult

__all__ = ("BackendTraps",)


class BackendTraps(BackendFixtures):
    """Breakpoints, and displaced instructions stepped in slots."""

    stands = (
        "uprobe_core.backend (Process, Task.single_step, ProbeHandler.on_trap"
        " and on_step_...), on one page in docs/contracts.md"
    )

    def test_a_trap_is_told_with_pc_at_it_and_a_moved_pc_is_where_the_task_goes(self, trapping: Rig) -> None:
        def act(task: Task, address: int) -> TrapResult:
            trapping.handler.saw.append((task.get_reg(FIRST), task.get_reg(PC)))
            return multiply(task, address)

        trapping.handler.on["trap"] = act
        assert trapping.run().code == 150
        assert trapping.handler.saw == [(n, WORK) for n in (5, 4, 3, 2, 1)]

    def test_a_trap_that_is_not_ours_is_the_programs(self, rig: Any) -> None:
        made = rig(OWN_TRAP)
        status = made.run()
        assert status.signal == 5
        assert made.handler.addresses("trap") == [OWN_TRAP.address("trap")]

    def test_inserting_twice_is_inserting_once(self, trapping: Rig) -> None:
        trapping.process.insert_trap(WORK, SWBP, visible=False)
        trapping.process.remove_trap(WORK)
        assert trapping.run().code == 150
        assert trapping.handler.log == []

    def test_removing_what_is_not_there_does_nothing(self, rig: Any) -> None:
        made = rig(CALLS)
        made.process.remove_trap(WORK)
        made.process.remove_inline(WORK)
        assert made.run().code == 150

    def test_a_trap_can_be_removed_at_its_hit(self, trapping: Rig) -> None:
        def act(task: Task, address: int) -> TrapResult:
            task.process.remove_trap(address)
            return TrapResult.HANDLED

        trapping.handler.on["trap"] = act
        assert trapping.run().code == 150
        assert len(trapping.handler.log) == 1

    def test_a_trap_can_be_placed_at_another_ones_hit(self, trapping: Rig) -> None:
        """The code there has run before: stale translations would miss it."""

        def act(task: Task, address: int) -> TrapResult:
            if address == WORK:
                task.process.insert_trap(ADD, SWBP, visible=False)
                return multiply(task, address)
            task.process.remove_trap(ADD)
            return TrapResult.HANDLED

        trapping.handler.on["trap"] = act
        assert trapping.run().code == 150
        assert trapping.handler.addresses("trap").count(ADD) == 5

    def test_a_visible_trap_is_what_the_program_reads(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(CALLS)
        before = made.word(WORK)
        made.process.insert_trap(WORK, SWBP, visible=True)
        assert made.word(WORK) == SWBP
        made.process.remove_trap(WORK)
        assert made.word(WORK) == before

    def test_an_invisible_trap_is_not(self, backend: Backend, trapping: Rig) -> None:
        needs(backend.capabilities.invisible_traps, "invisible traps")
        assert trapping.word(WORK) == CALLS.code("work")

    # --- slots and steps ---------------------------------------------------------------------------

    def test_a_displaced_instruction_runs_in_a_slot(self, trapping: Rig) -> None:
        original = CALLS.code("work")
        slots = Slots(trapping, lambda _address: original)
        assert trapping.run().code == 150
        assert len(trapping.handler.addresses("step")) == 5
        assert slots.stepped == [WORK] * 5
        assert slots.went == [SIZE] * 5

    def test_a_slot_that_is_reused_runs_its_new_instruction_after_a_flush(self, trapping: Rig) -> None:
        trapping.process.insert_trap(ADD, SWBP, visible=False)
        code = {CALLS.address(name): CALLS.code(name) for name in ("work", "add")}
        slots = Slots(trapping, code.__getitem__)
        assert trapping.run().code == 150
        assert slots.stepped == [WORK, ADD] * 5

    def test_a_step_that_faults_tells_what_and_where(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(SEGFAULT)
        load = SEGFAULT.address("load")
        made.process.insert_trap(load, SWBP, visible=False)
        word = SEGFAULT.code("load")
        slots = Slots(made, lambda _address: word)
        assert made.run().signal == 11
        assert made.handler.addresses("step") == []
        (fault,) = slots.faults
        needs(backend.capabilities.faults, "details of faults")
        assert (fault.kind, fault.address, fault.access) == (FaultKind.MAPERR, 16, Access.READ)

    def test_a_step_whose_fault_is_mended_can_be_taken_again(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(SEGFAULT)
        load = SEGFAULT.address("load")
        made.process.insert_trap(load, SWBP, visible=False)
        word = SEGFAULT.code("load")
        slots = Slots(made, lambda _address: word, mend=lambda task: task.set_reg(FIRST, load & ~7))
        assert made.run().signal == 0
        assert (len(slots.faults), len(made.handler.addresses("step"))) == (1, 1)

    def test_the_step_of_a_system_call_is_told_before_the_call_is_made(
        self, backend: Backend, rig: Any
    ) -> None:
        """The only one that the program makes, which ends it."""
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        needs(backend.capabilities.steps_before_calls, "step that is told before its system call")
        made = rig(CALLS)
        made.process.insert_trap(CALLS.address("svc"), SWBP, visible=False)
        slots = Slots(made, lambda _address: CALLS.code("svc"))

        def step(task: Task) -> None:
            made.handler.saw.append(made.machine.statistics()["syscalls"])
            slots.end(task)

        made.handler.on["step"] = step
        assert made.run().code == 150
        assert (made.handler.saw, slots.went) == ([0], [SIZE])
