"""The end of a session: what consumers found, whether it was expected, and the files that it goes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from uprobe_core.backend import LEFT_ALONE, MAPPED_LATE, ExitStatus
from uprobe_core.errors import OutputError, SpecError
from uprobe_core.session.choices import writes_records
from uprobe_core.session.explain import say_statistics
from uprobe_core.session.prepared import PreparedSession
from uprobe_core.session.report import ConsumerReports
from uprobe_core.session.result_files import ResultFiles, report_kind

if TYPE_CHECKING:
    from uprobe_core.event_model import Record

__all__ = ("ReportedSession",)


class ReportedSession(PreparedSession):
    """What a :class:`~uprobe_core.session.Session` says and writes once its program has ended."""

    _two_buffers = False
    """Whether the output is to be held as the two buffers of a kernel."""

    def emit(self, text: str) -> None:
        """Write one line to the run's output, after what was recorded before."""
        if self._engine is not None:
            self._engine.sites.drain()
        if self._output is not None:
            task = None if self._machine is None else self._machine.current
            when = (0, 0) if task is None else (task.clock(), task.process.pid)
            self._output.line(text, *when)

    def takes_snapshots(self) -> None:
        """Have the output hold two buffers, as a kernel's; raises SpecError once it has begun."""
        if self._output is not None:
            hint = "write it before the program is opened: what was recorded until then is written"
            raise SpecError("snapshot comes too late", logged=False, hint=hint, slug="bad-trigger")
        self._two_buffers = True

    def _keep(self) -> None:
        """Write what was recorded until now: the process is about to end."""
        if self._engine is not None:
            self._engine.sites.drain()
        if self._output is not None:
            self._output.close()

    def _report(self, status: ExitStatus | None) -> None:
        found = ConsumerReports(self._consumers)
        columns = self._output.columns if found and self._output is not None else 0
        for line in found.lines(columns):
            self._emit_fitted(line, columns)
        for line in self.events.findings.reports():
            self.emit(line)
        self._judge(found)
        self._coverage.write(self._complaints.not_written, self._complaints.warn)
        if self._files is not None:
            self._write_files(self._files, found, status)
        losses = self.events.lives.losses(self.events.findings.elsewhere)
        for loss in (*self.events.findings.losses(), *losses):
            self.warn(loss)
        counts = {} if self._machine is None else self._machine.statistics()
        left = counts.get(LEFT_ALONE, 0)
        if left:
            what = f"at least {left} forked or executed process(es)"
            self.warn(f"{what} ran on without probes: the backend does not follow them")
        can = None if self._machine is None else self._machine.capabilities
        if status is not None and can is not None and not can.mappings:
            self._complaints.never_mapped(self._changes.never_mapped(), can.mappings_hint)
            self._complaints.mapped_late(counts.get(MAPPED_LATE, 0), can.mappings_hint)
        self._complaints.sum_up()
        self._warn_of_silence(found)
        if self.setup.debug and self._machine is not None:
            say_statistics(self._machine.statistics(), self.events.findings.statistics)
        self._complaints.failure = self._complaints.failure or found.failure

    def _warn_of_silence(self, found: ConsumerReports) -> None:
        """Say why there is less than was asked for."""
        setup, name = self.setup, self.setup.format.partition(":")[0]
        if setup.policy.is_kernel or self._explicit:
            return
        if name not in ("auto", "tracefs") and not writes_records(setup):
            uses = ", ".join(dict.fromkeys(use.name for use in setup.consumers))
            self.warn(f"--format {name} has no records: -C {uses} is in their place; -C trace adds them")
        totals = list(self.events.findings.totals())
        if totals and not found and not any(total.tallies["hits"] for total in totals):
            one = f"{totals[0].readable} was not reached"
            self.warn("none of what is probed was reached" if len(totals) > 1 else one)

    def _emit_fitted(self, line: str, columns: int) -> None:
        from uprobe_core.terminal_text import fitted  # a run without tables has no need of it

        for each in fitted(line, columns):
            self.emit(each)

    def _judge(self, found: ConsumerReports) -> None:
        """Say which expectations did not hold."""
        if self._expectations is None:
            return
        totals = [each.as_json() for each in self.events.findings.totals()]
        self.outcomes = tuple(self._expectations.judge(totals, found.as_json()))
        for outcome in self.outcomes:
            if not outcome.held:
                self._complaints.say(f"expectation failed: {outcome}")

    def _say_lost(self) -> None:
        """Processes that somebody ended have not told what they found last."""
        count = getattr(self._machine, "lost_processes", 0)
        if count:
            what = f"{count} process{'' if count == 1 else 'es'} of the program"
            self._complaints.not_written(
                OutputError(f"what {what} found last is lost: killed from outside, or without memory")
            )

    def _write_files(self, files: ResultFiles, found: ConsumerReports, status: ExitStatus | None) -> None:
        findings, lost = self.events.findings, self._complaints.not_written
        files.write_profile(lambda: findings.profile(with_missed=not self.setup.policy.is_kernel), lost)
        if files.wants_report:
            document = {
                "program": list(self.setup.argv),
                "status": _as_json(status),
                "events": [each.as_json() for each in findings.totals()],
                "consumers": found.as_json(),
                "expectations": [each.as_json() for each in self.outcomes],
            }
            document |= {"setup": self._setup_rows(), "versions": self._versions()}
            calls = None if self._calls is None else self._calls.as_data()
            files.write_report(document, lost, found.as_texts(), calls)
        files.write_junit(lambda: self._junit_xml(status), lost)

    def _look_at_records(self) -> Callable[[Record], None] | None:
        """Who looks at the records for the report, if it is one that shows calls."""
        if "html" not in map(report_kind, self.setup.report) or not writes_records(self.setup):
            return None
        from uprobe_core.reporting.calls import CallsSeen

        self._calls = CallsSeen(self.events.specs())
        return self._calls.take

    def _setup_rows(self) -> dict[str, str]:
        """What was asked for, as far as it is not the default; a list in one line."""
        default = type(self.setup)()
        rows = {}
        for row in fields(self.setup):
            value = getattr(self.setup, row.name)
            if row.name not in ("argv", "report") and value != getattr(default, row.name):
                each = value if isinstance(value, tuple) else (value,)
                rows[row.name.replace("_", "-")] = ", ".join(map(_shown, each))
        return rows

    def _versions(self) -> dict[str, str]:
        from importlib.metadata import version

        return {"engine": str(self.engine.name), "uprobe": version("uprobe")}

    def _junit_xml(self, status: ExitStatus | None) -> str:
        from uprobe_core.expecting.junit import junit_xml

        return junit_xml(self.setup.argv, self.outcomes, _failure(status))


def _shown(value: Any) -> str:
    """A part of a set-up as it was written, nearly."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "text"):
        return str(value.text)
    if hasattr(value, "options"):
        event = {"event": value.event} if getattr(value, "event", None) else {}
        given = ",".join(f"{key}={text}" for key, text in {**event, **value.options}.items())
        return f"{value.name}:{given}" if given else str(value.name)
    return str(getattr(value, "value", value))


def _as_json(status: ExitStatus | None) -> dict[str, Any] | None:
    """How the program ended; frames of its stack are their names."""
    return None if status is None else asdict(status) | {"stack": [frame.name for frame in status.stack]}


def _failure(status: ExitStatus | None) -> str:
    """How a program ended, "" if well."""
    if status is None:
        return "it did not run to its end"
    if status.reason:
        return f"the run was ended: {status.reason}"
    if status.signal:
        return f"signal {status.signal} killed it"
    return f"its exit status is {status.code}" if status.code else ""
