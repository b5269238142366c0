"""Validate a set-up without running it: every problem of every line, filter, trigger and consumer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uprobe_core.actions.kinds import Action
from uprobe_core.discovery.contracts import blaming, check_sink
from uprobe_core.discovery.load import check_writer, load_arch, load_backend, load_consumer
from uprobe_core.errors import ProbeError, SpecError, TargetError, UprobeError, UsageError
from uprobe_core.event_model import EventSpec
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.arch_ops import bind_arch, check_policy
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.session.choices import choose_mode, choose_returns, refuse_counts
from uprobe_core.tracing.event_set import EventSet
from uprobe_core.tracing.place_check import PlaceCheck

__all__ = ("CheckResult", "LineResult", "check_setup")


@dataclass(slots=True)
class LineResult:
    """What became of one event line.

    :param specs: the locations that it defined; empty for a deletion or an error
    :param error: why the line is refused, or a place of it cannot be probed
    :param warnings: what would go wrong later, such as a place that is not in code
    """

    line: EventLine
    specs: list[EventSpec] = field(default_factory=list)
    error: SpecError | ProbeError | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CheckResult:
    """Everything that was found.

    :param listing: the events as ``uprobe_events`` would list them
    :param others: (what, error) for filters, triggers and consumers
    """

    lines: list[LineResult]
    listing: list[str]
    others: list[tuple[str, UprobeError]]

    @property
    def first_error(self) -> UprobeError | None:
        """The first problem, None if the set-up is good."""
        errors: list[UprobeError] = [line.error for line in self.lines if line.error is not None]
        errors += [error for _, error in self.others]
        return errors[0] if errors else None


class _Nowhere:
    """The consumer context of a check: nothing is ever written through it."""

    def emit(self, text: str) -> None:
        """Drop a line."""

    def record(self, hit: Any, event: Any) -> None:
        """Drop a hit."""

    def name_of(self, address: int) -> str:
        """No program, no names."""
        return ""


def check_setup(setup: RunSetup) -> CheckResult:
    """Check all of *setup* but the program.

    Raises UsageError or PluginError only when nothing can be checked (no such
    architecture).
    """
    arch = bind_arch(load_arch(setup.arch))
    check_policy(arch, setup.policy)
    files = GuestFiles(setup.sysroot, setup.cwd, setup.binds)
    events = EventSet(setup.policy, arch, files, lambda *_: None)
    lines = [_line(events, line) for line in setup.events]
    with PlaceCheck(files, arch, setup.policy) as places:
        for found in lines:
            _look_at(found, places)
    others = [(what, error) for what, check in _others(setup, events, files) if (error := _attempt(check))]
    return CheckResult(lines, events.table.listing(), others)


def _line(events: EventSet, line: EventLine) -> LineResult:
    """Write one line to the table, as the kernel would."""
    before = set(map(id, events.table))
    try:
        events.add_line(line)
    except SpecError as error:
        return LineResult(line, error=error)
    return LineResult(line, [spec for spec in events.table if id(spec) not in before])


# --- places -----------------------------------------------------------------------------------------


def _look_at(found: LineResult, places: PlaceCheck) -> None:
    """Note what a run would say of the locations of a line: a warning, or an error if it would not start."""
    for spec in found.specs:
        try:
            warning = places.look(spec)
        except ProbeError as error:
            found.error = found.error or error
        else:
            found.warnings += [warning] if warning else []


# --- the rest ---------------------------------------------------------------------------------------


def _others(setup: RunSetup, events: EventSet, files: GuestFiles) -> Iterator[tuple[str, Callable[[], None]]]:
    """A check for each filter, trigger and consumer, with what to call it in a message."""
    for chosen in setup.filters:
        yield (
            f"filter {chosen.event}:{chosen.expression}",
            partial(events.set_filter, chosen.event, chosen.expression),
        )
    for trigger in setup.triggers:
        yield (
            f"trigger {trigger.event}:{trigger.text}",
            partial(events.add_trigger, trigger.event, trigger.text, _Nowhere()),
        )
    yield from _machinery(setup, events)
    if setup.argv and "/" in setup.argv[0]:
        yield f"program {setup.argv[0]}", partial(_program, setup.argv[0], files)
    if setup.format != "tracefs":
        yield f"format {setup.format}", partial(check_writer, setup.format)
    for use in setup.consumers:
        yield f"consumer {use.name}", partial(_consumer, use, events)


def _machinery(setup: RunSetup, events: EventSet) -> Iterator[tuple[str, Callable[[], None]]]:
    """Whether what was named can be had: nothing that a run would take by itself is looked at."""
    default = RunSetup()
    chosen = (setup.backend, setup.mode, setup.returns)
    if chosen != (default.backend, default.mode, default.returns):
        yield f"backend {setup.backend}", partial(_backend, setup, events)
    if setup.decoder != default.decoder:
        yield f"decoder {setup.decoder}", partial(_decoder, setup.decoder)
    if setup.engine != default.engine:
        yield f"engine {setup.engine}", partial(_engine, setup.engine)
    for what, path in (("output", setup.output), ("profile", setup.profile)):
        if path is not None and path != "-":
            yield f"{what} {path}", partial(_writable, path)


def _program(path: str, files: GuestFiles) -> None:
    """A name without a slash is searched by the backend, with the program's PATH."""
    status = files(path)
    if status.errno_name:
        raise TargetError(f"{path}: no such program", exit_status=127, slug="not-found")
    if not os.access(status.host_path, os.X_OK):
        raise TargetError(f"cannot run {path}: not executable")


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
    refuse_counts(can, setup, (event.spec for event in events.events))


def _decoder(name: str) -> None:
    from uprobe_core.discovery.decoder import choose_decoder

    choose_decoder(name)


def _engine(name: str) -> None:
    from uprobe_core.native.choice import choose_engine

    choose_engine(name)


def _consumer(use: ConsumerUse, events: EventSet) -> None:
    """Construct a consumer and attach it to its events, as a session does."""
    plugin = load_consumer(use.name, use.options)
    for event in events.events if use.event is None else events.find(use.event):
        with blaming(use.name, f"attach to {event.full_name}"):
            made = plugin.attach(event, _Nowhere())
            sink = made.attach(event) if isinstance(made, Action) else made
            check_sink(sink, plugin, event.full_name)


def _attempt(check: Callable[[], None]) -> UprobeError | None:
    """The error of one check, None if it went well."""
    try:
        check()
    except UprobeError as error:
        return error
    return None
