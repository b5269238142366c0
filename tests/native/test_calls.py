"""What Python is called for inside of native probes: the same calls, in the same order, as without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from uprobe_fetchargs import TraceConsumer

import uprobe_core as up
from tests.programs import ROOT, either, zig
from uprobe_core.types import HandlerVote

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

MODES = ("inline", "trap", "jump", "auto")
RETURNS = ("watch", "hijack")


def program(name: str) -> str:
    return str(either(ROOT / "tests" / "native" / "programs" / f"{name}.c"))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """``play(engine, set_up, argv, ...)``: what *set_up*'s consumers saw, the output, and the tallies."""

    def run(engine: str, set_up: Callable[[up.Session], list[Any]], argv: list[str], **options: Any) -> Any:
        monkeypatch.setenv("UPROBE_ENGINE", engine)
        output = tmp_path / "output"
        with up.Session(argv, output=str(output), seed=7, **options) as session:
            seen = set_up(session)
            session.open()
            if engine == "c":
                assert_native(session)
            status = session.run()
            tallies = [dict(p.tallies) for event in session.events.events for p in event.probes]
        return [status, seen, tallies, output.read_text()]

    return run


def assert_native(session: up.Session) -> None:
    """Every site of an event that is placed belongs to the native engine."""
    uprobes = {probe.uprobe for event in session.events.events for probe in event.probes}
    spaces = session._dispatcher.registry.spaces.values()
    sites = [site for space in spaces for site in space.sites if site.uprobe in uprobes]
    assert sites
    assert all(site.native for site in sites)


@pytest.fixture
def same(play: Any) -> Any:
    """Both engines have to see the same; returns it."""

    def compare(set_up: Any, argv: list[str], mode: str, returns: str = "watch", **options: Any) -> Any:
        reference = play("py", set_up, argv, mode="inline", returns=returns, **options)
        found = play("c", set_up, argv, mode=mode, returns=returns, **options)
        assert found == reference
        return found

    return compare


class Pair:
    """Entry and return, with a cookie that only this call can have left."""

    name = "pair"

    def __init__(self, votes: dict[int, HandlerVote] | None = None) -> None:
        self.seen: list[Any] = []
        self.votes = votes or {}

    def handler(self, hit: Any) -> Any:
        hit.cookie = (len(self.seen), hit.reg(0))
        self.seen.append(("in", hit.reg(0), hit.tid == hit.pid))
        return self.votes.get(hit.reg(0))

    def ret_handler(self, hit: Any) -> None:
        self.seen.append(("out", hit.cookie, hit.reg(0), hit.function == hit.address, hit.latency_ns > 0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pair) and self.seen == other.seen

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.seen)


