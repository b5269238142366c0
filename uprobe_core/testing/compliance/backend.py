"""What every backend must do; it runs programs of a dozen instructions that need no compiler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.backend import Backend, ExitStatus, Target, Task
from uprobe_core.errors import TargetError
from uprobe_core.testing.compliance.backend_handler import ScriptedHandler
from uprobe_core.testing.compliance.backend_inline import BackendInline
from uprobe_core.testing.compliance.backend_memory import BackendMemory
from uprobe_core.testing.compliance.backend_processes import BackendProcesses
from uprobe_core.testing.compliance.backend_rig import BACK, REGISTERS, WORK, Hitting, Rig, needs
from uprobe_core.testing.compliance.backend_tasks import BackendTasks
from uprobe_core.testing.compliance.backend_told import BackendTold
from uprobe_core.testing.compliance.backend_traps import BackendTraps
from uprobe_core.testing.compliance.backend_world import BackendWorld
from uprobe_core.testing.tiny_elf import (
    CALLS,
    EXECUTES,
    MAPS,
    SEGFAULT,
    SIGNALS,
    SPIN,
    THREADS,
    WRITES_OWN_TEXT,
)
from uprobe_core.types import MemoryFault, Mode, Returns

__all__ = ("BackendCompliance", "Rig")

_PAGE = 4096
_PROGRAMS = {
    "watch": CALLS,
    "exit": CALLS,
    "mmap": MAPS,
    "munmap": MAPS,
    "may": SIGNALS,
    "exec": EXECUTES,
}
"""By callback a program that makes it."""


class BackendCompliance(
    BackendTraps, BackendInline, BackendTasks, BackendMemory, BackendProcesses, BackendTold, BackendWorld
):
    """Required fixture: ``backend``.  Tests of what it does not claim in its capabilities are skipped."""

    stands = (
        "uprobe_core.backend (Backend, Machine) and uprobe_core.target"
        " (ExitStatus), on one page in docs/contracts.md"
    )

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
        places = [m.address_of(CALLS.offset("work")) for _, m in made.handler.mapped if m.file == made.file]
        assert places == [WORK]

    def test_a_mapping_is_told_as_it_is_listed(self, rig: Any) -> None:
        made = rig(CALLS)
        told = [mapping for _, mapping in made.handler.mapped]
        assert [mapping for mapping in made.process.mappings() if mapping.file == made.file] == told

    def test_the_identity_of_a_file_is_the_hosts(self, rig: Any) -> None:
        made = rig(CALLS)
        assert made.file in {mapping.file for _, mapping in made.handler.mapped}

    def test_the_task_that_is_about_to_run_is_current(self, rig: Any) -> None:
        made = rig(CALLS)
        (process,) = {id(process) for process, _ in made.handler.mapped}
        assert id(made.machine.current.process) == process

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
        assert numbers["unknown-syscalls"] == 0
        assert numbers.get("instructions", 45) == 45

    def test_statistics_are_those_of_when_they_were_asked_for(self, rig: Any) -> None:
        made = rig(CALLS)
        before = made.machine.statistics()
        kept = dict(before)
        made.run()
        made.machine.statistics()
        assert dict(before) == kept

    # --- memory ------------------------------------------------------------------------------------

    def test_memory_is_what_the_file_says(self, rig: Any) -> None:
        made = rig(CALLS)
        assert made.word(WORK) == CALLS.code("work")
        assert type(made.word(WORK)) is bytes
        assert made.process.read(WORK, 0) == b""

    def test_memory_that_is_not_there_faults_with_its_address(self, rig: Any) -> None:
        process = rig(CALLS).process
        for attempt in (process.read, lambda address, size: process.poke(address, bytes(size))):
            with pytest.raises(MemoryFault) as caught:
                attempt(0x10, 4)
            assert caught.value.address == 0x10

    def test_memory_of_any_place_and_size_is_read_and_poked_over_the_end_of_a_page(self, rig: Any) -> None:
        """Fifteen bytes from an odd address below the stack pointer, half of them on the next page."""
        made = rig(CALLS)
        edge = made.machine.current.get_reg(REGISTERS.sp) & -_PAGE
        data = bytes(range(1, 16))
        made.process.poke(edge - 7, data)
        assert made.process.read(edge - 7, 15) == data
        assert made.process.read(edge - 6, 9) == data[1:10]

    def test_write_respects_permissions_and_poke_does_not(self, rig: Any) -> None:
        made = rig(CALLS)
        with pytest.raises(MemoryFault):
            made.process.write(WORK, b"\0" * 4)
        made.process.poke(WORK + 8, b"\x12\x34\x56\x78")
        assert made.word(WORK + 8) == b"\x12\x34\x56\x78"

    def test_what_is_written_over_code_runs(self, hitting: Hitting) -> None:
        """Where it has run before: a handler takes the addition out at the second hit."""

        def act(task: Task, _address: int) -> None:
            if len(hitting.hits) == 2:
                task.process.write(CALLS.address("add"), CALLS.code("nop"))

        assert hitting.open(replace(CALLS, writable_text=True), act).run().code == 50

    # --- the run -------------------------------------------------------------------------------------

    def test_code_that_the_program_rewrites_runs_anew(self, rig: Any) -> None:
        assert rig(WRITES_OWN_TEXT).run().code == 42

    def test_an_exception_of_the_handler_comes_out_of_the_run_unchanged(self, hitting: Hitting) -> None:
        error = RuntimeError("from the handler")

        def act(_task: Task, _address: int) -> None:
            raise error

        _expect(error, hitting.open(CALLS, act))

    @pytest.mark.parametrize("callback", _PROGRAMS)
    def test_an_exception_of_any_callback_comes_out_of_the_run(
        self, backend: Backend, rig: Any, callback: str
    ) -> None:
        able = backend.capabilities
        needs(able.mappings or not callback.startswith(("mmap", "munmap")), "word of all mappings")
        needs(able.processes or callback != "exec", "processes")
        needs(able.signals or callback != "may", "signals that wait")
        needs(Returns.WATCH in able.returns or callback != "watch", "watched returns")
        made, error = rig(_PROGRAMS[callback]), RuntimeError("from the handler")
        if callback == "watch":
            made.process.insert_watch(BACK)

        def act(*_told: Any) -> None:
            raise error

        made.handler.on[callback] = act
        _expect(error, made)

    def test_an_exception_at_a_threads_start_comes_out_of_the_run(
        self, backend: Backend, hitting: Hitting
    ) -> None:
        needs(backend.capabilities.threads, "threads")
        made, error = hitting.open(THREADS), RuntimeError("from the handler")

        def act(*_told: Any) -> None:
            raise error

        made.handler.on["task"] = act
        _expect(error, made)

    def test_a_stop_that_was_asked_for_ends_an_endless_program(self, rig: Any) -> None:
        from threading import Timer

        made = rig(SPIN)
        timer = Timer(0.2, lambda: made.machine.request_stop("timeout"))
        timer.start()
        assert made.run().reason == "timeout"
        timer.join()

    def test_a_stop_from_a_callback_ends_the_run(self, hitting: Hitting) -> None:
        made = hitting.open(CALLS, lambda _task, _address: made.machine.request_stop("enough"))
        assert made.run().reason == "enough"
        assert len(hitting.hits) == 1

    def test_what_is_to_be_done_soon_is_done_in_order_outside_execution(self, hitting: Hitting) -> None:
        saw: list[str] = []

        def act(_task: Task, _address: int) -> None:
            if not saw:
                saw.append("hit")
                made.machine.call_soon(lambda: saw.append("first"))
                made.machine.call_soon(lambda: saw.append("second"))
                saw.append("still inside")

        made = hitting.open(CALLS, act)
        assert made.run().code == 150
        assert saw == ["hit", "still inside", "first", "second"]

    def test_what_is_to_be_done_soon_ends_the_run_if_it_raises(self, rig: Any) -> None:
        made, error = rig(SPIN), RuntimeError("from what was to be done")

        def act() -> None:
            raise error

        made.machine.call_soon(act)
        _expect(error, made)

    def test_what_is_to_be_done_soon_before_the_run_is_done_when_it_starts(self, rig: Any) -> None:
        made = rig(CALLS)
        saw: list[int] = []
        made.machine.call_soon(lambda: saw.append(1))
        made.run()
        assert saw == [1]


def _expect(error: Exception, made: Rig) -> None:
    """The run ends by *error*."""
    with pytest.raises(type(error)) as caught:
        made.run()
    assert caught.value is error
