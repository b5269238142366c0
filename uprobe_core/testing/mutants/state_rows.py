"""Ways in which a backend can be wrong about what a task has: registers, traps, memory."""

from __future__ import annotations

import itertools
from typing import Any

from uprobe_core.testing.compliance.backend_rig import PC, REGISTERS, SWBP
from uprobe_core.testing.mutants.proxies import Value, nothing, twice
from uprobe_core.types import MemoryFault, TrapResult

__all__ = ("MEMORY_ROWS", "REGISTER_ROWS", "TRAP_ROWS")

FLAGS = REGISTERS.names["pstate"]


def _lost(*registers: int) -> Any:
    """A write to one of *registers* is lost."""

    def set_reg(task: Any, index: int, value: int) -> None:
        if index not in registers:
            task.set_reg(index, value)

    return {"task": {"set_reg": set_reg}}


def _zero(register: int) -> Any:
    return {"task": {"get_reg": lambda task, index: 0 if index == register else task.get_reg(index)}}


def _remembering(register: int) -> Any:
    written: dict[int, int] = {}

    def set_reg(task: Any, index: int, value: int) -> None:
        written[index] = value
        task.set_reg(index, value)

    def get_reg(task: Any, index: int) -> int:
        return written.get(index, task.get_reg(index)) if index == register else int(task.get_reg(index))

    return {"task": {"set_reg": set_reg, "get_reg": get_reg}}


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


REGISTER_ROWS: tuple[tuple[str, str, Any], ...] = (
    ("writes of the flags are lost", "test_a_written_flag_is_the_programs", _lost(FLAGS)),
    ("flags are read as 0", "test_flags_are_read_as_the_program_has_them", _zero(FLAGS)),
    (
        "writes of the stack pointer are lost",
        "test_a_written_stack_pointer_is_the_programs",
        _lost(REGISTERS.sp),
    ),
    ("writes of a high register are lost", "test_a_register_that_is_written_stays_written", _lost(28)),
    ("writes of the link register are lost", "test_a_trap_in_the_area_is_told", _lost(REGISTERS.link or 30)),
    (
        "registers are 32 bits wide",
        "test_all_registers_can_be_read_and_written",
        {"task": {"set_reg": lambda task, index, value: task.set_reg(index, value & 0xFFFF_FFFF)}},
    ),
    (
        "a register is what was written last",
        "test_a_signals_handler_changes_no_register_of_what_it_interrupted",
        lambda: _remembering(17),
    ),
    (
        "a flag that is written is another one",
        "test_each_flag_can_be_written",
        {
            "task": {
                "set_reg": lambda task, index, value: task.set_reg(
                    index, value & ~(1 << 28) if index == FLAGS else value
                )
            }
        },
    ),
    (
        "registers are signed",
        "test_all_registers_can_be_read_and_written",
        {"task": {"get_reg": lambda task, index: _signed(task.get_reg(index))}},
    ),
    (
        "the PC is behind the instruction",
        "test_the_pc_is_the_probed_instruction",
        lambda: {
            "task": {
                "get_reg": lambda task, index, first=[4]: (
                    task.get_reg(index) + (first.pop() if index == PC and first else 0)
                )
            }
        },
    ),
    (
        "vectors are read as 0",
        "test_vector_registers_can_be_read_and_written_and_stay",
        {"task": {"get_vec": lambda _task, _index: 0}},
    ),
    (
        "writes of vectors are lost",
        "test_vector_registers_can_be_read_and_written_and_stay",
        {"task": {"set_vec": nothing}},
    ),
    (
        "vectors have 64 bits",
        "test_vector_registers_can_be_read_and_written_and_stay",
        {"task": {"get_vec": lambda task, index: task.get_vec(index) & (1 << 64) - 1}},
    ),
    (
        "the clock stands",
        "test_the_clock_never_runs_backwards_and_runs",
        {"task": {"clock": lambda _task: 5}},
    ),
    (
        "the clock runs backwards",
        "test_the_clock_never_runs_backwards_and_runs",
        {"task": {"clock": lambda task: (1 << 62) - task.clock()}},
    ),
    (
        "the virtual clock is the host's",
        "test_the_virtual_clock_is_the_same_each_time",
        lambda: {
            "task": {"clock": lambda task, host=itertools.count(id(object())): next(host) + 0 * task.clock()}
        },
    ),
    (
        "work counts hits",
        "test_work_is_the_number_of_executed_instructions",
        lambda: {"task": {"work": lambda _task, hits=itertools.count(): next(hits)}},
    ),
    (
        "a task has no name",
        "test_a_task_has_a_name_and_numbers",
        {"task": {"comm": Value(lambda _task: "")}},
    ),
    ("the CPU is a strange one", "test_a_task_has_a_name_and_numbers", {"task": {"cpu": lambda _task: 7}}),
)


