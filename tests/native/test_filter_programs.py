"""Filters as the engine runs them: a kernel's recorded answers, and the reference's to any filter."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.events.support import ANYWHERE, REGISTERS, FakeHit, Registers, parse_one
from tests.events.test_recorded_filters import HITS, event, hits
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import compile_fetch
from uprobe_core.events.filters import Filter, parse_filter
from uprobe_core.native.packing import NOTHING, pack_filter, pack_program, pack_registers
from uprobe_core.types import MemoryFault

_engine = pytest.importorskip("uprobe_core.native._engine")

RECORDED = HITS["event"]


def passed(spec: EventSpec, packed: tuple[bytes, bytes], those: Sequence[FakeHit]) -> list[bool]:
    """For each hit whether the engine lets it through."""
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    task = engine.set_task(-1, 540, FakeHit.tid, 0, b"")
    engine.run_task(task)
    program = pack_program(spec.args)
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    action = engine.add_action(probe, _engine.ACTION_COUNT, 0, 0, 0, b"", NOTHING.pack(), b"", b"")
    engine.set_probe(probe, True, False, [action], [], *packed)
    site = engine.add_site(FakeHit().address, 0, [probe])
    found = []
    for hit in those:
        engine.set_task(task, 540, FakeHit.tid, 0, hit.comm.encode())
        engine.hit(site, hit)
        found.append(engine.take_action(action)[0] == 1)
    return found


def test_the_engine_passes_the_recorded_hits() -> None:
    """As far as it takes the filter; what it leaves to Python is counted, so that it does not become more."""
    spec, wrong, left = event(RECORDED), {}, []
    for case in HITS["cases"]:
        packed = pack_filter(parse_filter(case["filter"], spec).ops)
        if packed is None:
            left.append(case["filter"])
            continue
        those = hits(spec)
        found = passed(spec, packed, those)
        values = [hit.values[2] for hit, takes in zip(those, found, strict=True) if takes]
        if values != case["passed"]:
            wrong[case["filter"]] = values
    assert wrong == {}
    assert len(left) < len(HITS["cases"]) / 4, left


LINE = (
    "p:ev /root/loops:0x6d4 a=%x0:s64 u=%x1:u64 n=%x2:s8 b=%x2:u8 s=+0(%x3):string "
    "f=%d0:f64 h=+0(%x4):string z=%x1:x32"
)
SPEC = parse_one(LINE, ANYWHERE)
EDGES = [0, 1, 2, 3, 5, 127, 128, 255, 2**31, 2**63 - 1, -1, -2, -128, -(2**63)]
FLOATS = [0.0, -0.0, 1.5, -1.5, 2.0, float("inf"), float("nan"), float("-inf")]
numbers = st.sampled_from(EDGES)
words = st.text("ab", max_size=4)
patterns = st.text("ab*", max_size=5)
orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def _predicate(field: st.SearchStrategy[str], operator: Any, value: Any) -> st.SearchStrategy[str]:
    return st.builds("{} {} {}".format, field, operator, value)


predicates = st.one_of(
    _predicate(st.sampled_from("aunbz"), orders | st.just("&"), numbers),
    _predicate(st.just("f"), orders, st.sampled_from([0.0, 1.5, -1.5])),
    _predicate(st.sampled_from(["s", "h", "comm"]), st.just("~"), patterns.map('"{}"'.format)),
    _predicate(st.sampled_from(["s", "h", "comm"]), st.sampled_from(["==", "!="]), words.map('"{}"'.format)),
    _predicate(st.sampled_from(["common_pid", "__probe_ip"]), orders, st.sampled_from([540, 541, 0x4006D4])),
    _predicate(st.just("s"), st.just("~"), patterns.map('"!{}"'.format)),
)
filters = st.recursive(
    predicates,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=6,
)
cases = st.tuples(
    numbers, numbers, numbers, st.none() | words, st.none() | words, st.sampled_from(FLOATS), words
)
Case = tuple[int, int, int, str | None, str | None, float, str]


def hit_of(case: Case) -> FakeHit:
    """A hit whose arguments are as *case* says; a string that is None cannot be read."""
    a, u, n, s, h, number, comm = case
    places = {0x1000: s, 0x2000: h}
    memory = {at: text.encode() + bytes(8) for at, text in places.items() if text is not None}
    vector = int.from_bytes(struct.pack("<d", number), "little")
    hit = FakeHit(Registers({0: a, 1: u, 2: n, 3: 0x1000, 4: 0x2000}, {0: vector}), memory)
    hit.comm = comm
    hit.values = compile_fetch(SPEC.args).run(hit)
    return hit


def parsed(text: str) -> Filter | None:
    """The filter; None where an operand is out of its field's range."""
    try:
        return parse_filter(text, SPEC)
    except SpecError:
        return None


