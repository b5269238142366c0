"""What every backend must do; it runs programs of a dozen instructions that need no compiler."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Backend, ExitStatus, Machine, Process, Target, Task
from uprobe_core.errors import TargetError
from uprobe_core.testing.compliance.backend_handler import ScriptedHandler
from uprobe_core.testing.tiny_elf import CALLS, OWN_TRAP, SEGFAULT, SPIN, WRITES_OWN_TEXT, TinyProgram
from uprobe_core.types import Access, FaultKind, MemoryFault, Mode, Register, Returns, TrapResult

__all__ = ("BackendCompliance", "Rig")

PC = Register.PC
SWBP = 0xD42000A0.to_bytes(4, "little")
"""BRK #5."""
WORK, BACK, CALL, ADD = (CALLS.address(label) for label in ("work", "back", "call", "add"))


class Rig:
    """A backend with one program opened."""

    def __init__(self, backend: Backend, folder: Path, program: TinyProgram) -> None:
        self.program = program
        self.path = folder / "program"
        self.path.write_bytes(program.elf())
        self.path.chmod(0o755)
        self.handler = ScriptedHandler()
        self.machine: Machine = backend.open(
            Target(argv=[str(self.path)], env={}, cwd=str(folder)), self.handler
        )

    @property
    def process(self) -> Process:
        """The only process."""
        (process,) = self.machine.processes()
        return process

    def word(self, address: int) -> bytes:
        """The four bytes of the guest's data view at *address*."""
        return self.process.read(address, 4)

    def run(self) -> ExitStatus:
        """Run to the end."""
        return self.machine.run()


def multiply(task: Task, address: int) -> TrapResult:
    """Do what ``work`` begins with, by hand."""
    task.set_reg(0, task.get_reg(0) * task.get_reg(1))
    task.set_reg(PC, address + 4)
    return TrapResult.HANDLED


