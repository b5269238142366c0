"""Ways in which a backend can be wrong about what happens: what it tells, how a run ends, what it opens."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from uprobe_core.backend import ExitStatus, Limits
from uprobe_core.errors import TargetError
from uprobe_core.testing.compliance.backend_rig import PC, WORK
from uprobe_core.testing.mutants.proxies import Value, nothing, twice
from uprobe_core.types import FileId, TrapResult

__all__ = ("EVENT_ROWS", "RUN_ROWS", "TARGET_ROWS")


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
        {"handler": {"on_mmap": nothing}},
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
        {"handler": {"on_munmap": nothing}},
    ),
    (
        "threads are not told",
        "test_a_thread_is_told_before_it_runs_and_is_probed",
        {"handler": {"on_task": nothing}},
    ),
    ("forks are not told", "test_a_fork_is_told_in_the_child", {"handler": {"on_fork": nothing}}),
    (
        "exec is not told",
        "test_an_executed_program_is_told_with_its_mappings",
        {"handler": {"on_exec": nothing}},
    ),
    ("ends of tasks are not told", "test_the_end_of_a_task_is_told", {"handler": {"on_exit": nothing}}),
    ("the end of a task is told twice", "test_the_end_of_a_task_is_told", {"handler": {"on_exit": twice}}),
    (
        "rewritten code is not told",
        "test_a_probe_in_code_that_the_program_rewrites_is_told_of",
        {"handler": {"on_code_written": nothing}},
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
        {"machine": {"request_stop": nothing}},
    ),
    (
        "what is to be done soon is never done",
        "test_what_is_to_be_done_soon_before_the_run_is_done_when_it_starts",
        {"machine": {"call_soon": nothing}},
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
        "the first random bytes are of no seed",
        "test_the_programs_own_random_bytes_come_from_the_seed",
        lambda target: replace(target, seed=next(_SEEDS)),
    ),
    (
        "the host's clock is the virtual one",
        "test_the_hosts_clock_is_the_hosts",
        lambda target: replace(target, clock="virtual"),
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
