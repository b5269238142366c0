"""``-C returns``: the balance of calls, entries = returns + missed + pending.

A kernel forgets a call that is left by longjmp or that lies too deep; here
each has a reason, and what is left over at the end of the run is pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from uprobe_core.actions import Action
from uprobe_core.consumer import ConsumerContext, EventInfo, Hit, ReturnHit
from uprobe_core.errors import UsageError

__all__ = ("Balance", "ReturnsConsumer")


class _Follower:
    """Attached to one event: tells the balance of each entry, return and missed return."""

    name = "returns"

    def __init__(self, balance: Balance) -> None:
        self._balance = balance

    def handler(self, hit: Hit) -> None:
        """A call begins."""
        self._balance.emit("entries")

    def ret_handler(self, hit: ReturnHit) -> None:
        """A call returns."""
        self._balance.emit("returns")

    def missed(self, function: int, reason: str) -> None:
        """A call will not be seen to return."""
        self._balance.emit(f"missed: {reason}")


class Balance(Action):
    """Counts what becomes of calls; measurements are words, so they travel out of forked children."""

    name = "returns"
    at_return = True

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def attach(self, event: EventInfo, context: Any = None) -> Any:
        """What follows the calls of *event*."""
        return _Follower(self)

    def apply(self, measurement: str) -> None:
        """Count one."""
        self.counts[measurement] += 1

    @property
    def pending(self) -> int:
        """Calls that have neither returned nor been given up."""
        missed = sum(number for what, number in self.counts.items() if what.startswith("missed"))
        return self.counts["entries"] - self.counts["returns"] - missed

    def result(self) -> dict[str, int]:
        """Entries, returns, each reason for a missed return, and what is pending."""
        missed = {what: n for what, n in sorted(self.counts.items()) if what.startswith("missed")}
        return {
            "entries": self.counts["entries"],
            "returns": self.counts["returns"],
            **missed,
            "pending": self.pending,
        }


class ReturnsReport:
    """The balances, one block for each event."""

    title = "returns"

    def __init__(self, balances: Mapping[str, tuple[EventInfo, Balance]]) -> None:
        self._balances = balances

    def as_text(self) -> str:
        """Lines for people."""
        lines: list[str] = []
        for event, balance in self._balances.values():
            result = balance.result()
            width = max(len(str(number)) for number in result.values())
            lines += [
                f"{event.readable}: returns",
                *(f"  {n:>{width}}  {what}" for what, n in result.items()),
            ]
        return "".join(f"{line}\n" for line in lines)

    def as_json(self) -> Any:
        """The numbers by event."""
        return {"title": self.title, "events": {e: b.result() for e, (_, b) in self._balances.items()}}


class ReturnsConsumer:
    """``-C returns``: what became of each call; it has no options."""

    name = "returns"

    def __init__(self, options: Mapping[str, str]) -> None:
        if options:
            raise UsageError(
                f"consumer returns has no option {min(options)!r}",
                hint="it takes none but event=NAME",
                slug="bad-option",
            )
        self._balances: dict[str, tuple[EventInfo, Balance]] = {}

    def attach(self, event: EventInfo, context: ConsumerContext) -> Balance:
        """The balance of *event*, of entry and return events alike."""
        return self._balances.setdefault(event.full_name, (event, Balance()))[1]

    def report(self) -> ReturnsReport | None:
        """The balances; None if there was no event."""
        return ReturnsReport(self._balances) if self._balances else None
