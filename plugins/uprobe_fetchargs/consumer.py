"""``-C trace``: hand each hit with its fetched arguments to the run's writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    from uprobe_core.consumer import ConsumerContext, EventInfo, Hit, Report, ReturnHit

__all__ = ("TraceConsumer",)


class _Entries:
    """Records the hits of one entry event."""

    name = "trace"
    writes_records = True
    """Says that handing the hit to the writer is all that it does, so that a native engine can."""

    def __init__(self, event: EventInfo, context: ConsumerContext) -> None:
        self._event = event
        self._record = context.record

    def handler(self, hit: Hit) -> None:
        """Record an entry."""
        self._record(hit, self._event)


class _Returns:
    """Records the returns of one return event."""

    name = "trace"
    writes_records = True

    def __init__(self, event: EventInfo, context: ConsumerContext) -> None:
        self._event = event
        self._record = context.record

    def ret_handler(self, hit: ReturnHit) -> None:
        """Record a return."""
        self._record(hit, self._event)


class TraceConsumer:
    """``-C trace``: every hit as a record, which is what happens without ``-C``; it has no options.

    Filters, formats and files are the run's (``--filter``, ``--format``,
    ``-o``), so that they mean the same for every consumer.
    """

    name = "trace"

    def __init__(self, options: Mapping[str, str]) -> None:
        if options:
            raise UsageError(
                f"consumer trace has no option {sorted(options)[0]!r}",
                hint="use --filter to choose hits, --format and -o for the output",
            )

    def attach(self, event: EventInfo, context: ConsumerContext) -> _Entries | _Returns:
        """What records the hits of *event*."""
        return _Returns(event, context) if event.is_return else _Entries(event, context)

    def report(self) -> Report | None:
        """Nothing: the records are the result."""
        return None
