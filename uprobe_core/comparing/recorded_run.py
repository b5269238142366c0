"""What is known of a run afterwards, from a file of records, a report, or by running a set-up."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from uprobe_core.errors import TargetError, UsageError
from uprobe_core.expecting.quantities import numbers_in
from uprobe_core.session.own_python import own_python

__all__ = ("RecordedRun", "Task", "read_run")

Task = tuple[int, str]
"""A task as two runs have it in common: by its place in the order of first hits, and its name then."""

_RUN = """
from uprobe_core.cli.process import command
from uprobe_core.setup.decisive import note
for path in {kept!r}: note(path)
command()
"""


@dataclass
class RecordedRun:
    """A run.

    :param name: as the user named it
    :param counts: what was counted, by name: events' hits, numbers that consumers found
    :param traces: for each task its hits in order, as text without times and addresses; None
        where only counts are known
    """

    name: str
    counts: Mapping[str, float] = field(default_factory=dict)
    traces: dict[Task, list[str]] | None = None


def read_run(path: str, kept: Sequence[str] = ()) -> RecordedRun:
    """The run behind *path*: JSON lines (``--format jsonl``), a report (``--report``) or a set-up to run.

    Raises UsageError for a file that is none of them, TargetError for a set-up whose run failed.

    :param kept: files that such a run's program may not change
    """
    if path.endswith(".toml"):
        return _run(path, kept)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path!r}: {reason}", hint="compare takes two of one kind") from None
    return parse_run(path, text)


def parse_run(name: str, text: str) -> RecordedRun:
    """The run in *text*; raises UsageError."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = None
    if isinstance(whole, dict) and {"program", "events"} <= set(whole):
        return RecordedRun(name, dict(_reported(whole)))
    try:
        records = [json.loads(line) for line in text.splitlines()]
        if not all(isinstance(record, dict) and "v" in record for record in records):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{name!r} is neither a report nor a file of records nor a set-up",
            hint="uprobe run --report FILE.json, or --format jsonl -o FILE, or a FILE.toml",
        ) from None
    return _recorded(name, records)


def _reported(report: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """The numbers of a report by name."""
    for event in report["events"]:
        yield f"{event['name']} hits", event["hits"]
        yield from ((f"{event['name']} missed {why}", n) for why, n in event["missed"].items())
    for consumer in report["consumers"]:
        yield from ((" ".join((consumer["title"], *path)), n) for path, n in numbers_in(consumer["found"]))


def _recorded(name: str, records: Iterable[Mapping[str, Any]]) -> RecordedRun:
    counts: Counter[str] = Counter()
    traces: dict[Task, list[str]] = {}
    tasks: dict[int, Task] = {}
    for record in records:
        if "event" not in record:
            counts["(lost)"] += record.get("lost", 0)
            continue
        task = tasks.setdefault(record["tid"], (len(tasks) + 1, record["comm"]))
        counts[record["event"]] += 1
        arguments = [f"{arg}={json.dumps(value)}" for arg, value in record["args"].items()]
        traces.setdefault(task, []).append(" ".join([record["event"], record["type"], *arguments]))
    return RecordedRun(name, counts, traces)


def _run(path: str, kept: Sequence[str]) -> RecordedRun:
    """Run the set-up in a process of its own; its output is not shown."""
    with tempfile.TemporaryDirectory(prefix="uprobe-compare-") as folder:
        records, report = Path(folder, "records"), Path(folder, "report")
        words = ("run", "-c", path, "--report", str(report), "--format", "jsonl", "-o", str(records))
        done = subprocess.run(
            own_python(_RUN.format(kept=kept), *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode in (2, 125) or not report.exists():
            raise TargetError(
                f"the run of {path!r} failed with status {done.returncode}: {done.stderr.strip()}",
                exit_status=125,
                hint=f"uprobe run -c {path} shows it alone",
            )
        counted = parse_run(path, report.read_text(encoding="utf-8"))
        return replace(counted, traces=parse_run(path, records.read_text(encoding="utf-8")).traces)
