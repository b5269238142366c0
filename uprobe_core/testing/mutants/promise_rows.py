"""Ways in which a backend can be wrong about mappings, slots, and what a target asks to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from uprobe_core.backend import ExitStatus
from uprobe_core.testing.mutants.proxies import Value
from uprobe_core.types import FaultKind, MemoryFault

__all__ = ("PROMISE_ROWS", "TOLD_ROWS")

_AREA = "test_the_area_is_listed_and_not_the_programs_to_write"
_RIGHTS = "test_a_mapping_has_the_programs_path_and_rights"
_CALLBACK = "test_an_exception_of_any_callback_comes_out_of_the_run"


def _forbidden_is_zero(process: Any, address: int, size: int) -> bytes:
    try:
        return bytes(process.read(address, size))
    except MemoryFault as fault:
        if fault.kind is not FaultKind.ACCERR:
            raise
        return bytes(size)


def _area(**fields: Any) -> Any:
    """The area is listed wrongly."""

    def mappings(process: Any) -> list[Any]:
        return [replace(each, **fields) if each.path == "[uprobes]" else each for each in process.mappings()]

    return {"process": {"mappings": mappings}}


def _all(**fields: Any) -> Any:
    """Every mapping is told and listed wrongly."""

    def on_mmap(told: Any, process: Any, mapping: Any) -> None:
        told(process, replace(mapping, **fields))

    return {
        "process": {"mappings": lambda process: [replace(each, **fields) for each in process.mappings()]},
        "handler": {"on_mmap": on_mmap},
    }


def _unfollowed_untold() -> Any:
    """A fork that is not followed is not told of, and keeps its breakpoints."""
    asked: list[bool] = []

    def open_(good: Any, target: Any, handler: Any) -> Any:
        asked.append(target.follow)
        return good.open(target, handler)

    def on_fork(told: Any, *forked: Any, **kinds: Any) -> None:
        if asked[-1]:
            told(*forked, **kinds)

    return {"backend": {"open": open_}, "handler": {"on_fork": on_fork}}


def _appended() -> Any:
    """What comes is listed last."""
    came: list[int] = []

    def on_mmap(told: Any, process: Any, mapping: Any) -> None:
        came.append(mapping.start)
        told(process, mapping)

    def mappings(process: Any) -> list[Any]:
        return sorted(process.mappings(), key=lambda each: each.start in came)

    return {"process": {"mappings": mappings}, "handler": {"on_mmap": on_mmap}}


def _own_list() -> Any:
    """The list that it works with itself is handed out."""
    own: list[Any] = []

    def mappings(process: Any) -> list[Any]:
        own[:] = process.mappings()
        return own

    return {"process": {"mappings": mappings}}


def _own_counts() -> Any:
    """The counts that it works with itself are handed out."""
    own: dict[str, int] = {}

    def statistics(machine: Any) -> dict[str, int]:
        own.update(machine.statistics())
        return own

    return {"machine": {"statistics": statistics}}


def _patient(machine: Any, function: Callable[[], None]) -> None:
    def call() -> None:
        try:
            function()
        except RuntimeError:
            machine.request_stop("error")

    machine.call_soon(call)


def _longer(told: Any, process: Any, mapping: Any) -> None:
    told(process, replace(mapping, end=mapping.end + 4096))


def _kept_traps() -> Any:
    """Breakpoints come back with what is mapped at their address."""
    kept: dict[int, tuple[bytes, bool]] = {}

    def insert(process: Any, address: int, insn: bytes, *, visible: bool) -> None:
        kept[address] = insn, visible
        process.insert_trap(address, insn, visible=visible)

    def on_mmap(told: Any, process: Any, mapping: Any) -> None:
        for address, (insn, visible) in kept.items():
            if mapping.start <= address < mapping.end:
                process.insert_trap(address, insn, visible=visible)
        told(process, mapping)

    return {"process": {"insert_trap": insert}, "handler": {"on_mmap": on_mmap}}


def _survives(machine: Any) -> ExitStatus:
    status: ExitStatus = machine.run()
    return ExitStatus(code=status.code) if status.signal == 10 else status


def _uncounted(name: str) -> Any:
    return {"machine": {"statistics": lambda machine: {**machine.statistics(), name: 0}}}


def _swallow(told: Any, *args: Any) -> None:
    try:
        told(*args)
    except RuntimeError:
        return


def _shared_told(shared: bool) -> Any:
    return {
        "handler": {"on_mmap": lambda told, process, mapping: told(process, replace(mapping, shared=shared))}
    }


PROMISE_ROWS: tuple[tuple[str, str, Any], ...] = (
    (
        "what the program may not read is read as 0",
        "test_memory_that_the_program_may_not_read_faults",
        {"process": {"read": _forbidden_is_zero}},
    ),
    (
        "shared mappings are told as private",
        "test_a_mapping_says_whether_it_is_shared",
        _shared_told(False),
    ),
    ("private mappings are told as shared", "test_a_mapping_says_whether_it_is_shared", _shared_told(True)),
    (
        "a signal without a handler does not kill",
        "test_a_signal_without_a_handler_kills",
        {"machine": {"run": _survives}},
    ),
    ("the area is the program's to write", _AREA, _area(writable=True)),
    ("the area is not executable", _AREA, _area(executable=False)),
    ("the area is called something else", _AREA, _area(path="[slots]")),
    (
        "a name has sixteen bytes",
        "test_a_long_name_is_cut_where_a_kernel_cuts_it",
        {"task": {"comm": Value(lambda task: task.comm + "f")}},
    ),
    ("mappings have no path", _RIGHTS, _all(path="")),
    ("mappings have the path of another file", _RIGHTS, _all(path="/bin/other")),
    ("mappings are not executable", _RIGHTS, _all(executable=False)),
    ("mappings are the program's to write", _RIGHTS, _all(writable=True)),
    (
        "a fork that is not followed keeps its breakpoints",
        "test_a_forked_child_that_is_not_followed_runs_as_without_probes",
        _unfollowed_untold,
    ),
    ("mappings that come are listed last", "test_mappings_are_sorted_when_one_has_come", _appended),
    ("the list of mappings is the backend's own", "test_a_list_of_mappings_stays_what_it_was", _own_list),
    (
        "system calls are not counted",
        "test_system_calls_that_are_told_are_counted",
        _uncounted("syscalls"),
    ),
    (
        "unknown system calls are not counted",
        "test_a_system_call_that_is_not_there_is_refused_and_counted",
        _uncounted("unknown-syscalls"),
    ),
    ("an exception at a watch is swallowed", _CALLBACK, {"handler": {"on_watch": _swallow}}),
    ("an exception at a mapping is swallowed", _CALLBACK, {"handler": {"on_mmap": _swallow}}),
    ("an exception at a task's end is swallowed", _CALLBACK, {"handler": {"on_exit": _swallow}}),
    (
        "an exception at a thread's start is swallowed",
        "test_an_exception_at_a_threads_start_comes_out_of_the_run",
        {"handler": {"on_task": _swallow}},
    ),
    ("counts are the backend's own", "test_statistics_are_those_of_when_they_were_asked_for", _own_counts),
    (
        "an exception of what is to be done soon is swallowed",
        "test_what_is_to_be_done_soon_ends_the_run_if_it_raises",
        {"machine": {"call_soon": _patient}},
    ),
    (
        "memory is read as an array that can be changed",
        "test_memory_is_what_the_file_says",
        {"process": {"read": lambda process, address, size: bytearray(process.read(address, size))}},
    ),
    (
        "the clock is a fraction",
        "test_the_clock_never_runs_backwards_and_runs",
        {"task": {"clock": lambda task: float(task.clock())}},
    ),
    (
        "a mapping is told as longer than it is",
        "test_a_mapping_is_told_as_it_is_listed",
        {"handler": {"on_mmap": _longer}},
    ),
    (
        "breakpoints stay when their mapping goes",
        "test_a_breakpoint_goes_with_its_mapping",
        _kept_traps,
    ),
)


class _Broken:
    """A watcher some of whose methods are somebody else's."""

    def __init__(self, good: Any, **methods: Callable[..., Any]) -> None:
        self._good, self._methods = good, methods

    def __getattr__(self, name: str) -> Any:
        told = getattr(self._good, name)
        changed = self._methods.get(name)
        return told if changed is None else lambda *args: changed(told, *args)


