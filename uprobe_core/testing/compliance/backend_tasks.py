"""The part of the suite for backends that is about tasks: registers, names, clocks, in every mode."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from uprobe_core.backend import Backend, Task
from uprobe_core.testing.compliance.backend_rig import (
    BACK,
    FIRST,
    PC,
    REGISTERS,
    SECOND,
    SIZE,
    SWBP,
    WORK,
    BackendFixtures,
    Hitting,
    multiply,
    needs,
)
from uprobe_core.testing.tiny_elf import CALLS, FLAGS, TLS
from uprobe_core.types import Fault, FaultKind, Mode, TrapResult

__all__ = ("BackendTasks",)

NUMBERED = [number for name, number in REGISTERS.names.items() if name[-1].isdecimal()]
ZERO_FLAG = 1 << 30
"""Z of the condition flags (Arm ARM C5.2.10)."""
ALL_FLAGS = tuple(1 << bit for bit in (28, 29, 30, 31))
"""V, C, Z, N."""


class BackendTasks(BackendFixtures):
    """What a callback reads and writes of the task that it is about."""

    stands = (
        "uprobe_core.backend (Task, ProbeHandler.on_trap) and"
        " uprobe_core.architecture (Registers), on one page in docs/contracts.md"
    )

    def test_all_registers_can_be_read_and_written(self, hitting: Hitting) -> None:
        def act(task: Task, _address: int) -> None:
            before = {index: task.get_reg(index) for index in NUMBERED}
            for base in (REGISTERS.mask // 3, REGISTERS.mask - 100):
                for index in NUMBERED:
                    task.set_reg(index, base + index)
                assert [task.get_reg(i) for i in NUMBERED] == [base + i for i in NUMBERED]
            assert task.get_reg(REGISTERS.sp) % 16 == 0
            for index, value in before.items():
                task.set_reg(index, value)

        assert hitting.open(CALLS, act).run().code == 150

    def test_a_written_register_is_the_programs(self, hitting: Hitting) -> None:
        made = hitting.open(CALLS, lambda task, _address: task.set_reg(SECOND, 2))
        assert made.run().code == 30

    def test_a_register_that_is_written_stays_written(self, hitting: Hitting) -> None:
        """Of every register that the program does not use itself, to the next hit."""
        unused = [index for index in NUMBERED if index not in {FIRST, SECOND, 8, 19, 20, REGISTERS.link}]
        seen: list[list[int]] = []

        def act(task: Task, _address: int) -> None:
            seen.append([task.get_reg(index) for index in unused])
            for index in unused:
                task.set_reg(index, 1000 * len(seen) + index)

        hitting.open(CALLS, act).run()
        assert seen[1:] == [[1000 * n + index for index in unused] for n in range(1, 5)]

    def test_a_written_stack_pointer_is_the_programs(self, hitting: Hitting) -> None:
        seen: list[int] = []

        def act(task: Task, _address: int) -> None:
            seen.append(task.get_reg(REGISTERS.sp))
            task.set_reg(REGISTERS.sp, seen[-1] - 16)

        hitting.open(CALLS, act).run()
        assert seen == [seen[0] - 16 * n for n in range(5)]

    def test_a_written_flag_is_the_programs(self, hitting: Hitting) -> None:
        """The comparison comes out equal, and the branch after the hit is not taken."""
        flags = REGISTERS.names["pstate"]
        made = hitting.open(
            FLAGS, lambda task, _: task.set_reg(flags, task.get_reg(flags) & ~ZERO_FLAG), label="mark"
        )
        assert made.run().code == 7

    def test_flags_are_read_as_the_program_has_them(self, hitting: Hitting) -> None:
        seen: list[int] = []
        flags = REGISTERS.names["pstate"]
        made = hitting.open(FLAGS, lambda task, _: seen.append(task.get_reg(flags) & ZERO_FLAG), label="mark")
        assert made.run().code == 9
        assert seen == [ZERO_FLAG]

    def test_each_flag_can_be_written(self, hitting: Hitting) -> None:
        flags, seen = REGISTERS.names["pstate"], []

        def act(task: Task, _address: int) -> None:
            before = task.get_reg(flags)
            for one in ALL_FLAGS:
                task.set_reg(flags, before & ~sum(ALL_FLAGS) | one)
                seen.append(task.get_reg(flags) & sum(ALL_FLAGS))
            task.set_reg(flags, before)

        assert hitting.open(CALLS, act).run().code == 150
        assert seen == list(ALL_FLAGS) * 5

    def test_a_hit_leaves_the_register_of_the_threads_own_data(self, hitting: Hitting) -> None:
        assert hitting.open(TLS, label="mark").run().code == 42

    def test_the_pc_is_the_probed_instruction(self, hitting: Hitting) -> None:
        seen: list[tuple[int, int]] = []
        hitting.open(CALLS, lambda task, address: seen.append((task.get_reg(PC), address))).run()
        assert seen == [(WORK, WORK)] * 5

    def test_a_pc_that_is_moved_skips_what_lies_between(self, hitting: Hitting) -> None:
        made = hitting.open(CALLS, lambda task, address: task.set_reg(PC, address + SIZE))
        assert made.run().code == 15

    def test_vector_registers_can_be_read_and_written_and_stay(
        self, backend: Backend, hitting: Hitting
    ) -> None:
        needs(backend.capabilities.vectors, "vectors")
        value = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210
        seen: list[tuple[int, int]] = []

        def act(task: Task, _address: int) -> None:
            seen.append((task.get_vec(0), task.get_vec(31)))
            task.set_vec(0, value)
            task.set_vec(31, ~value & (1 << 128) - 1)

        assert hitting.open(CALLS, act).run().code == 150
        assert set(seen[1:]) == {(value, ~value & (1 << 128) - 1)}

    def test_the_current_task_is_the_one_of_the_callback(self, hitting: Hitting) -> None:
        seen: list[bool] = []
        made = hitting.open(CALLS, lambda task, _address: seen.append(made.machine.current is task))
        made.run()
        assert seen == [True] * 5

    def test_a_task_is_one_object_and_so_is_its_process(self, hitting: Hitting) -> None:
        made = hitting.open(CALLS)
        process = made.process
        made.run()
        assert len({id(task) for task, _ in hitting.hits}) == 1
        assert {id(task.process) for task, _ in hitting.hits} == {id(process)}
        assert len({task for task, _ in hitting.hits}) == 1

    def test_a_task_has_a_name_and_numbers(self, hitting: Hitting) -> None:
        seen: list[Any] = []
        hitting.open(
            CALLS,
            lambda task, _: seen.append((task.comm, task.tid == task.process.pid, task.tid > 0, task.cpu())),
        ).run()
        assert seen == [("program", True, True, 0)] * 5

    def test_a_long_name_is_cut_where_a_kernel_cuts_it(self, hitting: Hitting) -> None:
        seen: list[str] = []
        hitting.open(CALLS, lambda task, _: seen.append(task.comm), name="of-more-than-fifteen-bytes").run()
        assert seen == ["of-more-than-fi"] * 5

    def test_the_clock_never_runs_backwards_and_runs(self, hitting: Hitting) -> None:
        seen: list[int] = []
        hitting.open(CALLS, lambda task, _address: seen.append(task.clock())).run()
        assert all(type(each) is int for each in seen)
        assert seen == sorted(seen)
        assert seen[0] > 0
        assert seen[-1] > seen[0]

    def test_work_is_the_number_of_executed_instructions(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.work, "exact work")
        seen: list[int] = []
        hitting.open(CALLS, lambda task, _address: seen.append(task.work())).run()
        # mul, ret, add, subs, b.ne, mov, mov, bl; what a trap's handler does by hand is not executed
        executed = 7 if hitting.mode is Mode.TRAP else 8
        assert [after - before for before, after in pairwise(seen)] == [executed] * 4

    # --- what a trap may answer ----------------------------------------------------------------------------

    def test_a_trap_may_say_that_the_instruction_was_simulated(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(CALLS)
        made.process.insert_trap(WORK, SWBP, visible=False)

        worked: list[int] = []

        def act(task: Task, address: int) -> TrapResult:
            worked.append(task.work() if backend.capabilities.work else 8 * len(worked))
            multiply(task, address)
            return TrapResult.SIMULATED

        made.handler.on["trap"] = act
        assert made.run().code == 150
        assert [after - before for before, after in pairwise(worked)] == [8] * 4

    def test_a_fault_that_a_trap_answers_is_the_programs(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(CALLS)
        made.process.insert_trap(WORK, SWBP, visible=False)
        made.handler.on["trap"] = lambda _task, address: Fault(FaultKind.MAPERR, address, 0x10)
        assert made.run().signal == 11

    def test_a_trap_in_the_area_is_told(self, backend: Backend, rig: Any) -> None:
        """Returns are hijacked so: the trampoline is where the area begins."""
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(CALLS)
        made.process.insert_trap(WORK, SWBP, visible=False)
        area, _size, _stride = made.process.create_xol_area(SWBP)

        def act(task: Task, address: int) -> TrapResult:
            if address == area:
                task.set_reg(PC, BACK)
                return TrapResult.HANDLED
            assert REGISTERS.link is not None
            task.set_reg(REGISTERS.link, area)
            return multiply(task, address)

        made.handler.on["trap"] = act
        assert made.run().code == 150
        assert made.handler.addresses("trap") == [WORK, area] * 5
