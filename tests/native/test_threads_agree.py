"""With threads the engines slice differently: what is the same is what each thread does by itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import uprobe_core as up

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

Build = Callable[[str], str]
WAYS = {
    "watch": [("py", "inline"), ("c", "inline"), ("c", "trap"), ("c", "jump"), ("c", "auto")],
    "hijack": [("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump")],
}


class Calls:
    """Python at entry and return, with a cookie."""

    name = "calls"

    def __init__(self) -> None:
        self.seen: list[tuple[int, Any]] = []

    def handler(self, hit: Any) -> None:
        hit.cookie = hit.reg(0)

    def ret_handler(self, hit: Any) -> None:
        self.seen.append((hit.tid, (hit.cookie, hit.reg(0))))


ACTIONS: dict[str, Callable[[str], Any]] = {
    "record": lambda field: up.Record(field, "tid"),
    "count": lambda field: up.Count(by=("tid", field)),
    "sum": lambda field: up.Sum(field, by="tid"),
    "hist": lambda field: up.Hist(field, by="tid"),
    "when": lambda field: up.Count(by="tid", when=f"{field} > 2"),
    "calls": lambda _field: Calls(),
}
probes = st.lists(
    st.tuples(
        st.sampled_from(["leaf", "recurse", "tail", "scale", "thread"]),
        st.sampled_from([0, 0, 1, 2]),
        st.booleans(),
        st.sampled_from(sorted(ACTIONS)),
    ),
    min_size=1,
    max_size=4,
)
Chosen = list[tuple[str, int, bool, str]]


def by_thread(consumer: Any) -> Any:
    """What *consumer* saw, in order for each thread."""
    if isinstance(consumer, up.Record):
        found: dict[int, list[Any]] = {}
        for record in consumer.result():
            found.setdefault(record["tid"], []).append(record)
        return found
    if isinstance(consumer, Calls):
        seen: dict[int, list[Any]] = {}
        for tid, call in consumer.seen:
            seen.setdefault(tid, []).append(call)
        return seen
    return consumer.result()


def probe(session: up.Session, number: int, program: str, chosen: tuple[str, int, bool, str]) -> Any:
    function, offset, is_return, action = chosen
    if is_return:
        line = f"r:e{number} {program}:{function} r=$retval:s32"
        return session.probe(line, ACTIONS["count" if action == "calls" else action]("r"))
    at = 0 if action == "calls" else 4 * offset
    return session.probe(f"p:e{number} {program}:{function}+{at} a=%x0:s32", ACTIONS[action]("a"))


def run(program: str, chosen: Chosen, engine: str, mode: str, returns: str) -> Any:
    argv = [program, "12", "3"]
    with (
        pytest.MonkeyPatch.context() as patch,
        up.Session(argv, mode=mode, returns=returns, output=os.devnull, seed=7, engine=engine) as session,
    ):
        patch.setenv("UPROBE_ENGINE", engine)
        consumers = [probe(session, number, program, each) for number, each in enumerate(chosen)]
        status = session.run()
        tallies = [Counter(p.tallies) for event in session.events.events for p in event.probes]
        return status.code, [by_thread(consumer) for consumer in consumers], tallies


@pytest.mark.parametrize("returns", WAYS)
@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(chosen=probes)
def test_every_thread_is_seen_alike(build: Build, returns: str, chosen: Chosen) -> None:
    program = build("mixed")
    reference = run(program, chosen, *WAYS[returns][0], returns)
    assert reference[0] == 0
    for engine, mode in WAYS[returns][1:]:
        assert run(program, chosen, engine, mode, returns) == reference, (engine, mode)