NOTHING_READ: Case = (0, 0, 0, None, None, 0.0, "")


@settings(max_examples=200, deadline=None)
@given(filters, st.lists(cases, min_size=1, max_size=8))
@example('s ~ "***"', [NOTHING_READ])
@example('s ~ "*"', [NOTHING_READ])
@example('s ~ "**"', [NOTHING_READ])
@example('s == ""', [NOTHING_READ])
@example('s ~ "*a*b" || s ~ "b*a"', [(0, 0, 0, word, "", 0.0, "") for word in ("abb", "ab", "bba")])
@example('s ~ "a*ab"', [(0, 0, 0, word, "", 0.0, "") for word in ("aab", "ab", "abab", "aaab", "aabb")])
def test_any_filter_passes_what_the_reference_passes(text: str, those: list[Case]) -> None:
    filter_ = parsed(text)
    packed = None if filter_ is None else pack_filter(filter_.ops)
    if filter_ is None or packed is None:
        return
    made = [hit_of(case) for case in those]
    assert passed(SPEC, packed, made) == [filter_.test(hit) for hit in made]


def compared(field: str, operator: str, operands: Sequence[float], made: Sequence[FakeHit]) -> dict[str, Any]:
    """By filter what both say, where they differ."""
    differ = {}
    for operand in operands:
        filter_ = parsed(f"{field} {operator} {operand}")
        packed = None if filter_ is None else pack_filter(filter_.ops)
        if filter_ is not None and packed is not None:
            both = passed(SPEC, packed, made), [filter_.test(hit) for hit in made]
            if both[0] != both[1]:
                differ[filter_.text] = both
    return differ


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "&"])
def test_every_comparison_holds_at_the_same_edges(operator: str) -> None:
    made = [hit_of((edge, edge, edge, None, None, 0.0, "")) for edge in EDGES]
    assert {k: v for field in "aunbz" for k, v in compared(field, operator, EDGES, made).items()} == {}
    made = [hit_of((0, 0, 0, None, None, number, "")) for number in FLOATS]
    assert compared("f", operator, [0.0, 1.5, -1.5, 2.0], made) == {}


RETURN_LINE = "r:ev /root/loops:0x6d4 r=$retval:s64"
BACK, FUNCTION = 0x400800, FakeHit().address


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (f"__probe_ret_ip == {BACK}", True),
        (f"__probe_ret_ip == {FUNCTION}", False),
        (f"__probe_func == {FUNCTION}", True),
        (f"__probe_func == {BACK}", False),
        ("r == -3", True),
        ("r > 0", False),
        (f"common_pid == {FakeHit.tid}", True),
        ("common_pid == 1", False),
    ],
)
def test_a_filter_of_returns_looks_at_the_return(text: str, passes: bool) -> None:
    spec = parse_one(RETURN_LINE, ANYWHERE)
    packed, program = pack_filter(parse_filter(text, spec).ops), pack_program(spec.args)
    assert packed is not None
    assert program is not None
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    engine.run_task(engine.set_task(-1, 540, FakeHit.tid, 0, b""))
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, True)
    action = engine.add_action(probe, _engine.ACTION_COUNT, 0, 0, 0, b"", NOTHING.pack(), b"", b"")
    engine.set_probe(probe, True, True, [], [action], *packed)
    link = {REGISTERS.link or 0: BACK}
    assert engine.hit(engine.add_site(FUNCTION, 0, [probe]), FakeHit(Registers(link | {0: 5}))) == BACK
    engine.return_hit(BACK, FakeHit(Registers(link | {0: -3})))
    hits_, entries, returned, *_ = engine.take_probe(probe)
    assert (hits_, entries, returned, engine.take_action(action)[0]) == (1, 1, 1, passes)