class Teller(Pair):
    """The same, and it wants to know of calls that do not return."""

    def missed(self, function: int, reason: str) -> None:
        self.seen.append(("missed", reason))


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_each_return_has_the_cookie_of_its_entry(same: Any, mode: str, returns: str) -> None:
    path = program("mixed")

    def pair(session: up.Session) -> list[Any]:
        return [session.probe(f"p:{name} {path}:{name}", Pair()) for name in ("recurse", "leaf", "tail")]

    status, (recurse, leaf, _tail), _tallies, _text = same(pair, [path, "5"], mode, returns)
    assert status.code == 0
    assert [kind for kind, *_ in recurse.seen].count("out") == len(recurse.seen) // 2
    assert all(cookie[1] == leaf.seen[cookie[0]][1] for kind, cookie, *_ in leaf.seen if kind == "out")


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_threads_do_not_see_each_others_cookies(play: Any, mode: str, returns: str) -> None:
    path = program("mixed")
    pair = Pair()

    def attach(session: up.Session) -> list[Any]:
        return [session.probe(f"p:recurse {path}:recurse", pair)]

    play("c", attach, [path, "8", "3"], mode=mode, returns=returns)
    entries = {n: each for n, each in enumerate(pair.seen) if each[0] == "in"}
    back = [each for each in pair.seen if each[0] == "out"]
    assert sorted(cookie[0] for _, cookie, *_ in back) == sorted(entries)
    assert all(value == 1 + n * (n + 1) // 2 for _, (_, n), value, *_ in back)


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_calls_that_do_not_return_are_told(same: Any, mode: str, returns: str) -> None:
    path = program("mixed")

    def tell(session: up.Session) -> list[Any]:
        return [session.probe(f"p:{name} {path}:{name}", Teller()) for name in ("jumper", "main", "scale")]

    _status, (jumper, _main, _scale), tallies, _text = same(tell, [path, "2"], mode, returns)
    assert [each for each in jumper.seen if each[0] == "missed"] == [("missed", "longjmp")] * 4
    assert tallies[0] == {"hits": 4, "entries": 4, "missed longjmp": 4}


@pytest.mark.parametrize("mode", MODES)
def test_a_vote_decides_whether_the_return_is_seen(same: Any, mode: str) -> None:
    path = program("mixed")

    def vote(session: up.Session) -> list[Any]:
        return [session.probe(f"p:recurse {path}:recurse", Pair({2: HandlerVote.IGNORE}))]

    same(vote, [path, "5"], mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_place_goes_when_all_its_consumers_vote_for_it(same: Any, mode: str) -> None:
    path = program("mixed")

    def vote(session: up.Session) -> list[Any]:
        both = HandlerVote.REMOVE
        pairs = [Pair({2: both}), Pair({2: both, 1: both})]
        return [session.probe(f"p:e{n} {path}:recurse", pair) for n, pair in enumerate(pairs)]

    _status, (first, _second), _tallies, _text = same(vote, [path, "5"], mode)
    assert [each[1] for each in first.seen if each[0] == "in"] == [0, 1, 0, 2]


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_many_consumers_of_one_event_each_have_their_cookie(same: Any, mode: str, returns: str) -> None:
    path = program("mixed")

    def attach(session: up.Session) -> list[Any]:
        line = f"p:recurse {path}:recurse a=%x0:s64"
        pairs = session.probe(line, Pair(), Teller({1: HandlerVote.IGNORE}), up.Count(by="a"), up.Latency())
        return [pairs[0], pairs[1], pairs[2].result(), pairs[3].result()]

    same(attach, [path, "4"], mode, returns)


class Entries:
    """Sees entries only."""

    name = "entries"

    def __init__(self, vote: HandlerVote | None = None) -> None:
        self.seen: list[int] = []
        self.vote = vote

    def handler(self, hit: Any) -> HandlerVote | None:
        self.seen.append(hit.reg(0))
        return self.vote if len(self.seen) == 3 else None


@pytest.mark.parametrize("vote", [HandlerVote.KEEP, HandlerVote.IGNORE, HandlerVote.REMOVE])
@pytest.mark.parametrize("beside", ["nothing", "count", "latency"])
@pytest.mark.parametrize("kind", ["p", "r"])
@pytest.mark.parametrize("consumer", ["entries", "pair"])
def test_a_vote_counts_for_its_sink_among_the_others(
    same: Any, consumer: str, kind: str, beside: str, vote: HandlerVote
) -> None:
    path = program("mixed")

    def attach(session: up.Session) -> list[Any]:
        others: dict[str, list[Any]] = {"nothing": [], "count": [up.Count()], "latency": [up.Latency()]}
        other = others[beside]
        mine = Entries(vote) if consumer == "entries" else Pair({1: vote})
        session.probe(f"{kind}:recurse {path}:recurse", *other, mine)
        return [*(Result(action) for action in other), Seen(mine)]

    same(attach, [path, "5"], "auto")


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_what_a_return_event_captured_at_entry_is_recorded(same: Any, mode: str, returns: str) -> None:
    path = program("mixed")

    def record(session: up.Session) -> list[Any]:
        session.probe(f"r:text {path}:leaf s=$entry(+0(%x2)):string n=$entry(%x0) r=$retval", up.Record())
        session.probe(f"r:number {path}:leaf n=$entry(+4(%x3)):s16 r=$retval", up.Record())
        return []

    same(record, [path, "4"], mode, returns)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "trigger",
    [
        "hist:keys=a:vals=b:sort=a",
        "hist:keys=b.log2",
        "traceoff if a == 3",
        "traceoff:1",
        "stacktrace:2",
        "disable_event:uprobes:other if a == 2",
        "snapshot",
    ],
)
def test_triggers_act_as_without_the_engine(same: Any, mode: str, trigger: str) -> None:
    path = program("mixed")

    def set_up(session: up.Session) -> list[Any]:
        first = session.probe(f"p:leaf {path}:leaf a=%x0:s64 b=%x1:u8")
        second = session.probe(f"p:other {path}:recurse a=%x0:s64")
        back = session.probe(f"r:back {path}:tail r=$retval")
        for event in (first, second, back):
            session.attach(event, TraceConsumer({}))
        session.events.add_trigger("leaf", trigger, session)
        return []

    *_rest, text = same(set_up, [path, "6"], mode)
    assert text


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_forks_and_executions_with_calls_under_way(same: Any, mode: str, returns: str) -> None:
    path = program("family")

    def set_up(session: up.Session) -> list[Any]:
        outer = session.probe(f"r:outer {path}:outer r=$retval", up.Count(by="r"))
        return [Result(outer), session.probe(f"p:work {path}:work", Pair())]

    status, (outer, _work), tallies, _text = same(set_up, [path], mode, returns)
    assert status.code == 0
    assert outer == {123: 1, 101: 1, 12: 1}
    assert tallies[0] == {"hits": 2, "entries": 3, "returns": 3}


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("mode", MODES)
def test_a_child_that_shares_memory_has_calls_of_its_own(same: Any, mode: str, returns: str) -> None:
    path = str(zig("vforks.c"))

    def set_up(session: up.Session) -> list[Any]:
        for name in ("work", "child", "parent"):
            session.probe(f"p:{name} {path}:{name}", Pair())
        return [Result(session.probe(f"r:back {path}:parent r=$retval", up.Count(by="r")))]

    status, (back,), tallies, _text = same(set_up, [path], mode, returns)
    assert status.code == 0
    assert back == {24: 1}
    assert tallies[1] == {"hits": 1, "entries": 1, "missed exec": 1}
    assert tallies[2] == {"hits": 1, "entries": 2, "returns": 1, "missed exec": 1}


class Seen:
    """What a handler saw, compared when it is complete."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self.handler.seen == other.handler.seen

    __hash__ = None  # type: ignore[assignment]


class Result:
    """The result of an action, compared when it is complete."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __eq__(self, other: object) -> bool:
        theirs = other.action.result() if isinstance(other, Result) else other
        return bool(self.action.result() == theirs)

    __hash__ = None  # type: ignore[assignment]
