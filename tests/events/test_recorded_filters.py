"""Filters get the kernel's errors, and pass the hits that a kernel's pass (recorded on 6.12.117)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.support import FakeHit, Registers, load, make_language
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import compile_fetch
from uprobe_core.events.filters import Filter, parse_filter

REFUSED = load("filters.json")
HITS = load("filter_hits.json")
WORDS = ["apple", "apricot", "banana", "", "cherry pie"]
TEXTS = {0x10000 + 64 * n: word.encode() + b"\0" * 32 for n, word in enumerate([*WORDS, "last"])}


def event(line: str) -> EventSpec:
    """The recorded event, on a file that exists here."""
    (spec,) = make_language().parse(line.replace("/root/filt", "/root/loops"))
    assert isinstance(spec, EventSpec)
    return spec


def calls() -> list[tuple[int, int, int, int, str]]:
    """The arguments of the program's 21 calls, and the task's name."""
    loop = [(i % 7, 0x10000 + 64 * (i % 5), i - 10, i * 30, "filt") for i in range(20)]
    return [*loop, (100, 0x10000 + 64 * 5, -1000000, 255, "new name")]


def hits(spec: EventSpec) -> list[FakeHit]:
    """The program's hits as they were fetched."""
    program = compile_fetch(spec.args)
    found = []
    for a, s, b, c, comm in calls():
        hit = FakeHit(Registers({0: a, 1: s, 2: b % (1 << 32), 3: c % 256}), TEXTS)
        hit.comm = comm
        hit.values = program.run(hit)
        found.append(hit)
    return found


def by_program(filter_: Filter, spec: EventSpec, hit: FakeHit) -> bool:
    """What the branching program says, each predicate parsed on its own."""
    at = 0
    while at < len(filter_.ops):
        op = filter_.ops[at]
        value = op.predicate.value
        if isinstance(value, frozenset):
            value = f"CPUS{{{','.join(map(str, sorted(value)))}}}"
        elif isinstance(value, str):
            value = f"'{value}'" if "'" not in value else f'"{value}"'
        alone = parse_filter(f"{op.predicate.field.name} {op.predicate.operator} {value}", spec)
        at = op.target + 1 if alone.test(hit) == op.when else at + 1
        if at > len(filter_.ops):
            return False
    return True


def test_recorded_filters_get_the_recorded_errors() -> None:
    spec = event(REFUSED["event"])
    wrong = {}
    for case in REFUSED["cases"]:
        got: dict[str, Any] = {"filter": case["filter"], "errname": "0"}
        try:
            parse_filter(case["filter"], spec)
        except SpecError as error:
            got |= {"errname": error.errno_name, "message": error.message, "caret": error.caret}
        if got != case:
            wrong[case["filter"]] = got
    assert wrong == {}


@pytest.mark.parametrize("case", HITS["cases"], ids=lambda case: case["filter"])
def test_a_filter_passes_the_recorded_hits(case: dict[str, Any]) -> None:
    spec = event(HITS["event"])
    test = parse_filter(case["filter"], spec).test
    assert [hit.values[2] for hit in hits(spec) if test(hit)] == case["passed"]


@pytest.mark.parametrize("case", HITS["cases"], ids=lambda case: case["filter"])
def test_the_branching_program_agrees_with_the_function(case: dict[str, Any]) -> None:
    spec = event(HITS["event"])
    parsed = parse_filter(case["filter"], spec)
    for hit in hits(spec):
        assert by_program(parsed, spec, hit) == parsed.test(hit)


def test_a_filter_nested_deeper_than_python_allows_still_works() -> None:
    spec = event(HITS["event"])
    text = "(a > 300 || " * 150 + "a == 3" + ")" * 150
    assert [hit.values[0] for hit in hits(spec) if parse_filter(text, spec).test(hit)] == [3, 3, 3]


def test_an_unknown_field_is_answered_with_the_nearest() -> None:
    spec = event(HITS["event"])
    with pytest.raises(SpecError) as caught:
        parse_filter("common_pdi > 3", spec)
    assert caught.value.hint.startswith("did you mean common_pid or ")
