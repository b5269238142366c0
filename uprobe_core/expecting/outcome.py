"""Whether an expectation held, from the numbers that it speaks of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uprobe_core.expecting.expression import (
    Baseline,
    Expectation,
    Negation,
    Node,
    Number,
    Operation,
    Quantity,
)
from uprobe_core.expecting.quantities import Unknown

__all__ = ("Outcome", "judge")

_ARITHMETIC: Mapping[str, Callable[[Any, Any], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARING: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Lookup = Callable[[Quantity], float]
"""The number behind a name; raises Unknown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An expectation after the run.

    :param held: whether it held; one that could not be told did not
    :param found: the numbers that it names, by what they are called in it
    :param why: why it could not be told, "" otherwise
    :param baseline: what the baseline came to, where it speaks of one
    """

    text: str
    held: bool
    found: Mapping[str, float]
    why: str = ""
    baseline: float | None = None

    def __str__(self) -> str:
        numbers = [f"{name} is {shown(number)}" for name, number in self.found.items()]
        numbers += [] if self.baseline is None else [f"the baseline is {shown(self.baseline)}"]
        numbers += [self.why] if self.why else []
        return f"{self.text}: {', '.join(numbers)}" if numbers else self.text

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        found = {"text": self.text, "held": self.held, "found": dict(self.found)}
        return found | {"why": self.why, "baseline": self.baseline}


def shown(number: float) -> str:
    """A number as people read it: whole ones whole, others with six digits."""
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def judge(expectation: Expectation, lookup: Lookup, baseline: Lookup | None) -> Outcome:
    """Whether *expectation* holds.

    :param lookup: what the run found
    :param baseline: what the baseline found, if there is one
    """
    found: dict[str, float] = {}
    why = ""
    for quantity in expectation.quantities:
        try:
            found[str(quantity)] = lookup(quantity)
        except Unknown as error:
            why = why or f"{quantity} is not known: {error}"
    before = _Baseline(baseline)
    try:
        held = not why and bool(_value(expectation.root, lambda each: found[str(each)], before))
    except ZeroDivisionError:
        held, why = False, "it divides by zero"
    except Unknown as error:
        held, why = False, str(error)
    return Outcome(expectation.text, held, found, why, before.value)


class _Baseline:
    """What ``baseline`` stands for, and which number that was."""

    def __init__(self, lookup: Lookup | None) -> None:
        self._lookup = lookup
        self.value: float | None = None

    def of(self, side: Node) -> float:
        """The value of *side* in the baseline."""
        lookup = self._lookup
        if lookup is None:
            raise Unknown("there is no baseline")

        def before(quantity: Quantity) -> float:
            try:
                return lookup(quantity)
            except Unknown as error:
                raise Unknown(f"{quantity} is not known of the baseline: {error}") from None

        self.value = _value(side, before, self)
        return self.value


def _value(node: Node, lookup: Lookup, baseline: _Baseline, other: Node | None = None) -> float:
    """The value of *node*, which is compared with *other*."""
    match node:
        case Number(value):
            return value
        case Quantity():
            return lookup(node)
        case Baseline():
            if other is None:
                raise Unknown("baseline is not compared with anything")
            return baseline.of(other)
        case Negation(sign, inner):
            value = _value(inner, lookup, baseline, other)
            return not value if sign == "!" else -value
        case Operation(sign, left, right) if sign in _COMPARING:
            return _COMPARING[sign](
                _value(left, lookup, baseline, right), _value(right, lookup, baseline, left)
            )
        case Operation(sign, left, right) if sign in _ARITHMETIC:
            return _ARITHMETIC[sign](
                _value(left, lookup, baseline, other), _value(right, lookup, baseline, other)
            )
        case Operation(sign, left, right):
            first = bool(_value(left, lookup, baseline))
            if first == (sign == "||"):
                return first
            return bool(_value(right, lookup, baseline))
