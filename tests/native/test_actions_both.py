"""Counts, sums and histograms of any hits are the reference's, and what is no action is refused."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.events.support import REGISTERS, FakeHit, Registers
from tests.native.test_filter_programs import SPEC, Case, cases, hit_of
from uprobe_core.actions import Count, Hist, Sum
from uprobe_core.actions.merge import merge
from uprobe_core.events.filters import parse_filter
from uprobe_core.native.packing import FieldRef, pack_filter, pack_program, pack_registers
from uprobe_core.native.plan import plan_event
from uprobe_core.native.results import take
from uprobe_core.types import MemoryFault

_engine = pytest.importorskip("uprobe_core.native._engine")

PID = 539
Make = tuple[type[Any], dict[str, Any]]
"""An action's class and its options."""


def event_of(action: Any) -> Any:
    """As much of an event as an action and a plan look at."""
    event = SimpleNamespace(
        spec=SPEC, names=tuple(arg.name for arg in SPEC.args), group="uprobes", name="ev",
        is_return=False, wants_returns=False, triggers=None, has_filters=False, filter=None, most_text=None,
    )  # fmt: skip
    event.sinks = [action.attach(event)]
    return event


def by_reference(make: Make, those: Sequence[FakeHit]) -> Any:
    """The action after the hits."""
    action = make[0](**make[1])
    (sink,) = event_of(action).sinks
    for hit in those:
        sink.handler(hit)
    return action


def by_engine(make: Make, those: Sequence[FakeHit]) -> Any:
    """The same, with what the engine found at the hits."""
    action = make[0](**make[1])
    plan = plan_event(event_of(action))
    (doing,) = plan.actions
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    task = engine.set_task(-1, PID, FakeHit.tid, 0, b"")
    engine.run_task(task)
    probe = engine.add_probe(plan.program, plan.room, plan.capture, plan.capture_room, False)
    number = engine.add_action(
        probe, doing.kind, doing.hist, doing.parameter, 0, doing.packed_keys, doing.value.pack(),
        doing.tests, doing.texts,
    )  # fmt: skip
    engine.limit_keys(number, action.max_keys)
    engine.set_probe(probe, True, False, [number], [], b"", b"")
    site = engine.add_site(FakeHit().address, 0, [probe])
    for hit in those:
        engine.set_task(task, PID, FakeHit.tid, 0, hit.comm.encode())
        engine.hit(site, hit)
    merge(action, *take(engine, number, doing.decoder([]), doing.result))
    return action


def found(action: Any) -> str:
    """All that it found, in the order in which it is shown; NaN is like NaN."""
    return f"{action.result()!r} lost {action.lost}"


keys = st.lists(
    st.sampled_from(["a", "u", "n", "b", "s", "h", "z", "comm", "tid", "pid", "ip"]),
    max_size=_engine.MAX_KEY,
    unique=True,
)
often: dict[str, Any] = {
    "by": keys.map(tuple),
    "when": st.sampled_from([None, None, 'a > 1 || s ~ "a*"', "n < 0"]),
    "max_keys": st.sampled_from([1, 2, 1 << 17]),
}
hists = st.fixed_dictionaries(
    {
        "arg": st.sampled_from("aunbz"), "kind": st.sampled_from(["log2", "linear", "sub"]),
        "step": st.sampled_from([1, 2, 7, 2**62, 2**63, 2**64 - 1]), "bits": st.integers(0, 8), **often,
    }
)  # fmt: skip
makes = st.one_of(
    st.tuples(st.just(Count), st.fixed_dictionaries(often)),
    st.tuples(st.just(Sum), st.fixed_dictionaries({"arg": st.sampled_from("aunbzf"), **often})),
    st.tuples(st.just(Hist), hists),
)


def with_a(*numbers: int) -> list[Case]:
    """Hits whose first arguments are these."""
    return [(number, number, number, "a", "b", float(number), "t") for number in numbers]


LOWEST, HIGHEST = -(2**63), 2**63 - 1


