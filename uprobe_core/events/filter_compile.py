"""From comparisons to a Python function: a filter is parsed once and then only called.

Each comparison becomes a Python expression over ``h``, the hit, and ``v``, its
values; the whole filter is compiled as one lambda.  The text comes from the
field tables and from numbers, never from the user's strings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.events.fields import Field, FieldKind, join
from uprobe_core.events.filter_match import pattern_matcher

__all__ = ("INTEGER_SIZES", "Expressions", "FilterOp", "Operand", "Predicate")

INTEGER_SIZES = (1, 2, 4, 8)
"""Bytes that a kernel compares as a number; a field of another size compares as nothing."""
Operand = int | float | str | frozenset[int]
Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison.

    :param operator: "==", "!=", "<", "<=", ">", ">=", "&" or "~"
    :param value: the operand: a number in the field's range, a string, or a set of CPU numbers
    """

    field: Field
    operator: str
    value: Operand


@dataclass(frozen=True, slots=True)
class FilterOp:
    """One step: if the predicate's truth is *when*, go on after step *target*, else with the next.

    The step after the last one is "accept", the one after that "reject".
    """

    predicate: Predicate
    when: bool
    target: int


class Expressions:
    """Python expressions of comparisons, with the objects that they name."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {"join": join}

    def _name(self, value: object) -> str:
        name = f"m{len(self._names)}"
        self._names[name] = value
        return name

    def of(self, predicate: Predicate) -> str:
        """The expression of one comparison, in parentheses."""
        found, operator, value = predicate.field, predicate.operator, predicate.value
        if isinstance(value, str):
            matcher, inverted = pattern_matcher(operator, value, is_comm=found.kind is FieldKind.COMM)
            return f"({'not ' * inverted}{self._name(matcher)}({found.source}))"
        if isinstance(value, frozenset):
            return self._cpus(found, operator, value)
        if found.kind is FieldKind.CPU and operator == "&":
            return "(False)"
        if found.kind in (FieldKind.NUMBER, FieldKind.STACK) and found.size not in INTEGER_SIZES:
            return "(False)"
        if operator == "&":
            return "(False)" if isinstance(value, float) else f"({found.source} & {value} != 0)"
        return f"({found.source} {operator} {value!r})"

    def _cpus(self, found: Field, operator: str, cpus: frozenset[int]) -> str:
        if len(cpus) == 1:
            return f"({found.source} {'!=' if operator == '!=' else '=='} {min(cpus)})"
        if operator != "&":  # a set is never equal to one number
            return f"({operator == '!='})"
        return f"({found.source} in {self._name(cpus)})"

    def function(self, source: str, ops: tuple[FilterOp, ...]) -> Test:
        """The test that the expression *source* makes; the program's when it is nested too deep."""
        try:
            whole: Test = self._compile(f"lambda h: bool((v := h.values) is not None and {source})")
        except (MemoryError, RecursionError, SyntaxError):
            tests = [self._compile(f"lambda h, v: {self.of(op.predicate)}") for op in ops]
            return lambda hit: _run(ops, tests, hit)
        return whole

    def _compile(self, code: str) -> Any:
        return eval(code, self._names)  # noqa: S307  # see the module's head


def _run(ops: tuple[FilterOp, ...], tests: list[Callable[[Any, Any], bool]], hit: Any) -> bool:
    """Run the branching program."""
    at, values = 0, hit.values
    while at < len(ops):
        op = ops[at]
        at = op.target + 1 if bool(tests[at](hit, values)) == op.when else at + 1
        if at > len(ops):
            return False
    return True
