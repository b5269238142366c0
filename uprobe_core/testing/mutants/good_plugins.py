"""A consumer, a writer and hooks that are right, to be broken: small, and in no way special."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from uprobe_core import arch_hooks, hookspecs
from uprobe_core.errors import UsageError
from uprobe_core.writer import Record, RunHeader, escaped, escaped_value

__all__ = ("GoodConsumer", "GoodHooks", "GoodSink", "GoodWriter", "read_back")


class _Found:
    def __init__(self, hits: Mapping[str, int]) -> None:
        self.title = "hits"
        self._hits = hits

    def as_text(self) -> str:
        """A line for each event."""
        return "".join(f"{name}: {number}\n" for name, number in self._hits.items())

    def as_json(self) -> Any:
        """Hits by event."""
        return dict(self._hits)


class GoodSink:
    """Attached to one event."""

    name = "good"

    def __init__(self, owner: GoodConsumer, event: str) -> None:
        self._owner, self._event = owner, event

    def handler(self, hit: Any) -> None:
        """Count, with a look at the arguments."""
        self._owner.saw(self._event, hit)

    ret_handler = handler

    def fork(self) -> None:
        """Forget what the other process has found."""
        self._owner.hits[self._event] = 0

    def finish(self) -> int:
        """What was found here."""
        return self._owner.hits[self._event]

    def merge(self, hits: int) -> None:
        """Add what was found there."""
        self._owner.hits[self._event] += hits


class GoodConsumer:
    """Counts."""

    name = "good"
    sink_class = GoodSink

    def __init__(self, options: Mapping[str, str]) -> None:
        if options:
            raise UsageError(f"consumer good has no option {min(options)!r}", hint="it has none")
        self.hits: dict[str, int] = {}

    def attach(self, event: Any, _context: Any) -> Any:
        """One sink for each event."""
        self.hits.setdefault(event.name, 0)
        return self.sink_class(self, event.name)

    def saw(self, event: str, hit: Any) -> None:
        """One hit."""
        _ = hit.args
        self.hits[event] += 1

    def report(self) -> Any:
        """What was counted."""
        return _Found(self.hits)


class _Steps:
    """Counts steps."""

    def __init__(self) -> None:
        self.done = 0

    @arch_hooks.hookimpl(wrapper=True)
    def post_xol(self, task: Any, utask: Any) -> Any:
        """Once a step."""
        done = yield
        self.done += 1
        return done


class GoodHooks:
    """Looks over the shoulder of each step."""

    def __init__(self) -> None:
        self.steps = _Steps()

    @hookspecs.hookimpl
    def uprobe_arch_wrappers(self) -> Any:
        """The counter of steps."""
        return [self.steps]

    @hookspecs.hookimpl
    def uprobe_session_finish(self, session: Any, status: Any) -> None:
        """Nothing is left to do."""


class GoodWriter:
    """A line of JSON for each record."""

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None:
        self.stream = stream

    def row(self, record: Record) -> dict[str, Any]:
        """A record as plain data."""
        names = [arg.name for arg in record.event.args]
        values = [escaped_value(value) for value in record.values]
        return {
            "event": record.event.full_name,
            "comm": escaped(record.comm),
            **dict(zip(names, values, strict=True)),
        }

    def write(self, record: Record) -> None:
        """One line."""
        self.stream.write(json.dumps(self.row(record)).encode() + b"\n")

    def close(self) -> None:
        """Nothing is left."""
        self.stream.flush()


def read_back(data: bytes) -> Sequence[Mapping[str, Any]]:
    """The rows."""
    return [json.loads(line) for line in data.splitlines()]
