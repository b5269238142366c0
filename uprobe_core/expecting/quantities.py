"""What an expectation may speak of: what is counted of events, measured at them, and found by consumers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from uprobe_core.actions import Action, Count, Latency, Sum
from uprobe_core.errors import UsageError
from uprobe_core.expecting.expression import Quantity

__all__ = (
    "COUNTED",
    "STATISTICS",
    "Measured",
    "Unknown",
    "consumer_number",
    "counted",
    "measurement_of",
    "numbers_in",
)

COUNTED = ("hits", "entries", "returns", "missed", "pending")
"""``EVENT.hits`` and so on: what is counted of every event."""
STATISTICS = {"sum": "sum", "min": "min", "max": "max", "avg": "avg"}
"""``EVENT.sum(ARG)`` and so on, by the name in a sum's result."""
LATENCIES = ("p50", "p90", "p99", "max", "count")
"""``EVENT.latency.p99`` and so on."""
_FORMS = "EVENT.hits, EVENT.hits(FILTER), EVENT.sum(ARG), EVENT.latency.p99, CONSUMER.WHAT"


class Unknown(Exception):  # noqa: N818  # no failure of ours: the run has no answer
    """Nothing was found that could be compared; the text says why."""


Measured = tuple[Action, Callable[[], float]]
"""An action to attach to the event, and what it found; the latter raises Unknown."""


def measurement_of(quantity: Quantity) -> Measured | None:
    """How a quantity of an event is measured; None if it is counted anyway.  Raises UsageError."""
    path, argument = quantity.path, quantity.argument
    if path == ("hits",) and argument is not None:
        count = Count(when=argument)
        return count, lambda: float_or_int(count.result())
    if len(path) == 1 and path[0] in COUNTED and argument is None:
        return None
    if len(path) == 1 and path[0] in STATISTICS and argument:
        return _statistic(argument, STATISTICS[path[0]])
    if len(path) == 2 and path[0] == "latency" and path[1] in LATENCIES and argument is None:
        return _latency(path[1])
    raise UsageError(
        f"nothing is known as {str(quantity)!r}", hint=f"forms: {_FORMS}", slug="bad-expectation"
    )


def float_or_int(value: Any) -> float:
    """A number that an action found."""
    assert isinstance(value, int | float)
    return value


def _statistic(argument: str, what: str) -> Measured:
    action = Sum(argument)

    def found() -> float:
        result = action.result()
        if not result["count"] and what != "sum":
            raise Unknown("there was no hit")
        return float_or_int(result[what])

    return action, found


def _latency(what: str) -> Measured:
    action = Latency()

    def found() -> float:
        result = action.quantiles()
        if not result["count"] and what != "count":
            raise Unknown("no call returned")
        return float_or_int(result[what])

    return action, found


def counted(path: Sequence[str], totals: Mapping[str, Any]) -> float:
    """``hits`` and so on of an event's counts, as a report has them."""
    found = totals[path[0]]
    return sum(found.values()) if isinstance(found, Mapping) else float_or_int(found)


def consumer_number(quantity: Quantity, consumers: Sequence[Mapping[str, Any]]) -> float:
    """The one number of the consumer that *quantity* names, by the names on the way to it.

    ``latency.p99`` is that of ``-C latency`` if it has only one; ``latency.work.p99`` the one of
    the event work.  Raises Unknown.

    :param consumers: what was found, as a report has it
    """
    mine = [each for each in consumers if each["name"] == quantity.owner]
    numbers = [number for each in mine for number in numbers_in(each["found"])]
    found = [(_parts(path), n) for path, n in numbers if _leads(quantity.path, _parts(path))]
    exact = [(path, n) for path, n in found if path[-len(quantity.path) or len(path) :] == quantity.path]
    chosen = exact if len(exact) == 1 else found
    if len(chosen) == 1:
        return chosen[0][1]
    if not chosen:
        raise Unknown(f"{quantity.owner} found nothing of that name")
    several = ", ".join(".".join((quantity.owner, *path)) for path, _ in chosen[:5])
    raise Unknown(f"it may be one of {len(chosen)}: {several}")


def numbers_in(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every number in what a consumer found, plain data, with the names on the way to it."""
    if isinstance(found, Mapping):
        for name, value in found.items():
            yield from numbers_in(value, path if name == "events" else (*path, str(name)))
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield path, found


def _parts(path: Sequence[str]) -> tuple[str, ...]:
    """*path* with each GROUP/NAME as two names."""
    return tuple(part for name in path for part in name.split("/"))


def _leads(wanted: Sequence[str], path: Sequence[str]) -> bool:
    """Whether *wanted* stands in *path* in this order."""
    rest = iter(path)
    return all(name in rest for name in wanted)
