"""Validate a set-up without running it: every problem of every line, filter, trigger and consumer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from uprobe_core.actions.kinds import Action
from uprobe_core.discovery.contracts import blaming, check_sink
from uprobe_core.discovery.load import check_writer, load_arch, load_backend, load_consumer
from uprobe_core.errors import ProbeError, SpecError, UprobeError, UsageError
from uprobe_core.event_model import EventSpec
from uprobe_core.probes.arch_ops import bind_arch, check_policy
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.session.abilities import refuse_lacking
from uprobe_core.session.choices import (
    choose_mode,
    choose_returns,
    files_of,
    refuse_other_machine,
    refuse_two_stops,
    target_of,
    writer_of,
    writes_records,
)
from uprobe_core.session.functions import lines_of_functions
from uprobe_core.session.result_files import refuse_one_file, report_kind
from uprobe_core.tracing.event_set import EventSet
from uprobe_core.tracing.place_check import PlaceCheck

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.arch_ops import ArchOps

__all__ = ("CheckResult", "LineResult", "Problem", "check_setup")


@dataclass(slots=True)
class LineResult:
    """What became of one event line.

    :param specs: the locations that it defined; empty for a deletion or an error
    :param error: why the line is refused, or a place of it cannot be probed
    :param warnings: what would go wrong later, such as a place that is not in code
    :param notes: what else is to be known of it
    """

    line: EventLine
    specs: list[EventSpec] = field(default_factory=list)
    error: SpecError | ProbeError | None = None
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong besides the event lines.

    :param what: what it is about, such as "consumer count"
    """

    what: str
    error: UprobeError


@dataclass(slots=True)
class CheckResult:
    """Everything that was found.

    :param listing: the events as ``uprobe_events`` would list them
    :param before: what a run would fail with before it reads its event lines
    :param after: what it would fail with once it has read them
    """

    lines: list[LineResult]
    listing: list[str]
    before: list[Problem]
    after: list[Problem]

    @property
    def others(self) -> list[Problem]:
        """All that is no event line's."""
        return [*self.before, *self.after]

    @property
    def first_error(self) -> UprobeError | None:
        """What a run would fail with, None if the set-up is good: places come last, they need the program."""
        refused: list[UprobeError] = [line.error for line in self.lines if line.error is not None]
        lines = [error for error in refused if isinstance(error, SpecError)]
        places = [error for error in refused if not isinstance(error, SpecError)]
        before, after = ([each.error for each in part] for part in (self.before, self.after))
        return next(iter([*before, *lines, *after, *places]), None)


class _Nowhere:
    """The consumer context of a check: nothing is ever written through it."""

    def emit(self, text: str) -> None:
        """Drop a line."""

    def record(self, hit: Any, event: Any) -> None:
        """Drop a hit."""

    def name_of(self, address: int) -> str:
        """No program, no names."""
        return ""

    def code(self, patterns: Sequence[str] = ()) -> tuple[()]:
        """No program, no code."""
        return ()


