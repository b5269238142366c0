"""What a hit, an action and a writer have of stacks: the same on both engines, and named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.errors import UsageError

ENGINES = pytest.mark.parametrize("engine", ["c", "py"])
SEEN = ["seen", "middle", "moving", "busy", "main"]
"""A chain of the program; tail, between moving and middle, has ended by a jump."""


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("chains.c")


class Look:
    """Keeps what *look* makes of each hit."""

    name = "look"

    def __init__(self, look: Callable[[Any], Any]) -> None:
        self.look = look
        self.found: list[Any] = []

    def handler(self, hit: up.Hit) -> None:
        self.found.append(self.look(hit))


class LookAtReturn(Look):
    """The same at returns."""

    handler = None  # type: ignore[assignment]

    def ret_handler(self, hit: up.ReturnHit) -> None:
        self.found.append(self.look(hit))


def run(program: Path, *probes: tuple[str, Any], **options: Any) -> up.Session:
    """A session that has run; event lines have {path} for the program."""
    with up.Session([str(program)], output="/dev/null", **options) as session:
        for line, consumer in probes:
            session.probe(line.format(path=program), consumer)
        session.run()
    return session


@ENGINES
def test_frames_are_addresses_with_names_and_places(program: Path, engine: str) -> None:
    look = Look(lambda hit: (hit.address, hit.stack()))
    run(program, ("p:probe {path}:seen", look), engine=engine)
    stack = next(stack for _, stack in look.found if [f.function for f in stack[:5]] == SEEN)
    address = look.found[0][0]
    assert (stack[0], stack[0].name, stack[0].offset) == (address, "seen", 0)
    assert stack[1].name == f"middle+{stack[1].offset:#x}"
    assert stack[1].label == str(stack[1]).partition("+")[0] == "middle"
    assert stack[1].file == str(program)


@ENGINES
@pytest.mark.parametrize("depth", [1, 3, 1024])
def test_a_stack_is_as_deep_as_was_asked(program: Path, engine: str, depth: int) -> None:
    look = Look(lambda hit: (hit.stack(depth), hit.stack(1024)))
    run(program, ("p:probe {path}:seen", look), engine=engine)
    assert all(stack == whole[:depth] for stack, whole in look.found)
    assert max(len(whole) for _, whole in look.found) > 6


@pytest.mark.parametrize("depth", [0, -1, 1025])
def test_a_depth_that_is_none_is_refused(program: Path, depth: int) -> None:
    def look(hit: up.Hit) -> str:
        with pytest.raises(UsageError) as refused:
            hit.stack(depth)
        return refused.value.slug

    looked = Look(look)
    run(program, ("p:probe {path}:seen", looked))
    assert set(looked.found) == {"bad-option"}


@ENGINES
def test_every_action_tells_stacks_apart(program: Path, engine: str) -> None:
    look = Look(lambda hit: (hit.stack(32), hit.args["n"]))
    count, by_two = up.Count(by="stack"), up.Count(by=("stack", "n"))
    total, hist, stacks = up.Sum("n", by="stack"), up.Hist("n", by="stack"), up.Stacks()
    line = "p:{name} {{path}}:seen n=%x0:s32"
    sinks = {"look": look, "count": count, "two": by_two, "sum": total, "hist": hist, "stacks": stacks}
    run(program, *((line.format(name=name), sink) for name, sink in sinks.items()), engine=engine)
    expected = Counter(stack for stack, _ in look.found)
    assert len(expected) > 5
    assert count.result() == stacks.result() == expected
    assert by_two.result() == Counter(look.found)
    assert {key: row["count"] for key, row in total.result().items()} == expected
    assert sum(row["sum"] for row in total.result().values()) == sum(n for _, n in look.found)
    assert {key: sum(buckets.values()) for key, buckets in hist.result().items()} == expected


@ENGINES
@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_at_a_return_the_stack_begins_where_it_went(program: Path, engine: str, returns: str) -> None:
    at_entry = Look(lambda hit: hit.stack(32)[1:])
    at_return = LookAtReturn(lambda hit: hit.stack(32))
    latency = up.Latency(by="stack")
    run(
        program,
        ("p:entry {path}:middle", at_entry),
        ("r:leave {path}:middle", at_return),
        ("r:time {path}:middle", latency),
        engine=engine,
        returns=returns,
    )
    assert [tuple(map(int, stack)) for stack in at_return.found] == [
        tuple(map(int, stack)) for stack in at_entry.found
    ]
    assert set(latency.result()) == set(at_return.found)


@ENGINES
def test_hijacked_return_addresses_are_shown_as_what_they_are(program: Path, engine: str) -> None:
    plain, hijacked = Look(lambda hit: hit.stack()), Look(lambda hit: hit.stack())
    run(program, ("p:probe {path}:seen", plain), engine=engine)
    returns = (
        (f"r:{name} {{path}}:{name}", up.Latency())
        for name in ("seen", "middle", "tail", "moving", "busy", "leave")
    )
    run(program, *returns, ("p:probe {path}:seen", hijacked), engine=engine, returns="hijack")
    assert hijacked.found == plain.found


@ENGINES
def test_a_name_needs_no_consumer_plugin(program: Path, engine: str) -> None:
    addresses: list[int] = []
    during: list[str] = []

    def look(hit: up.Hit) -> None:
        addresses.append(int(hit.stack()[1]))
        during.append(session.name_of(addresses[-1]))

    with up.Session([str(program)], output="/dev/null", engine=engine) as session:
        session.probe(f"p:probe {program}:seen", Look(look))
        session.run()
    assert during[-1].startswith("leave+") or during[-1].startswith("last+")
    assert [session.name_of(address) for address in addresses] == during
    assert session.name_of(0x10) == ""


@ENGINES
def test_mappings_are_not_listed_for_every_frame(
    program: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from uprobe_linux.processes.process import LinuxProcess

    listed: list[int] = []
    mappings = LinuxProcess.mappings

    def counted(process: LinuxProcess) -> Any:
        listed.append(1)
        return mappings(process)

    def look(hit: up.Hit) -> int:
        listed.append(0)
        return len(hit.stack())

    monkeypatch.setattr(LinuxProcess, "mappings", counted)
    frames = Look(look)
    run(program, ("p:probe {path}:*", frames), engine=engine)
    during = listed[listed.index(0) :]
    assert sum(frames.found) > 200
    assert sum(during) < 10


@ENGINES
def test_stacks_of_children_and_of_what_they_execute_are_counted_too(engine: str) -> None:
    program, stacks = zig("heirs.c"), up.Stacks()
    run(program, ("p:probe {path}:seen", stacks), engine=engine)
    callers: Counter[str] = Counter()
    for stack, count in stacks.result().items():
        assert [stack[0].name, stack[2].function] == ["seen", "main"]
        callers[stack[1].function] += count
    assert callers == {"in_parent": 3, "in_child": 3, "executed": 3}


def test_records_in_folded_form_have_the_stacks_of_their_hits(program: Path, tmp_path: Path) -> None:
    look, out = Look(lambda hit: hit.stack()), tmp_path / "folded"
    run(program, ("p:probe {path}:seen", look))
    from uprobe_core.cli import main

    main(["run", "--format", "folded", "-o", str(out), "-e", f"p:probe {program}:seen", "--", str(program)])
    lines = [";".join(["chains", *(f.label for f in reversed(stack))]) for stack in look.found]
    assert out.read_text().splitlines() == [f"{line} {n}" for line, n in sorted(Counter(lines).items())]


def test_records_in_folded_form_have_the_hits_of_children_too(tmp_path: Path) -> None:
    from uprobe_core.cli import main

    program, out = zig("heirs.c"), tmp_path / "folded"
    main(["run", "--format", "folded", "-o", str(out), "-e", f"p:probe {program}:seen", "--", str(program)])
    callers: Counter[str] = Counter()
    for line in out.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        callers[stack.split(";")[-2].partition("+")[0]] += int(count)
    assert callers == {"in_parent": 3, "in_child": 3, "executed": 3}


@ENGINES
def test_the_stacktrace_trigger_shows_the_stack_of_its_hit(
    program: Path, engine: str, tmp_path: Path
) -> None:
    from uprobe_core.cli import main

    look, out = Look(lambda hit: hit.stack()), tmp_path / "out"
    run(program, ("p:probe {path}:seen", look))
    event = ["-e", f"p:probe {program}:seen", "--trigger", "probe:stacktrace:1", "--", str(program)]
    main(["run", "--engine", engine, "-o", str(out), *event])
    shown = [line.removeprefix(" => ") for line in out.read_text().splitlines() if line.startswith(" => ")]
    assert shown == [frame.label for frame in look.found[0]]


def test_reports_name_frames_with_their_offsets(program: Path, tmp_path: Path) -> None:
    from uprobe_core.cli import main

    look, out = Look(lambda hit: hit.stack(2)), tmp_path / "out"
    run(program, ("p:probe {path}:seen", look))
    event = ["-e", f"p:probe {program}:seen", "--", str(program)]
    main(["run", "-C", "stacks:depth=2", "-o", str(out), *event])
    for frame in look.found[0]:
        assert f"    {int(frame):#x}  {frame.name}\n" in out.read_text()
    main(["run", "-C", "count:by=stack", "-o", str(out), *event])
    assert f"{look.found[0][0].name} <- {look.found[0][1].name} <- " in out.read_text()


def test_frames_are_plain_numbers_for_json() -> None:
    assert json.dumps([up.Frame(0x1000, "work", 8)]) == "[4096]"


@pytest.mark.parametrize("make", [up.Stacks, lambda n: up.Latency(top=3, stack=n)])
def test_an_action_does_not_begin_with_a_depth_that_no_stack_has(make: Callable[[int], Any]) -> None:
    assert make(1024) is not None
    with pytest.raises(UsageError) as refused:
        make(1025)
    assert refused.value.slug == "bad-option"


@ENGINES
def test_a_call_of_nothing_that_a_signal_interrupted_has_its_caller(engine: str) -> None:
    look = Look(lambda hit: [frame.name.partition("+")[0] for frame in hit.stack(5)])
    program = zig("crashes.c")
    with up.Session([str(program), "gives up"], output="/dev/null", engine=engine) as session:
        session.probe(f"p {program}:gives_up", look)
        counted = session.probe(f"p:counted {program}:gives_up", up.Stacks())
        session.run()
    assert look.found == [["gives_up", "__restore_rt", "0x0", "calls_nothing", "catches"]]
    (stack,) = counted.result()
    assert [frame.name.partition("+")[0] for frame in stack[:5]] == look.found[0]
