"""The part of the suite for backends that is about what a program starts, maps, executes and is sent."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.backend import Backend, Task
from uprobe_core.testing.compliance.backend_rig import FIRST, REGISTERS, WORK, BackendFixtures, Hitting, needs
from uprobe_core.testing.tiny_elf import (
    CALLS,
    DATA,
    EXECUTES,
    FORKS,
    KILLED,
    MAPS,
    SIGNALS,
    THREADS,
    WRITES_OWN_TEXT,
)
from uprobe_core.types import MemoryFault, Mode

__all__ = ("BackendProcesses",)


class BackendProcesses(BackendFixtures):
    """Threads, forks, exec, mappings, signals, and memory that changes."""

    stands = (
        "uprobe_core.backend (ProbeHandler) and uprobe_core.capabilities, on one page in docs/contracts.md"
    )

    def test_a_thread_is_told_before_it_runs_and_is_probed(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.threads, "threads")
        told: list[tuple[Task, Task]] = []
        made = hitting.open(THREADS)
        made.handler.on["task"] = lambda parent, task: told.append((parent, task))
        assert made.run().code == 50
        ((parent, thread),) = told
        assert parent is not thread
        assert parent.tid != thread.tid
        assert parent.process is thread.process
        assert [task for task, _ in hitting.hits] == [thread, parent]

    def test_each_thread_has_registers_of_its_own(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.threads, "threads")
        seen: list[int] = []
        hitting.open(THREADS, lambda task, _address: seen.append(task.get_reg(FIRST))).run()
        assert seen == [2, 3]

    def test_the_end_of_a_thread_is_told(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.threads, "threads")
        made = hitting.open(THREADS)
        made.run()
        assert len(made.handler.exited) == 2
        assert len(set(made.handler.exited)) == 2

    def test_a_forked_child_has_the_probes_of_its_parent(self, backend: Backend, hitting: Hitting) -> None:
        """It may live in another host process: what its handler does is seen in its exit status."""
        needs(backend.capabilities.processes, "processes")
        made = hitting.open(FORKS, lambda task, _address: task.set_reg(FIRST, task.get_reg(FIRST) + 1))
        assert made.run().code == 70  # (2 + 1) * 10 of the child, (3 + 1) * 10

    def test_a_fork_is_told_in_the_child(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.processes, "processes")
        told: list[bool] = []

        def fork(parent: Task, child: Task, *, shares_memory: bool) -> None:
            told.append(parent is not child and parent.tid != child.tid and not shares_memory)

        def act(task: Task, _address: int) -> None:
            if task.get_reg(FIRST) == 2:  # the child's
                task.set_reg(FIRST, 1 if told == [True] else 9)

        made = hitting.open(FORKS, act)
        made.handler.on["fork"] = fork
        assert made.run().code == 40

    def test_a_forked_child_that_is_not_followed_runs_as_without_probes(self, hitting: Hitting) -> None:
        """It is told of, and the core takes its probes out; or it is not, and comes without any."""
        made = hitting.open(FORKS, lambda task, _address: task.set_reg(FIRST, 9), follow=False)
        made.handler.on["fork"] = lambda _parent, child, **_told: hitting.remove(
            child.process, FORKS.address("work")
        )
        assert made.run().code == 110  # 2 * 10 of the child, 9 * 10

    def test_an_executed_program_is_told_with_its_mappings(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.processes, "processes")
        made = hitting.open(EXECUTES)
        told: list[str] = []
        work = EXECUTES.address("work")

        def mapped(process: Any, mapping: Any) -> None:
            told.append("mapping")
            if mapping.start <= work < mapping.end:
                hitting.place(process, work)

        made.handler.on |= {"exec": lambda _task: told.append("exec"), "mmap": mapped}
        assert made.run().code == 40
        assert told[:2] == ["exec", "mapping"]
        assert [address for _, address in hitting.hits] == [work]

    def test_what_was_placed_in_the_old_program_is_gone_from_the_new_one(
        self, backend: Backend, hitting: Hitting
    ) -> None:
        needs(backend.capabilities.processes, "processes")
        assert hitting.open(EXECUTES).run().code == 40
        assert hitting.hits == []

    def test_a_file_that_is_mapped_is_told_before_it_is_used(
        self, backend: Backend, hitting: Hitting
    ) -> None:
        needs(backend.capabilities.mappings, "word of all mappings")
        made = hitting.open(MAPS)
        places: list[int] = []

        def mapped(process: Any, mapping: Any) -> None:
            if mapping.file == made.file:
                places.append(mapping.address_of(MAPS.offset("work")))
                hitting.place(process, places[-1])

        made.handler.on["mmap"] = mapped
        assert made.run().code == 60
        assert [address for _, address in hitting.hits] == places
        assert len(places) == 1

    def test_a_mapping_is_listed_while_it_is_there(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.mappings, "word of all mappings")
        made = hitting.open(MAPS)
        seen: list[int] = []

        def mapped(process: Any, mapping: Any) -> None:
            hitting.place(process, mapping.address_of(MAPS.offset("work")))

        def count(task: Task, _address: int) -> None:
            seen.append(sum(mapping.file == made.file for mapping in task.process.mappings()))

        made = hitting.open(MAPS, count)
        before = sum(mapping.file == made.file for mapping in made.process.mappings())
        made.handler.on["mmap"] = mapped
        made.run()
        assert seen == [before + 1]

    def test_a_mapping_that_goes_is_told(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.mappings, "word of all mappings")
        made = rig(MAPS)
        told: list[int] = []
        gone: list[tuple[int, int]] = []
        made.handler.on |= {
            "mmap": lambda _process, mapping: told.append(mapping.start),
            "munmap": lambda _process, start, end: gone.append((start, end)),
        }
        assert made.run().code == 60
        assert (told[0], told[0] + 0x1000) in gone

    def test_a_signals_handler_runs_and_the_program_goes_on(self, backend: Backend, rig: Any) -> None:
        made = rig(SIGNALS)
        asked: list[bool] = []

        def may(_task: Task) -> bool:
            asked.append(True)
            return True

        made.handler.on["may"] = may
        assert made.run().code == 33
        if backend.capabilities.signals:
            assert asked

    def test_a_signal_without_a_handler_kills(self, rig: Any) -> None:
        status = rig(KILLED).run()
        assert (status.signal, status.shell_status) == (10, 138)

    def test_a_signals_handler_changes_no_register_of_what_it_interrupted(self, hitting: Hitting) -> None:
        junk = {REGISTERS.names["pstate"]: 0xF << 28, 3: 333, 17: 1717}
        seen: list[int] = []

        def act(task: Task, address: int) -> None:
            for register, value in junk.items():
                if address == SIGNALS.address("stored"):
                    task.set_reg(register, value)
                else:
                    seen.append(task.get_reg(register) & value)

        made = hitting.open(SIGNALS, act, label="stored")
        hitting.place(made.process, SIGNALS.address("sent"))
        assert made.run().code == 33
        assert len(hitting.hits) == 2
        assert not set(seen) & set(junk.values())

    def test_a_probe_in_a_signals_handler_is_hit(self, hitting: Hitting) -> None:
        made = hitting.open(SIGNALS, lambda task, _address: task.set_reg(1, 44), label="stored")
        assert made.run().code == 44

    def test_data_that_is_poked_is_what_the_program_reads(self, rig: Any) -> None:
        made = rig(DATA)
        made.process.poke(DATA.address("number"), (77).to_bytes(4, "little"))
        assert made.run().code == 77

    def test_data_that_is_written_is_what_the_program_executes(self, rig: Any) -> None:
        """Into text that the program may write itself, before it ran."""
        made = rig(WRITES_OWN_TEXT)
        made.process.write(WRITES_OWN_TEXT.address("new"), (0xD2800860).to_bytes(4, "little"))  # mov x0, #67
        assert made.run().code == 67

    def test_a_probe_in_code_that_the_program_rewrites_is_told_of(self, backend: Backend, rig: Any) -> None:
        needs(backend.capabilities.code_writes, "write detection")
        made = rig(WRITES_OWN_TEXT)
        mode = Mode.INLINE if Mode.INLINE in backend.capabilities.modes else Mode.TRAP
        needs(mode is Mode.INLINE, "mode inline")
        place = WRITES_OWN_TEXT.address("place")
        made.process.insert_inline(place)
        assert made.run().code == 42
        assert any(start <= place < end for start, end in made.handler.written)

    def test_memory_over_the_end_of_a_mapping_faults_at_its_end(self, rig: Any) -> None:
        process = rig(CALLS).process
        (text,) = (m for m in process.mappings() if m.start <= WORK < m.end)
        assert len(process.read(text.end - 4, 4)) == 4
        with pytest.raises(MemoryFault) as caught:
            process.read(text.end - 4, 4096)
        assert caught.value.address == text.end