class _NoProbes:
    """What a program is opened with that is not going to run: whatever it is told, it has no answer."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_arguments, **_more: None


def check_setup(setup: RunSetup, *, whole: bool = False) -> CheckResult:
    """Check all of *setup*, as :class:`~uprobe_core.session.Session` would take it; never raises UprobeError.

    :param whole: whether a program belongs to it; else its event lines may stand for themselves
    """
    before = _wrong(_first(setup, whole=whole))
    try:
        arch = bind_arch(load_arch(setup.arch), _wrappers(setup, before))
        check_policy(arch, setup.policy)
    except UprobeError as error:
        return CheckResult([], [], [*before, Problem(f"architecture {setup.arch}", error)], [])
    files = files_of(setup)
    events = EventSet(setup.policy, arch, files, lambda *_: None)
    with files.remembering():
        lines = [_line(events, line) for line in setup.events]
        before += _wrong(iter([("system calls", partial(_system_calls, setup, events))]))
        before += _wrong(iter([("functions", partial(_functions, setup, files, arch, events))]))
    with PlaceCheck(files, arch, setup.policy) as places:
        for found in lines:
            _look_at(found, places)
    return CheckResult(lines, events.table.listing(), before, _wrong(_then(setup, events)))


def _system_calls(setup: RunSetup, events: EventSet) -> None:
    if setup.syscalls:
        events.add_line(EventLine("s:*", "-S"))


def _functions(setup: RunSetup, files: GuestFiles, arch: ArchOps, events: EventSet) -> None:
    records = writes_records(setup)
    for line in lines_of_functions(
        setup, events, files, arch, records=records, typed=False, warn=lambda _text: None
    ):
        events.add_line(line)


def _wrong(checks: Iterator[tuple[str, Callable[[], None]]]) -> list[Problem]:
    """The problems that *checks* find, each by itself."""
    found = []
    for what, check in checks:
        try:
            check()
        except UprobeError as error:
            found.append(Problem(what, error))
    return found


def _wrappers(setup: RunSetup, before: list[Problem]) -> tuple[Any, ...]:
    """What the plugins of every run wrap around the architecture, once they have seen *setup*."""
    from uprobe_core.discovery.called import create, wrappers_of

    try:
        plugins = create(on_failure=lambda _error: None)  # a run goes on without it, with a warning
        plugins.hook.uprobe_configure(setup=setup)
        return wrappers_of(plugins)
    except UprobeError as error:
        before.append(Problem("plugins", error))
        return ()


def _line(events: EventSet, line: EventLine) -> LineResult:
    """Write one line to the table, as the kernel would."""
    try:
        return LineResult(line, events.add_line(line))
    except SpecError as error:
        return LineResult(line, error=error)


# --- places -----------------------------------------------------------------------------------------


def _look_at(found: LineResult, places: PlaceCheck) -> None:
    """Note what a run would say of the locations of a line: a warning, or an error if it would not start."""
    for spec in found.specs:
        if not spec.is_placed:
            continue
        try:
            warning = places.look(spec.path, spec.offset)
        except ProbeError as error:
            found.error = found.error or error
        else:
            found.warnings += [warning] if warning else []
            if spec.resolver is not None:
                found.notes.append(
                    f"{spec.location} is an indirect function: what its resolver returns is probed"
                )


# --- the rest ---------------------------------------------------------------------------------------


def _first(setup: RunSetup, *, whole: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """What a run looks at before its events: what to call it in a message, and a check."""
    if whole and not setup.argv and setup.address is None:
        yield "program", _no_program
    default = RunSetup()
    if setup.decoder != default.decoder:
        yield f"decoder {setup.decoder}", partial(_decoder, setup.decoder)
    if setup.engine != default.engine:
        yield f"engine {setup.engine}", partial(_engine, setup.engine)


def _then(setup: RunSetup, events: EventSet) -> Iterator[tuple[str, Callable[[], None]]]:
    """What it looks at after them, in its order."""
    default = RunSetup()
    chosen = (setup.backend, setup.mode, setup.returns, setup.address)
    if setup.argv or chosen != (default.backend, default.mode, default.returns, None):
        yield f"backend {setup.backend}", partial(_backend, setup, events)
    for use in setup.consumers:
        yield f"consumer {use.name}", partial(_consumer, use, events)
    for chosen_filter in setup.filters:
        event, text = chosen_filter.event, chosen_filter.expression
        yield f"filter {event}:{text}", partial(events.set_filter, event, text)
    for trigger in setup.triggers:
        event, text = trigger.event, trigger.text
        yield f"trigger {event}:{text}", partial(events.add_trigger, event, text, _Nowhere())
    yield "repl", partial(refuse_two_stops, setup)
    yield f"format {setup.format}", lambda: check_writer(writer_of(setup))
    if setup.expect or setup.baseline is not None:
        yield "expectations", partial(_expectations, setup, events)
    one = {what: getattr(setup, what) for what in ("output", "profile", "junit_xml")}
    for what, path in (*one.items(), *(("report", path) for path in setup.report)):
        if path is not None and (path != "-" or what == "output"):
            yield f"{what.replace('_', '-')} {path}", partial(_writable, path)
    for path in setup.report:
        yield f"report {path}", partial(_report, path)
    yield "files", partial(refuse_one_file, setup)
    if setup.argv and setup.address is None:  # what runs elsewhere would be stopped and run on
        yield f"program {setup.argv[0]}", partial(_program, setup)


def _report(path: str) -> None:
    report_kind(path)


def _no_program() -> None:
    raise UsageError("no program to run", hint="give it in [target] argv or after the options")


def _program(setup: RunSetup) -> None:
    """Open it as a run does, and close it again: none of its instructions is executed."""
    try:
        backend = load_backend(setup.backend)
    except UprobeError:
        return  # which was said
    with blaming(setup.backend, "open the program", "backend"):
        backend.open(target_of(setup, backend.capabilities), cast("ProbeHandler", _NoProbes())).close()
    refuse_other_machine(setup, bind_arch(load_arch(setup.arch), ()).info, files_of(setup))


def _writable(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        number = errno.EISDIR
    elif not os.path.isdir(folder):
        number = errno.ENOENT
    else:
        number = 0 if os.access(path if os.path.exists(path) else folder, os.W_OK) else errno.EACCES
    if number:
        raise UsageError(
            f"cannot write {path!r}: {os.strerror(number)}",
            hint="name a file in a folder that may be written",
        )


def _backend(setup: RunSetup, events: EventSet) -> None:
    can = load_backend(setup.backend).capabilities
    choose_mode(can, setup, events.location_count)
    choose_returns(can, setup)
    refuse_lacking(can, setup, (event.spec for event in events.events))


def _decoder(name: str) -> None:
    from uprobe_core.discovery.decoder import choose_decoder

    choose_decoder(name)


def _engine(name: str) -> None:
    from uprobe_core.native.choice import choose_engine

    choose_engine(name)


def _expectations(setup: RunSetup, events: EventSet) -> None:
    """Understand them and attach what they need, as a session does."""
    from uprobe_core.expecting.expectations import Expectations

    def attach(event: Any, action: Action) -> None:
        check_sink(action.attach(event), action, event.full_name)

    Expectations.of(setup).measure(events.events, (use.name for use in setup.consumers), attach)


def _consumer(use: ConsumerUse, events: EventSet) -> None:
    """Construct a consumer and attach it to its events, as a session does."""
    plugin = load_consumer(use.name, use.options)
    for event in events.for_consumer(use):
        with blaming(use.name, f"attach to {event.full_name}"):
            made = plugin.attach(event, _Nowhere())
            sink = made.attach(event) if isinstance(made, Action) else made
            check_sink(sink, plugin, event.full_name, use.name)
