"""Ways in which a backend can be wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from uprobe_core.backend import ExitStatus, Limits
from uprobe_core.errors import TargetError
from uprobe_core.testing.compliance.backend_rig import PC, REGISTERS, SWBP, WORK
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.testing.mutants.proxies import BrokenBackend, Value
from uprobe_core.types import FileId, MemoryFault, TrapResult

__all__ = ("backend_mutants",)

FLAGS = REGISTERS.names["pstate"]


def backend_mutants() -> Iterator[Mutant]:
    """All of them."""
    for what, caught_by, changes in (*REGISTER_ROWS, *TRAP_ROWS, *MEMORY_ROWS, *EVENT_ROWS, *RUN_ROWS):
        yield Mutant("backend", what, caught_by, _with(changes))
    for what, caught_by, target in TARGET_ROWS:
        yield Mutant("backend", what, caught_by, _told(target))


def _with(changes: Any) -> Callable[[Any], Any]:
    made = changes if callable(changes) else lambda: changes
    return lambda good: BrokenBackend(good, made())


def _told(target: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda good: BrokenBackend(good, {}, target)


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """What a method does that was forgotten."""


def _lost(*registers: int) -> Any:
    """A write to one of *registers* is lost."""

    def set_reg(task: Any, index: int, value: int) -> None:
        if index not in registers:
            task.set_reg(index, value)

    return {"task": {"set_reg": set_reg}}


def _zero(register: int) -> Any:
    return {"task": {"get_reg": lambda task, index: 0 if index == register else task.get_reg(index)}}


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
        {"task": {"set_vec": _nothing}},
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


def _twice(told: Any, *args: Any) -> Any:
    told(*args)
    return told(*args)


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
        {"process": {"remove_trap": _nothing}},
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
        {"process": {"flush": _nothing}},
    ),
    (
        "a step is told twice",
        "test_a_displaced_instruction_runs_in_a_slot",
        {"handler": {"on_step_done": _twice}},
    ),
    (
        "the fault of a step is delivered untold",
        "test_a_step_whose_fault_is_mended_can_be_taken_again",
        {"handler": {"on_step_fault": lambda told, task, fault: (told(task, fault), fault)[1]}},
    ),
    (
        "an inline hit is told twice",
        "test_an_inline_probe_is_told_before_each_execution",
        {"handler": {"on_inline": _twice}},
    ),
    (
        "an inline probe is not taken out",
        "test_an_inline_probe_can_be_removed_at_its_hit",
        {"process": {"remove_inline": _nothing}},
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
        {"process": {"remove_watch": _nothing}},
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


def _registers_of_the_first() -> Any:
    """All tasks show what the first one that was asked has."""
    first: list[Any] = []

    def get_reg(task: Any, index: int) -> Any:
        first.append(task)
        return first[0].get_reg(index)

    return {"task": {"get_reg": get_reg}}


def _too_far(method: Any, task: Any) -> None:
    task.set_reg(PC, task.get_reg(PC) + 4)
    method(task)


MEMORY_ROWS: tuple[tuple[str, str, Any], ...] = (
    (
        "a poke does nothing",
        "test_data_that_is_poked_is_what_the_program_reads",
        {"process": {"poke": _nothing}},
    ),
    (
        "a write does nothing",
        "test_data_that_is_written_is_what_the_program_executes",
        {"process": {"write": _nothing}},
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


def _only_while_opening() -> Any:
    """Mappings that come later are not told."""
    running: list[bool] = []

    def run(machine: Any) -> Any:
        running.append(True)
        return machine.run()

    def on_mmap(told: Any, process: Any, mapping: Any) -> None:
        if not running:
            told(process, mapping)

    return {"machine": {"run": run}, "handler": {"on_mmap": on_mmap}}


def _swallow(told: Any, *args: Any) -> Any:
    try:
        return told(*args)
    except RuntimeError:
        return TrapResult.NOT_OURS


def _wrapped(machine: Any) -> Any:
    try:
        return machine.run()
    except RuntimeError as error:
        raise RuntimeError(str(error)) from error


EVENT_ROWS: tuple[tuple[str, str, Any], ...] = (
    (
        "signals are never delivered",
        "test_a_signals_handler_runs_and_the_program_goes_on",
        {"handler": {"may_deliver_signal": lambda _method, _task: False}},
    ),
    (
        "threads have the registers of the first",
        "test_each_thread_has_registers_of_its_own",
        _registers_of_the_first,
    ),
    (
        "the PC after a step is one instruction too far",
        "test_a_displaced_instruction_runs_in_a_slot",
        {"handler": {"on_step_done": _too_far}},
    ),
    (
        "the program's mapping is not told",
        "test_opening_tells_of_the_programs_mapping",
        {"handler": {"on_mmap": _nothing}},
    ),
    (
        "later mappings are not told",
        "test_a_file_that_is_mapped_is_told_before_it_is_used",
        _only_while_opening,
    ),
    (
        "a mapping names another file",
        "test_the_identity_of_a_file_is_the_hosts",
        {
            "handler": {
                "on_mmap": lambda told, process, mapping: told(process, replace(mapping, file=FileId(0, 1)))
            }
        },
    ),
    (
        "what is unmapped is not told",
        "test_a_mapping_that_goes_is_told",
        {"handler": {"on_munmap": _nothing}},
    ),
    (
        "threads are not told",
        "test_a_thread_is_told_before_it_runs_and_is_probed",
        {"handler": {"on_task": _nothing}},
    ),
    ("forks are not told", "test_a_fork_is_told_in_the_child", {"handler": {"on_fork": _nothing}}),
    (
        "exec is not told",
        "test_an_executed_program_is_told_with_its_mappings",
        {"handler": {"on_exec": _nothing}},
    ),
    ("ends of tasks are not told", "test_the_end_of_a_task_is_told", {"handler": {"on_exit": _nothing}}),
    ("the end of a task is told twice", "test_the_end_of_a_task_is_told", {"handler": {"on_exit": _twice}}),
    (
        "rewritten code is not told",
        "test_a_probe_in_code_that_the_program_rewrites_is_told_of",
        {"handler": {"on_code_written": _nothing}},
    ),
    (
        "signals are delivered without asking",
        "test_a_signals_handler_runs_and_the_program_goes_on",
        {"handler": {"may_deliver_signal": lambda _told, _task: True}},
    ),
    (
        "an exception of a handler is swallowed",
        "test_an_exception_of_the_handler_comes_out_of_the_run_unchanged",
        {"handler": {"on_inline": _swallow, "on_trap": _swallow}},
    ),
    (
        "an exception of a handler comes out as another",
        "test_an_exception_of_the_handler_comes_out_of_the_run_unchanged",
        {"machine": {"run": _wrapped}},
    ),
)


def _status(**fields: Any) -> Any:
    return {"machine": {"run": lambda machine: replace(machine.run(), **fields)}}


def _reversed() -> Any:
    """What is to be done soon is done in the wrong order."""
    waiting: list[Any] = []

    def last() -> None:
        waiting.pop()()

    def soon(machine: Any, function: Any) -> None:
        waiting.append(function)
        machine.call_soon(last)

    return {"machine": {"call_soon": soon}}


def _closes_once() -> Any:
    closed: list[bool] = []

    def close(machine: Any) -> None:
        if closed:
            raise ValueError("closed already")
        closed.append(True)
        machine.close()

    return {"machine": {"close": close}}


def _opened_as_another(good: Any, target: Any, handler: Any) -> Any:
    try:
        return good.open(target, handler)
    except TargetError as error:
        raise TargetError(error.message, exit_status=125) from None


RUN_ROWS: tuple[tuple[str, str, Any], ...] = (
    ("the exit status is lost", "test_a_program_runs_to_its_own_exit_status", _status(code=0)),
    ("the signal is lost", "test_a_program_that_is_killed_says_by_what", _status(signal=0)),
    ("the reason is lost", "test_a_stop_from_a_callback_ends_the_run", _status(reason="")),
    (
        "the run is not done",
        "test_a_program_runs_to_its_own_exit_status",
        {"machine": {"run": lambda _machine: ExitStatus()}},
    ),
    (
        "a stop is not heard",
        "test_a_stop_from_a_callback_ends_the_run",
        {"machine": {"request_stop": _nothing}},
    ),
    (
        "what is to be done soon is never done",
        "test_what_is_to_be_done_soon_before_the_run_is_done_when_it_starts",
        {"machine": {"call_soon": _nothing}},
    ),
    (
        "what is to be done soon is done at once",
        "test_what_is_to_be_done_soon_is_done_in_order_outside_execution",
        {"machine": {"call_soon": lambda _machine, function: function()}},
    ),
    (
        "what is to be done soon is done in the wrong order",
        "test_what_is_to_be_done_soon_is_done_in_order_outside_execution",
        _reversed,
    ),
    (
        "nobody is current",
        "test_the_current_task_is_the_one_of_the_callback",
        {"machine": {"current": Value(lambda _machine: None)}},
    ),
    (
        "nothing is counted",
        "test_statistics_are_numbers_by_name",
        {"machine": {"statistics": lambda _machine: {}}},
    ),
    ("closing twice is an error", "test_closing_twice_is_allowed", _closes_once),
    (
        "a missing program is another status",
        "test_a_missing_program_is_status_127",
        {"backend": {"open": _opened_as_another}},
    ),
    (
        "a probe hits elsewhere",
        "test_an_inline_probe_is_told_before_each_execution",
        {
            "process": {
                "insert_inline": lambda process, address: process.insert_inline(
                    address + 4 if address == WORK else address
                )
            }
        },
    ),
)


def _unlimited(name: str) -> Callable[[Any], Any]:
    """That limit is ignored; another one ends what would have no end."""
    others = {"instructions": 3_000_000} if name == "seconds" else {"seconds": 1.0}
    return lambda target: (
        target
        if getattr(target.limits, name) is None
        else replace(target, limits=replace(target.limits, **{name: None, **others}))
    )


_SEEDS = itertools.count(12345)

TARGET_ROWS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("the limit of seconds is ignored", "test_the_limit_of_seconds_ends_the_run", _unlimited("seconds")),
    (
        "the limit of instructions is ignored",
        "test_the_limit_of_instructions_ends_the_run",
        _unlimited("instructions"),
    ),
    ("the limit of memory is ignored", "test_memory_beyond_the_limit_is_refused", _unlimited("memory")),
    (
        "the limit of processes is ignored",
        "test_processes_beyond_the_limit_are_refused",
        _unlimited("processes"),
    ),
    (
        "limits are far too low",
        "test_a_run_within_its_limits_ends_by_itself",
        lambda target: (
            target if target.limits == Limits() else replace(target, limits=Limits(instructions=10))
        ),
    ),
    (
        "every seed is another one",
        "test_one_seed_is_one_random_number_and_others_are_others",
        lambda target: replace(target, seed=next(_SEEDS)),
    ),
    (
        "every seed is the same",
        "test_one_seed_is_one_random_number_and_others_are_others",
        lambda target: replace(target, seed=0),
    ),
    (
        "arguments are lost",
        "test_a_file_in_the_working_directory_is_created",
        lambda target: replace(target, argv=[*target.argv[:1], *["/proc/x" for _ in target.argv[1:]]]),
    ),
    (
        "the environment is lost",
        "test_arguments_and_environment_are_the_targets",
        lambda target: replace(target, env={"0": ""}),
    ),
    (
        "the working directory is ignored",
        "test_a_relative_path_is_the_working_directorys",
        lambda target: replace(target, cwd="/"),
    ),
    (
        "binds are ignored",
        "test_a_bound_file_is_read_where_it_is_bound",
        lambda target: replace(target, binds=()),
    ),
)