@settings(max_examples=200, deadline=None)
@given(makes, st.lists(cases, max_size=12))
@example((Hist, {"arg": "a", "kind": "log2"}), with_a(LOWEST, HIGHEST, -1, 0, 1))
@example((Hist, {"arg": "a", "kind": "linear", "step": 2**62}), with_a(LOWEST, HIGHEST, -1, -(2**62)))
@example((Hist, {"arg": "a", "kind": "linear", "step": 7}), with_a(LOWEST, LOWEST + 1, HIGHEST, -7, -8, 7, 8))
@example((Hist, {"arg": "a", "kind": "sub", "bits": 2}), with_a(LOWEST, HIGHEST, -9, 9, -7, 7, -8, 8, -4, 4))
@example((Sum, {"arg": "a"}), with_a(5, 1, 7, LOWEST, HIGHEST, HIGHEST))
@example((Sum, {"arg": "u"}), with_a(5, 1, 7, LOWEST, HIGHEST, HIGHEST, -1, -1))
@example((Sum, {"arg": "f"}), with_a(5, 1, 7, -3, 8))
@example(
    (Count, {"by": ("s", "h")}), [(0, 0, 0, s, h, 0.0, "") for s, h in [("ab", ""), ("a", "b"), ("", "ab")]]
)
@example((Count, {"by": "s"}), [(0, 0, 0, s, "", 0.0, "") for s in (None, "", None, "a")])
def test_actions_find_what_the_reference_finds(make: Make, those: list[Case]) -> None:
    made = [hit_of(case) for case in those]
    for hit in made:
        vars(hit)["pid"] = PID
    assert found(by_engine(make, made)) == found(by_reference(make, made))


@pytest.mark.parametrize("is_return", [False, True], ids=["entry", "return"])
def test_an_event_that_is_switched_off_during_a_call_does_nothing_at_its_return(is_return: bool) -> None:
    """It is switched on again for the second of three calls that are in each other."""
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    engine.run_task(engine.set_task(-1, PID, FakeHit.tid, 0, b""))
    none = pack_program([])
    assert none is not None
    probe = engine.add_probe(*none, struct.pack("<I", 0), 0, is_return)
    action = engine.add_action(probe, COUNT, 0, 0, 0, b"", ZERO.pack(), b"", b"")
    hits = [FakeHit(Registers({REGISTERS.sp: 0x8000 - 16 * n, REGISTERS.link or 0: n})) for n in range(1, 4)]
    site = engine.add_site(FakeHit().address, 0, [probe])
    engine.set_probe(probe, True, True, [], [action], b"", b"")
    assert [engine.hit(site, hit) for hit in hits] == [1, 2, 3]
    for back, enabled in ((3, False), (2, True), (1, False)):
        engine.set_probe(probe, enabled, True, [], [action], b"", b"")
        engine.return_hit(back, hits[back - 1])
    assert engine.take_probe(probe)[1:3] == (3, 3)
    assert engine.take_action(action)[0] == 1


# --- what is no action ------------------------------------------------------------------------------------

ARG = _engine.FIELD_ARG
NUMBER, TEXT, FLOAT = FieldRef(ARG, "u", 0), FieldRef(ARG, "t", 4), FieldRef(ARG, "f", 5)
LATENCY, ZERO = FieldRef(_engine.FIELD_LATENCY, "u"), FieldRef(_engine.FIELD_ZERO, "u")
COUNT, SUM, HIST = _engine.ACTION_COUNT, _engine.ACTION_SUM, _engine.ACTION_HIST
SUMMARY, GRAPH = _engine.ACTION_SUMMARY, _engine.ACTION_GRAPH
LOG2, LINEAR, SUB = _engine.HIST_LOG2, _engine.HIST_LINEAR, _engine.HIST_SUB


def stack(depth: int) -> FieldRef:
    """As a key."""
    return FieldRef(_engine.FIELD_STACK, "k", depth)