def _positive(told: Any, task: Any, name: str, arguments: Any, result: int | None) -> None:
    told(task, name, arguments, abs(result or 0))


def _lost(told: Any, task: Any, name: str, arguments: Any, _result: int | None) -> None:
    told(task, name, arguments, 0)


def _told(asked: str, **methods: Callable[..., Any]) -> Callable[[Any], Any]:
    """What is told to the watcher *asked* of a target is wrong."""

    def change(target: Any) -> Any:
        watcher = getattr(target, asked)
        return target if watcher is None else replace(target, **{asked: _Broken(watcher, **methods)})

    return change


def _unrooted(target: Any) -> list[str]:
    """The arguments with the program where it is without the sysroot, so that it starts."""
    return [f"{target.sysroot or ''}{target.argv[0]}", *target.argv[1:]]


_CALLS = "test_system_calls_are_told_with_their_results"
_NETWORK = "test_the_hosts_network_is_there_if_it_is_allowed"

TOLD_ROWS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    (
        "what is bound to be read can be written",
        "test_a_bound_file_is_written_unless_it_is_bound_to_be_read",
        lambda target: replace(target, binds=[replace(each, read_only=False) for each in target.binds]),
    ),
    (
        "the limit of instructions is a hundred times as high",
        "test_the_limit_of_instructions_ends_the_run",
        lambda target: replace(target, limits=replace(target.limits, instructions=1_000_000)),
    ),
    (
        "the sysroot is ignored",
        "test_the_sysroot_is_the_programs_root",
        lambda target: replace(target, sysroot=None, argv=_unrooted(target)),
    ),
    (
        "a sysroot that is to be read can be written",
        "test_the_sysroot_is_written_unless_it_is_to_be_read",
        lambda target: replace(target, sysroot_read_only=False),
    ),
    ("the host's network is always there", _NETWORK, lambda target: replace(target, allow_net=True)),
    ("the host's network is never there", _NETWORK, lambda target: replace(target, allow_net=False)),
    ("system calls are not told", _CALLS, lambda target: replace(target, on_syscall=None)),
    (
        "failed results of system calls are not negative",
        "test_system_calls_that_are_told_are_counted",
        _told(
            "on_syscall",
            answered=_positive,
        ),
    ),
    (
        "results of system calls are lost",
        _CALLS,
        _told("on_syscall", answered=_lost),
    ),
    (
        "a sample is the instruction after",
        "test_every_so_many_th_instruction_is_told",
        _told("on_sample", sampled=lambda told, task, block, address: told(task, block, address + 4)),
    ),
    (
        "a sample is where its block begins",
        "test_every_so_many_th_instruction_is_told",
        _told("on_sample", sampled=lambda told, task, block, _address: told(task, block, block)),
    ),
    (
        "the last instruction of executed code is not told",
        "test_executed_code_is_told_with_how_often",
        _told(
            "on_code",
            executed=lambda told, process, blocks: told(
                process, [(start, size - 4, times) for start, size, times in blocks]
            ),
        ),
    ),
)
