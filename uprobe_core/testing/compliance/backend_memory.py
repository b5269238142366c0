"""The part of the suite for backends that is about memory: what is mapped, and what may be done with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from uprobe_core.backend import Backend, Process, Task
from uprobe_core.testing.compliance.backend_rig import (
    FIRST,
    SIZE,
    SWBP,
    WORK,
    BackendFixtures,
    Hitting,
    Rig,
    needs,
)
from uprobe_core.testing.tiny_elf import ARCH, CALLS, FORBIDS, MAPS, MAPS_SHARED, MAPS_TWICE, TinyProgram
from uprobe_core.types import Mapping, MemoryFault, Mode

__all__ = ("BackendMemory",)


class BackendMemory(BackendFixtures):
    """Mappings that come and go, the area of slots, and memory that nobody may access."""

    stands = (
        "uprobe_core.backend (Process, ProbeHandler.on_mmap and on_munmap) and"
        " uprobe_core.types (Mapping), on one page in docs/contracts.md"
    )

    def test_memory_that_the_program_may_not_read_faults(self, backend: Backend, hitting: Hitting) -> None:
        needs(backend.capabilities.unreadable, "word of what the program may not read")
        faults: list[tuple[int, int]] = []

        def act(task: Task, _address: int) -> None:
            forbidden = task.get_reg(FIRST)
            with pytest.raises(MemoryFault) as caught:
                task.process.read(forbidden, SIZE)
            faults.append((forbidden, caught.value.address))

        assert hitting.open(FORBIDS, act, label="mark").run().code == 0
        ((forbidden, address),) = faults
        assert address == forbidden

    # --- mappings ------------------------------------------------------------------------------------

    def test_mappings_are_sorted_and_hold_the_text(self, rig: Any) -> None:
        mappings = rig(CALLS).process.mappings()
        assert list(mappings) == sorted(mappings, key=lambda m: m.start)
        assert any(m.start <= WORK < m.end and m.executable for m in mappings)

    @pytest.mark.parametrize("writable", [True, False])
    def test_a_mapping_has_the_programs_path_and_rights(self, rig: Any, writable: bool) -> None:
        """Names of places are looked up by the one, probes placed by the other."""
        made: Rig = rig(replace(CALLS, writable_text=writable))
        (text,) = (each for each in made.process.mappings() if each.start <= WORK < each.end)
        assert (text.path, text.file) == (made.name, made.file)
        assert (text.readable, text.writable, text.executable) == (True, writable, True)

    def test_mappings_are_sorted_when_one_has_come(self, backend: Backend, hitting: Hitting) -> None:
        seen = _listed_where_it_is_mapped(backend, hitting, MAPS)
        assert seen == sorted(seen, key=lambda mapping: mapping.start)

    def test_a_list_of_mappings_stays_what_it_was(self, backend: Backend, hitting: Hitting) -> None:
        """It is the caller's, who may keep it while the program maps and unmaps."""
        needs(backend.capabilities.mappings, "word of all mappings")
        lists: list[Any] = []
        made = hitting.open(MAPS)
        made.handler.on["mmap"] = lambda process, _mapping: lists.append(process.mappings())
        lists.append(made.process.mappings())
        before = [list(each) for each in lists]
        made.run()
        assert len(lists) == 2
        assert list(lists[0]) == before[0]
        assert len(lists[1]) == len(before[0]) + 1

    @pytest.mark.parametrize("program", [MAPS, MAPS_SHARED], ids=["private", "shared"])
    def test_a_mapping_says_whether_it_is_shared(
        self, backend: Backend, rig: Any, program: TinyProgram
    ) -> None:
        """Nothing is probed in a shared one."""
        needs(backend.capabilities.mappings, "word of all mappings")
        made: Rig = rig(program)
        told: list[Mapping] = []
        made.handler.on["mmap"] = lambda _process, mapping: told.append(mapping)
        assert made.run().code == 60
        assert [(each.file, each.shared) for each in told] == [(made.file, program is MAPS_SHARED)]

    def test_a_breakpoint_goes_with_its_mapping(self, backend: Backend, rig: Any) -> None:
        """What is mapped at the same address later has none."""
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        needs(backend.capabilities.mappings, "word of all mappings")
        hitting, places = Hitting(rig, Mode.TRAP), list[int]()
        made = hitting.open(MAPS_TWICE)

        def mapped(process: Process, mapping: Mapping) -> None:
            places.append(mapping.start)
            if len(places) == 1:
                hitting.place(process, mapping.start + MAPS_TWICE.offset("work") % 4096)

        made.handler.on["mmap"] = mapped
        assert made.run().code == 120
        assert places == [places[0]] * 2
        assert len(hitting.hits) == 1

    # --- the area ------------------------------------------------------------------------------------

    def test_the_area_begins_with_the_trap_that_it_was_told(self, rig: Any) -> None:
        process = rig(CALLS).process
        address, size, stride = process.create_xol_area(SWBP)
        assert process.read(address, len(SWBP)) == SWBP
        assert process.create_xol_area(SWBP) == (address, size, stride)

    def test_the_area_holds_slots_behind_its_trampoline(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        address, size, stride = rig(CALLS).process.create_xol_area(SWBP)
        assert address % ARCH.alignment == stride % ARCH.alignment == 0
        assert stride >= max(ARCH.insn_sizes)
        assert size >= ARCH.slot_bytes + stride

    def test_the_area_is_listed_and_not_the_programs_to_write(self, backend: Backend, rig: Any) -> None:
        needs(Mode.TRAP in backend.capabilities.modes, "mode trap")
        process = rig(CALLS).process
        address, _size, stride = process.create_xol_area(SWBP)
        (area,) = (each for each in process.mappings() if each.start <= address < each.end)
        assert (area.path, area.writable, area.executable) == ("[uprobes]", False, True)
        with pytest.raises(MemoryFault):
            process.write(address + ARCH.slot_bytes, bytes(stride))


def _listed_where_it_is_mapped(backend: Backend, hitting: Hitting, program: TinyProgram) -> list[Mapping]:
    """The mappings of *program* at the hit in the file that it maps."""
    needs(backend.capabilities.mappings, "word of all mappings")
    seen: list[Mapping] = []
    made = hitting.open(program, lambda task, _address: seen.extend(task.process.mappings()))
    made.handler.on["mmap"] = lambda process, mapping: hitting.place(
        process, mapping.address_of(program.offset("work"))
    )
    made.run()
    return seen