# --- what is no filter ------------------------------------------------------------------------------------


TEST = struct.Struct(_engine.TEST_LAYOUT)
NUMBER, TEXT, FLOAT = 0, 4, 5
"""Arguments of the event."""


def one_test(**other: Any) -> bytes:
    """A test of the first argument that is in order, but for what is given."""
    fields: dict[str, Any] = {
        "source": _engine.FIELD_ARG, "kind": "u", "arg": NUMBER, "compare": _engine.COMPARE_EQ,
        "when": 1, "target": 1, "text_at": 0, "text_size": 0, "value": 0,
    }  # fmt: skip
    fields |= other
    return TEST.pack(*(ord(v) if k == "kind" else v for k, v in fields.items()))


def takes(tests: bytes, texts: bytes = b"abc") -> bool:
    """Whether the engine takes that filter."""
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    program = pack_program(SPEC.args)
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    try:
        engine.set_probe(probe, True, False, [], [], tests, texts)
    except ValueError:
        return False
    return True


TEXT_TEST: dict[str, Any] = {"kind": "t", "arg": TEXT, "compare": _engine.COMPARE_TEXT_EQ}
COMM_TEST: dict[str, Any] = TEXT_TEST | {"source": _engine.FIELD_COMM, "arg": 0}
GOOD: list[dict[str, Any]] = [
    {},
    {"target": 0},
    {"kind": "s", "compare": _engine.COMPARE_AND},
    {"kind": "f", "arg": FLOAT},
    {"source": _engine.FIELD_TEXT_SIZE},
    {"source": _engine.FIELD_ZERO},
    {"arg": 7},
    TEXT_TEST,
    TEXT_TEST | {"compare": _engine.COMPARE_TEXT_GLOB, "text_size": 3},
    TEXT_TEST | {"text_at": 1, "text_size": 2},
    TEXT_TEST | {"text_at": 3},
    COMM_TEST,
]
BAD: list[dict[str, Any]] = [
    {"target": 2},
    {"arg": 8},
    {"kind": "t"},
    {"kind": "f"},
    {"kind": "k"},
    {"kind": "u", "arg": TEXT},
    {"kind": "u", "arg": FLOAT},
    {"compare": _engine.COMPARE_TEXT_EQ},
    {"source": _engine.FIELD_TEXT_SIZE + 1},
    {"source": _engine.FIELD_STACK},
    {"source": _engine.FIELD_STACK, "kind": "k", "arg": 1},
    {"source": _engine.FIELD_PID, "kind": "t", "compare": _engine.COMPARE_TEXT_EQ},
    TEXT_TEST | {"compare": _engine.COMPARE_EQ},
    TEXT_TEST | {"compare": _engine.COMPARE_TEXT_GLOB + 1},
    TEXT_TEST | {"text_size": 4},
    TEXT_TEST | {"text_at": 2, "text_size": 2},
    TEXT_TEST | {"text_at": 1, "text_size": 2**32 - 1},
    COMM_TEST | {"kind": "u", "compare": _engine.COMPARE_EQ},
]


def test_filters_are_taken_or_refused_for_what_they_look_at() -> None:
    assert [each for each in GOOD if not takes(one_test(**each))] == []
    assert [each for each in BAD if takes(one_test(**each))] == []


def test_a_filter_goes_forward_only_and_is_made_of_whole_tests() -> None:
    whole = one_test(target=2)
    assert takes(whole + one_test(target=1))
    assert not takes(whole + one_test(target=0))
    assert not takes(whole * 3 + one_test(target=3)[:-1])
    assert not takes(one_test()[:5] + b"\2" + one_test()[6:])