def _untold_trampoline() -> Any:
    area: list[int] = []

    def create(process: Any, trap: bytes) -> Any:
        found = process.create_xol_area(trap)
        area[:] = [found[0]]
        return found

    def on_trap(told: Any, task: Any, address: int) -> Any:
        return TrapResult.NOT_OURS if [address] == area else told(task, address)

    return {"process": {"create_xol_area": create}, "handler": {"on_trap": on_trap}}


def _forgets_the_original() -> Any:
    """Inserting twice takes the breakpoint for the original."""
    times: dict[int, int] = {}

    def insert(process: Any, address: int, insn: bytes, *, visible: bool) -> None:
        times[address] = times.get(address, 0) + 1
        process.insert_trap(address, insn, visible=visible)

    def remove(process: Any, address: int) -> None:
        process.remove_trap(address)
        if times.get(address, 0) > 1:
            process.poke(address, SWBP)

    return {"process": {"insert_trap": insert, "remove_trap": remove}}


def _another_area_each_time() -> Any:
    moved = itertools.count()

    def create(process: Any, trap: bytes) -> Any:
        address, size, stride = process.create_xol_area(trap)
        return address + 0x1000 * min(next(moved), 1), size, stride

    return {"process": {"create_xol_area": create}}


def _seen(visible: bool) -> Any:
    def insert(process: Any, address: int, insn: bytes, **_told: bool) -> None:
        process.insert_trap(address, insn, visible=visible)

    return {"process": {"insert_trap": insert}}


def _unless(results: Any) -> Any:
    """Certain answers of on_trap are not understood."""

    def on_trap(told: Any, task: Any, address: int) -> Any:
        answer = told(task, address)
        return TrapResult.HANDLED if not isinstance(answer, TrapResult) or answer in results else answer

    return {"handler": {"on_trap": on_trap}}


TRAP_ROWS: tuple[tuple[str, str, Any], ...] = (
    ("a trap in the area is not told", "test_a_trap_in_the_area_is_told", _untold_trampoline),
    (
        "inserting twice takes the breakpoint for the original",
        "test_inserting_twice_is_inserting_once",
        _forgets_the_original,
    ),
    (
        "a breakpoint is not taken out",
        "test_a_trap_can_be_removed_at_its_hit",
        {"process": {"remove_trap": nothing}},
    ),
    ("invisible breakpoints are seen", "test_an_invisible_trap_is_not", _seen(True)),
    ("visible breakpoints are not seen", "test_a_visible_trap_is_what_the_program_reads", _seen(False)),
    (
        "the program's own trap is passed over",
        "test_a_trap_that_is_not_ours_is_the_programs",
        _unless({TrapResult.NOT_OURS}),
    ),
    (
        "a fault that a trap answers is passed over",
        "test_a_fault_that_a_trap_answers_is_the_programs",
        _unless(()),
    ),
    (
        "a simulated instruction is the program's trap",
        "test_a_trap_may_say_that_the_instruction_was_simulated",
        {
            "handler": {
                "on_trap": lambda told, *args: (
                    TrapResult.NOT_OURS if told(*args) is TrapResult.SIMULATED else TrapResult.HANDLED
                )
            }
        },
    ),
    (
        "a simulated instruction is not counted",
        "test_a_trap_may_say_that_the_instruction_was_simulated",
        {"handler": {"on_trap": lambda told, *args: told(*args) and TrapResult.HANDLED}},
    ),
    (
        "the step of a system call is not told",
        "test_the_step_of_a_system_call_is_told_before_the_call_is_made",
        {"handler": {"on_step_done": lambda told, task: None}},
    ),
    (
        "the area is another one each time",
        "test_the_area_begins_with_the_trap_that_it_was_told",
        _another_area_each_time,
    ),
    (
        "the area is empty",
        "test_the_area_begins_with_the_trap_that_it_was_told",
        {"process": {"create_xol_area": lambda process, trap: process.create_xol_area(b"\0" * len(trap))}},
    ),
    (
        "slots overlap the trampoline",
        "test_the_area_holds_slots_behind_its_trampoline",
        {"process": {"create_xol_area": lambda process, trap: (*process.create_xol_area(trap)[:2], 2)}},
    ),
    (
        "a flushed slot keeps its old instruction",
        "test_a_slot_that_is_reused_runs_its_new_instruction_after_a_flush",
        {"process": {"flush": nothing}},
    ),
    (
        "a step is told twice",
        "test_a_displaced_instruction_runs_in_a_slot",
        {"handler": {"on_step_done": twice}},
    ),
    (
        "the fault of a step is delivered untold",
        "test_a_step_whose_fault_is_mended_can_be_taken_again",
        {"handler": {"on_step_fault": lambda told, task, fault: (told(task, fault), fault)[1]}},
    ),
    (
        "an inline hit is told twice",
        "test_an_inline_probe_is_told_before_each_execution",
        {"handler": {"on_inline": twice}},
    ),
    (
        "an inline probe is not taken out",
        "test_an_inline_probe_can_be_removed_at_its_hit",
        {"process": {"remove_inline": nothing}},
    ),
    (
        "watches are not counted",
        "test_a_watch_fires_before_each_execution_until_it_is_removed_as_often",
        lambda: {
            "process": {
                "insert_watch": lambda process, address, seen=set(): (
                    None if address in seen else (seen.add(address), process.insert_watch(address))
                )
            }
        },
    ),
    (
        "a watch stays",
        "test_a_watch_fires_before_each_execution_until_it_is_removed_as_often",
        {"process": {"remove_watch": nothing}},
    ),
)