class BackendCompliance:
    """Required fixture: ``backend``.  Tests of what it does not claim in its capabilities are skipped."""

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test."""
        raise NotImplementedError("override the fixture 'backend'")

    @pytest.fixture
    def rig(self, backend: Backend, tmp_path: Path) -> Any:
        """Open a program: ``rig(CALLS)``."""
        made: list[Rig] = []

        def make(program: TinyProgram) -> Rig:
            made.append(Rig(backend, tmp_path, program))
            return made[-1]

        yield make
        for each in made:
            each.machine.close()

    @pytest.fixture
    def trapping(self, backend: Backend, rig: Any) -> Rig:
        """CALLS with a breakpoint at ``work``."""
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made: Rig = rig(CALLS)
        made.process.insert_trap(WORK, SWBP, visible=False)
        return made

    @pytest.fixture
    def inlining(self, backend: Backend, rig: Any) -> Rig:
        """CALLS with an inline probe at ``work``."""
        needs(Mode.INLINE in backend.capabilities.modes, "mode inline")
        made: Rig = rig(CALLS)
        made.process.insert_inline(WORK)
        return made

    # --- the program -----------------------------------------------------------------------------

    def test_it_has_the_members_of_the_contract(self, backend: Backend) -> None:
        assert isinstance(backend, Backend)
        assert backend.name
        assert backend.capabilities.modes
        assert backend.capabilities.returns

    def test_hijacked_returns_need_traps(self, backend: Backend) -> None:
        """The trampoline is a breakpoint."""
        if Returns.HIJACK in backend.capabilities.returns:
            assert Mode.TRAP in backend.capabilities.modes

    def test_a_program_runs_to_its_own_exit_status(self, rig: Any) -> None:
        assert rig(CALLS).run() == ExitStatus(code=150)

    def test_a_program_that_is_killed_says_by_what(self, rig: Any) -> None:
        status = rig(SEGFAULT).run()
        assert (status.signal, status.shell_status) == (11, 139)

    def test_a_missing_program_is_status_127(self, backend: Backend, tmp_path: Path) -> None:
        with pytest.raises(TargetError) as caught:
            backend.open(Target(argv=[str(tmp_path / "none")]), ScriptedHandler())
        assert caught.value.exit_status == 127

    def test_a_file_that_is_no_program_is_status_126(self, backend: Backend, tmp_path: Path) -> None:
        path = tmp_path / "text"
        path.write_bytes(b"\x7fELF but not really" * 10)
        path.chmod(0o755)
        with pytest.raises(TargetError) as caught:
            backend.open(Target(argv=[str(path)]), ScriptedHandler())
        assert caught.value.exit_status == 126

    def test_opening_tells_of_the_programs_mapping(self, rig: Any) -> None:
        made = rig(CALLS)
        _host, identity = made.machine.resolve(str(made.path))
        places = [m.address_of(CALLS.offset("work")) for _, m in made.handler.mapped if m.file == identity]
        assert places == [WORK]

    def test_the_identity_of_a_file_is_the_hosts(self, rig: Any) -> None:
        made = rig(CALLS)
        _host, identity = made.machine.resolve(str(made.path))
        status = os.stat(made.path)
        assert (identity.device, identity.inode) == (status.st_dev, status.st_ino)

    def test_an_unknown_path_cannot_be_resolved(self, rig: Any) -> None:
        with pytest.raises(TargetError):
            rig(CALLS).machine.resolve("/no/such/file/anywhere")

    def test_nothing_has_run_when_it_is_opened(self, rig: Any) -> None:
        assert rig(CALLS).handler.log == []

    def test_the_end_of_a_task_is_told(self, rig: Any) -> None:
        made = rig(CALLS)
        made.run()
        assert len(made.handler.exited) == 1

    def test_closing_twice_is_allowed(self, rig: Any) -> None:
        made = rig(CALLS)
        made.run()
        made.machine.close()
        made.machine.close()

    def test_statistics_are_numbers_by_name(self, rig: Any) -> None:
        made = rig(CALLS)
        made.run()
        numbers = made.machine.statistics()
        assert all(isinstance(value, int) for value in numbers.values())
        assert {"syscalls", "unknown-syscalls"} <= set(numbers)

    # --- memory ------------------------------------------------------------------------------------

    def test_memory_is_what_the_file_says(self, rig: Any) -> None:
        assert rig(CALLS).word(WORK) == CALLS.words[CALLS.labels["work"]].to_bytes(4, "little")

    def test_memory_that_is_not_there_faults_with_its_address(self, rig: Any) -> None:
        process = rig(CALLS).process
        for attempt in (process.read, lambda address, size: process.poke(address, bytes(size))):
            with pytest.raises(MemoryFault) as caught:
                attempt(0x10, 4)
            assert caught.value.address == 0x10

    def test_write_respects_permissions_and_poke_does_not(self, rig: Any) -> None:
        made = rig(CALLS)
        with pytest.raises(MemoryFault):
            made.process.write(WORK, b"\0" * 4)
        made.process.poke(WORK + 8, b"\x12\x34\x56\x78")
        assert made.word(WORK + 8) == b"\x12\x34\x56\x78"

    def test_it_says_what_an_access_would_raise(self, rig: Any) -> None:
        process = rig(CALLS).process
        assert process.fault_for(WORK, Access.READ) is None
        assert process.fault_for(WORK, Access.FETCH) is None
        write, read = process.fault_for(WORK, Access.WRITE), process.fault_for(0x10, Access.READ)
        assert write is not None
        assert read is not None
        assert (write.kind, read.kind) == (FaultKind.ACCERR, FaultKind.MAPERR)

    def test_mappings_are_sorted_and_hold_the_text(self, rig: Any) -> None:
        mappings = rig(CALLS).process.mappings()
        assert list(mappings) == sorted(mappings, key=lambda m: m.start)
        assert any(m.start <= WORK < m.end and m.executable for m in mappings)

    # --- traps -------------------------------------------------------------------------------------

    def test_a_trap_is_told_with_pc_at_it_and_a_moved_pc_is_where_the_task_goes(self, trapping: Rig) -> None:
        def act(task: Task, address: int) -> TrapResult:
            trapping.handler.saw.append((task.get_reg(0), task.get_reg(PC)))
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
        assert trapping.word(WORK) == CALLS.words[CALLS.labels["work"]].to_bytes(4, "little")

    # --- slots and steps ---------------------------------------------------------------------------

    def test_a_displaced_instruction_runs_in_a_slot(self, trapping: Rig) -> None:
        original = CALLS.words[CALLS.labels["work"]].to_bytes(4, "little")
        slots = Slots(trapping, lambda _address: original)
        assert trapping.run().code == 150
        assert len(trapping.handler.addresses("step")) == 5
        assert slots.stepped == [WORK] * 5

    def test_a_slot_that_is_reused_runs_its_new_instruction_after_a_flush(self, trapping: Rig) -> None:
        trapping.process.insert_trap(ADD, SWBP, visible=False)
        words = {CALLS.address(name): CALLS.words[CALLS.labels[name]] for name in ("work", "add")}
        slots = Slots(trapping, lambda address: words[address].to_bytes(4, "little"))
        assert trapping.run().code == 150
        assert slots.stepped == [WORK, ADD] * 5

    def test_a_step_that_faults_tells_what_and_where(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(SEGFAULT)
        load = SEGFAULT.address("load")
        made.process.insert_trap(load, SWBP, visible=False)
        word = SEGFAULT.words[SEGFAULT.labels["load"]].to_bytes(4, "little")
        slots = Slots(made, lambda _address: word)
        assert made.run().signal == 11
        (fault,) = slots.faults
        assert (fault.kind, fault.address, fault.access) == (FaultKind.MAPERR, 16, Access.READ)
        assert made.handler.addresses("step") == []

    def test_a_step_whose_fault_is_mended_can_be_taken_again(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        made = rig(SEGFAULT)
        load = SEGFAULT.address("load")
        made.process.insert_trap(load, SWBP, visible=False)
        word = SEGFAULT.words[SEGFAULT.labels["load"]].to_bytes(4, "little")
        slots = Slots(made, lambda _address: word, mend=lambda task: task.set_reg(0, load & ~7))
        assert made.run().signal == 0
        assert (len(slots.faults), len(made.handler.addresses("step"))) == (1, 1)

    # --- inline --------------------------------------------------------------------------------------

    def test_an_inline_probe_is_told_before_each_execution(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: inlining.handler.saw.append(task.get_reg(0))
        assert inlining.run().code == 150
        assert inlining.handler.saw == [5, 4, 3, 2, 1]

    def test_an_inline_probe_that_moves_pc_skips_the_instruction(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, address: task.set_reg(PC, address + 4)
        assert inlining.run().code == 15

    def test_an_inline_probe_changes_registers_for_the_program(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: task.set_reg(1, 2)
        assert inlining.run().code == 30

    def test_an_inline_probe_can_be_removed_at_its_hit(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, address: task.process.remove_inline(address)
        assert inlining.run().code == 150
        assert len(inlining.handler.log) == 1

    def test_an_inline_probe_can_be_placed_at_another_ones_hit(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: task.process.insert_inline(ADD)
        assert inlining.run().code == 150
        assert inlining.handler.addresses("inline") == [WORK, ADD] * 5

    def test_two_neighbours_are_both_told(self, inlining: Rig) -> None:
        inlining.process.insert_inline(WORK + 4)
        assert inlining.run().code == 150
        assert inlining.handler.addresses("inline") == [WORK, WORK + 4] * 5

    # --- watches -------------------------------------------------------------------------------------

    def test_a_watch_fires_before_each_execution_until_it_is_removed_as_often(
        self, backend: Backend, rig: Any
    ) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        made = rig(CALLS)
        made.process.insert_watch(BACK)
        made.process.insert_watch(BACK)
        made.handler.on["watch"] = lambda task, address: task.process.remove_watch(address)
        assert made.run().code == 150
        assert made.handler.addresses("watch") == [BACK] * 2

    def test_watches_beside_inline_probes(self, backend: Backend, inlining: Rig) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        inlining.handler.on["inline"] = lambda task, _address: task.process.insert_watch(task.get_reg(30))
        inlining.handler.on["watch"] = lambda task, address: task.process.remove_watch(address)
        assert inlining.run().code == 150
        assert inlining.handler.log == [("inline", WORK), ("watch", BACK)] * 5

    def test_a_watch_and_an_inline_probe_at_one_address_each_fire_once(
        self, backend: Backend, inlining: Rig
    ) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        inlining.process.insert_inline(BACK)
        inlining.process.insert_watch(BACK)
        assert inlining.run().code == 150
        assert len(inlining.handler.addresses("watch")) == 5
        assert inlining.handler.addresses("inline").count(BACK) == 5

    # --- tasks ---------------------------------------------------------------------------------------

    def test_all_registers_can_be_read_and_written(self, inlining: Rig) -> None:
        def act(task: Task, _address: int) -> None:
            for index in (*range(2, 19), 29):
                task.set_reg(index, 0xFEDC_BA98_0000_0000 + index)
            assert [task.get_reg(i) for i in (*range(2, 19), 29)] == [
                0xFEDC_BA98_0000_0000 + i for i in (*range(2, 19), 29)
            ]
            assert task.get_reg(Register.SP) % 16 == 0
            assert task.get_reg(Register.PSTATE) & 0xF == 0, "EL0"

        inlining.handler.on["inline"] = act
        assert inlining.run().code == 150

    def test_vector_registers_can_be_read_and_written(self, backend: Backend, inlining: Rig) -> None:
        needs(backend.capabilities.vectors, "vectors")
        value = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210

        def act(task: Task, _address: int) -> None:
            task.set_vec(31, value)
            inlining.handler.saw.append(task.get_vec(31))

        inlining.handler.on["inline"] = act
        assert inlining.run().code == 150
        assert set(inlining.handler.saw) == {value}

    def test_the_clock_never_runs_backwards(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: inlining.handler.saw.append(task.clock())
        inlining.run()
        assert inlining.handler.saw == sorted(inlining.handler.saw)

    def test_a_task_has_a_name_and_numbers(self, inlining: Rig) -> None:
        def act(task: Task, _address: int) -> None:
            inlining.handler.saw.append((task.comm, task.tid == task.process.pid, task.cpu()))

        inlining.handler.on["inline"] = act
        inlining.run()
        assert inlining.handler.saw[0] == ("program", True, 0)

    # --- the run -------------------------------------------------------------------------------------

    def test_code_that_the_program_rewrites_runs_anew(self, rig: Any) -> None:
        assert rig(WRITES_OWN_TEXT).run().code == 42

    def test_an_exception_of_the_handler_comes_out_of_the_run_unchanged(self, inlining: Rig) -> None:
        error = RuntimeError("from the handler")

        def act(_task: Task, _address: int) -> None:
            raise error

        inlining.handler.on["inline"] = act
        with pytest.raises(RuntimeError) as caught:
            inlining.run()
        assert caught.value is error

    def test_a_stop_that_was_asked_for_ends_an_endless_program(self, rig: Any) -> None:
        from threading import Timer

        made = rig(SPIN)
        timer = Timer(0.2, lambda: made.machine.request_stop("timeout"))
        timer.start()
        assert made.run().reason == "timeout"
        timer.join()

    def test_a_stop_from_a_callback_ends_the_run(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda _task, _address: inlining.machine.request_stop("enough")
        assert inlining.run().reason == "enough"
        assert len(inlining.handler.log) == 1

    def test_what_is_to_be_done_soon_is_done_in_order_outside_execution(self, inlining: Rig) -> None:
        saw = inlining.handler.saw

        def act(_task: Task, _address: int) -> None:
            if not saw:
                saw.append("hit")
                inlining.machine.call_soon(lambda: saw.append("first"))
                inlining.machine.call_soon(lambda: saw.append("second"))
                saw.append("still inside")

        inlining.handler.on["inline"] = act
        assert inlining.run().code == 150
        assert saw == ["hit", "still inside", "first", "second"]


class Slots:
    """Steps every trapped instruction in the first slot of the area.

    :param original: the displaced instruction of an address
    :param mend: what to do with the task when a step faulted, which is then resumed without the fault
    """

    def __init__(
        self, rig: Rig, original: Callable[[int], bytes], mend: Callable[[Task], None] | None = None
    ) -> None:
        self._rig = rig
        self._original = original
        self._mend = mend
        self._vaddr = 0
        self.stepped: list[int] = []
        self.faults: list[Any] = []
        rig.handler.on |= {"trap": self.begin, "step": self.end, "fault": self.fault}

    def begin(self, task: Task, address: int) -> TrapResult:
        base, size, stride = task.process.create_xol_area()
        slot = base + 4
        assert size >= 4 + stride
        insn = self._original(address)
        if task.process.read(slot, 4) != insn:
            task.process.write_slot(slot, insn)
            task.process.flush(slot, 4)
        self._vaddr = address
        self.stepped.append(address)
        task.set_reg(PC, slot)
        task.single_step(True)
        return TrapResult.HANDLED

    def end(self, task: Task) -> None:
        task.set_reg(PC, self._vaddr + 4)

    def fault(self, task: Task, fault: Any) -> Any:
        self.faults.append(fault)
        task.set_reg(PC, self._vaddr)
        if self._mend is None:
            return fault
        self._mend(task)
        return None


def needs(has: bool, what: str) -> None:
    """Skip the test if the backend does not claim to have *what*."""
    if not has:
        pytest.skip(f"the backend has no {what}")