def takes(kind: int, hist: int, parameter: int, value: FieldRef, *by: FieldRef) -> bool:
    """Whether the engine takes that action."""
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    program = pack_program(SPEC.args)
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    packed = b"".join(field.pack() for field in by)
    try:
        engine.add_action(probe, kind, hist, parameter, 0, packed, value.pack(), b"", b"")
    except ValueError:
        return False
    return True


GOOD = [
    (COUNT, 0, 0, ZERO),
    (COUNT, SUB, 64, ZERO),
    (COUNT, 0, 0, ZERO, NUMBER, TEXT, FLOAT),
    (COUNT, LINEAR, 0, ZERO, *[NUMBER] * _engine.MAX_KEY),
    (COUNT, 0, 0, ZERO, stack(1)),
    (COUNT, 0, 0, ZERO, stack(_engine.MAX_STACK)),
    (SUM, 0, 0, FLOAT),
    (SUM, LINEAR, 0, NUMBER),
    (HIST, LINEAR, 1, NUMBER),
    (HIST, LOG2, 0, NUMBER),
    (HIST, SUB, 63, LATENCY),
    (SUMMARY, SUB, 6, LATENCY),
    (GRAPH, SUB, 6, LATENCY),
]
BAD = [
    (GRAPH + 1, SUB, 6, LATENCY),
    (COUNT, SUB + 1, 0, ZERO),
    (COUNT, 0, 0, ZERO, *[NUMBER] * (_engine.MAX_KEY + 1)),
    (COUNT, 0, 0, ZERO, stack(0)),
    (COUNT, 0, 0, ZERO, stack(_engine.MAX_STACK + 1)),
    (COUNT, 0, 0, ZERO, FieldRef(ARG, "u", 8)),
    (COUNT, 0, 0, ZERO, NUMBER, FieldRef(ARG, "k", 1)),
    (SUM, 0, 0, TEXT),
    (SUM, 0, 0, stack(3)),
    (SUM, 0, 0, FieldRef(ARG, "f", 0)),
    (SUM, SUB, 64, NUMBER),
    (HIST, LINEAR, 0, NUMBER),
    (HIST, SUB, 64, NUMBER),
    (HIST, LOG2, 0, FLOAT),
    (SUMMARY, SUB, 6, LATENCY, NUMBER),
    (SUMMARY, SUB, 6, NUMBER),
    (SUMMARY, LOG2, 6, LATENCY),
    (GRAPH, SUB, 6, LATENCY, NUMBER),
    (GRAPH, SUB, 6, ZERO),
    (GRAPH, LINEAR, 6, LATENCY),
]


def test_actions_are_taken_or_refused_for_what_they_look_at() -> None:
    assert [each for each in GOOD if not takes(*each)] == []
    assert [each for each in BAD if takes(*each)] == []


@pytest.mark.parametrize(
    ("value", "by", "when", "fits"),
    [
        (ZERO, (), "", True),
        (ZERO, (LATENCY,), "common_pid > 0", True),
        (NUMBER, (), "", False),
        (ZERO, (TEXT,), "", False),
        (ZERO, (), "a > 0", False),
        (ZERO, (), 'common_pid > 0 && s == ""', False),
    ],
)
def test_an_action_of_one_event_does_for_another_that_has_what_it_looks_at(
    value: FieldRef, by: tuple[FieldRef, ...], when: str, fits: bool
) -> None:
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
    program, none = pack_program(SPEC.args), pack_program([])
    packed = pack_filter(parse_filter(when, SPEC).ops) if when else (b"", b"")
    assert program is not None
    assert none is not None
    assert packed is not None
    probe, other = (engine.add_probe(*each, struct.pack("<I", 0), 0, False) for each in (program, none))
    keys = b"".join(field.pack() for field in by)
    action = engine.add_action(probe, SUM, 0, 0, 0, keys, value.pack(), *packed)
    engine.set_probe(probe, True, False, [action], [], b"", b"")
    try:
        engine.set_probe(other, True, False, [action], [], b"", b"")
    except ValueError:
        assert not fits
    else:
        assert fits