def _padded(process: Any, address: int, size: int) -> bytes:
    try:
        return bytes(process.read(address, size))
    except MemoryFault as fault:
        return bytes(process.read(address, fault.address - address)).ljust(size, b"\0")


def _elsewhere(process: Any, address: int, size: int) -> bytes:
    try:
        return bytes(process.read(address, size))
    except MemoryFault as fault:
        raise MemoryFault(address + 8, fault.access) from None


_PAGE = 4096
_ANY_PLACE = "test_memory_of_any_place_and_size_is_read_and_poked_over_the_end_of_a_page"


def _on_its_page(address: int, size: int) -> int:
    """How many of *size* bytes from *address* on are on the page of the first."""
    return min(size, _PAGE - address % _PAGE)


def _read_of_one_page(process: Any, address: int, size: int) -> bytes:
    found: bytes = process.read(address, _on_its_page(address, size))
    return found.ljust(size, b"\0")


def _poke_of_one_page(process: Any, address: int, data: bytes) -> None:
    process.poke(address, data[: _on_its_page(address, len(data))])


MEMORY_ROWS: tuple[tuple[str, str, Any], ...] = (
    (
        "a poke does nothing",
        "test_data_that_is_poked_is_what_the_program_reads",
        {"process": {"poke": nothing}},
    ),
    (
        "what is written over code is not run",
        "test_what_is_written_over_code_runs",
        {"process": {"write": lambda process, address, data: process.write_slot(address, data)}},
    ),
    (
        "a write does nothing",
        "test_data_that_is_written_is_what_the_program_executes",
        {"process": {"write": nothing}},
    ),
    (
        "a write goes anywhere",
        "test_write_respects_permissions_and_poke_does_not",
        {"process": {"write": lambda process, address, data: process.poke(address, data)}},
    ),
    ("a read ends with its first page", _ANY_PLACE, {"process": {"read": _read_of_one_page}}),
    ("a poke ends with its first page", _ANY_PLACE, {"process": {"poke": _poke_of_one_page}}),
    (
        "addresses are those of whole words",
        _ANY_PLACE,
        {
            "process": {
                "read": lambda process, address, size: process.read(address & -4, size),
                "poke": lambda process, address, data: process.poke(address & -4, data),
            }
        },
    ),
    (
        "what is not mapped is read as 0",
        "test_memory_over_the_end_of_a_mapping_faults_at_its_end",
        {"process": {"read": _padded}},
    ),
    (
        "a fault names another address",
        "test_memory_that_is_not_there_faults_with_its_address",
        {"process": {"read": _elsewhere}},
    ),
    (
        "mappings are not sorted",
        "test_mappings_are_sorted_and_hold_the_text",
        {"process": {"mappings": lambda process: list(process.mappings())[::-1]}},
    ),
    (
        "mappings that come later are not listed",
        "test_a_mapping_is_listed_while_it_is_there",
        lambda: {
            "process": {"mappings": lambda process, kept=[]: kept or kept.extend(process.mappings()) or kept}
        },
    ),
)
