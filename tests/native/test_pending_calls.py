"""Any history of calls, landings, jumps and exceptions: the engine and its reference agree."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from uprobe_arm64 import Arm64Arch

from uprobe_core.native.packing import FieldRef, pack_program, pack_registers
from uprobe_core.native.results import stat_values
from uprobe_core.probes.returns import WatchReturns
from uprobe_core.probes.sites import Link, Uprobe
from uprobe_core.probes.utask import TaskState
from uprobe_core.types import FileId, MemoryFault

_engine = pytest.importorskip("uprobe_core.native._engine")

ARCH = Arm64Arch().architecture()
REGISTERS = ARCH.registers
SUB_BUCKETS = 2
NOTHING = FieldRef(7, "u").pack()
FUNCTIONS, TASKS = 3, 2
PLACES, NEAR = st.integers(0, 2), st.sampled_from([0, 1, 1, 1, 2, -1, -2])
"""Return addresses, and how far below the newest call's SP another is."""
Step = tuple[Any, ...]
calls = st.tuples(st.just("call"), st.integers(0, FUNCTIONS - 1), NEAR, PLACES)
lands = st.tuples(st.just("land"), st.sampled_from([0, 0, 0, 1, 2, -1, -1]), st.sampled_from([0, 0, 0, 1]))
"""Which call, from the newest on, has its SP and return address; and what is added to the link register."""
others = st.one_of(
    st.just(("jump",)),
    st.tuples(st.just("throw"), NEAR),
    st.tuples(st.just("unwind"), NEAR, st.integers(0, 3)),
    st.tuples(st.just("switch"), st.integers(0, TASKS - 1)),
    st.just(("fork",)),
)
histories = st.lists(st.one_of(calls, calls, lands, lands, others), max_size=40)


class World:
    """Registers and a clock, which both go by; a task and a process of both."""

    def __init__(self) -> None:
        self.now = self.sp = self.link = 0
        self.watched: Counter[int] = Counter()
        self.asked: int | None = None
        self.task: Any = self
        self.process: Any = self

    def insert_watch(self, address: int) -> None:
        self.watched[address] += 1
        self.asked = address

    def remove_watch(self, address: int) -> None:
        self.watched[address] -= 1

    def get_reg(self, index: int) -> int:
        return {REGISTERS.sp: self.sp, REGISTERS.link: self.link}.get(index, 0)

    def clock(self) -> int:
        return self.now


class Reference:
    """WatchReturns, and what its consumer adds up."""

    def __init__(self, world: World, *, jumps: bool = True) -> None:
        self.world, self.info = world, ARCH
        self.tasks = [TaskState(jumps=int(jumps)) for _ in range(TASKS)]
        self.utask = self.tasks[0]
        self.sums: dict[int, list[int]] = defaultdict(lambda: [0] * 5)
        self.paths: dict[tuple[int, ...], list[int]] = defaultdict(lambda: [0, 0])
        """Calls and time."""
        self.missed: Counter[tuple[int, str]] = Counter()
        double: Any = self
        self.returns = WatchReturns(double, self._deliver)
        self.uprobes = [Uprobe(FileId(0, 0), n, links=(Link(Consumer(n, self)),)) for n in range(FUNCTIONS)]

    def return_address(self, _task: Any) -> int:
        return self.world.link

    def _deliver(self, link: Link, hit: Any) -> None:
        latency = self.world.now - hit.cookie
        own, once = max(latency - hit.inside_ns, 0), hit.tell(self, latency)
        sums = self.sums[link.consumer.number]
        sums[:] = [sums[0] + 1, sums[1] + latency, sums[2] + own, sums[3] + once, max(sums[4], latency)]
        path = self.paths[tuple(int(names[0]) for names in hit.around())]
        path[:] = [path[0] + 1, path[1] + latency]

    def call(self, function: int) -> None:
        uprobe = self.uprobes[function]
        self.utask.vaddr, self.utask.now = function, self.world.now
        self.returns.enter(self.world.task, self.utask, uprobe, [(uprobe.links[0], self.world.now)])

    def land(self, address: int) -> None:
        self.returns.on_watch(self.world.task, self.utask, address)

    def jump(self) -> None:
        self.utask.jumps += self.utask.jumps > 0

    def throw(self, sp: int) -> None:
        self.utask.raised = sp

    def unwind(self, lowest: int, highest: int) -> None:
        self.returns.unwound(self.world.task, self.utask, lowest, highest)

    def fork(self) -> None:
        before = self.utask
        returns, suspects = ([replace(each) for each in some] for some in (before.returns, before.suspects))
        self.tasks.append(TaskState(returns=returns, suspects=suspects, jumps=before.jumps))
        self.returns.inherited(self.world.task, self.tasks[-1], shares_memory=True)

    def switch(self, number: int) -> None:
        self.utask = self.tasks[number % len(self.tasks)]

    def end(self) -> None:
        for utask in self.tasks:
            self.returns.abandon(self.world.task, utask, "exit")


class Consumer:
    """Of one function; it has no handlers, since what it adds up the reference adds up."""

    def __init__(self, number: int, reference: Reference) -> None:
        self.name, self.number, self._reference = str(number), number, reference

    def missed(self, function: int, reason: str) -> None:
        self._reference.missed[function, reason] += 1


class Native:
    """The engine, whose only actions are those of *kinds*."""

    def __init__(self, world: World, kinds: Sequence[int], *, jumps: bool = True) -> None:
        self.world = world
        self.engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(REGISTERS))
        self.engine.see_jumps(jumps)
        self.tasks = [self.engine.set_task(-1, n, n, 0, b"t") for n in range(1, TASKS + 1)]
        self.running = self.tasks[0]
        self.engine.run_task(self.running)
        if _engine.ACTION_GRAPH in kinds:
            self.engine.follow_paths(1 << 10)
        program = pack_program([])
        assert program is not None
        self.probes, self.actions, self.sites = [], [], []
        for number in range(FUNCTIONS):
            probe = self.engine.add_probe(*program, struct.pack("<I", 0), 0, False)
            actions = [self._action(probe, kind) for kind in kinds]
            self.engine.set_probe(probe, True, True, [], actions, b"", b"")
            self.probes.append(probe)
            self.actions.append(actions)
            self.sites.append(self.engine.add_site(number, 0, [probe], number))

    def _action(self, probe: int, kind: int) -> int:
        value = FieldRef(_engine.FIELD_LATENCY, "u").pack()
        return int(self.engine.add_action(probe, kind, _engine.HIST_SUB, 6, 0, b"", value, b"", b""))

    def call(self, function: int) -> None:
        self.engine.now = self.world.now
        assert self.engine.hit(self.sites[function], self.world) == self.world.asked

    def land(self, address: int) -> None:
        self.engine.now = self.world.now
        self.engine.return_hit(address, self.world)

    def jump(self) -> None:
        self.engine.jumped()

    def throw(self, sp: int) -> None:
        self.engine.raised(sp)

    def unwind(self, lowest: int, highest: int) -> None:
        self.engine.unwound(lowest, highest)

    def fork(self) -> None:
        self.tasks.append(self.engine.set_task(-1, 9, 9, 0, b"t"))
        self.engine.inherit(self.tasks[-1], self.running)

    def switch(self, number: int) -> None:
        self.running = self.tasks[number % len(self.tasks)]
        self.engine.run_task(self.running)

    def end(self) -> None:
        for task in self.tasks:
            self.engine.end_task(task, _engine.MISSED.index("exit"))

    def missed(self) -> dict[tuple[int, str], int]:
        return {
            (number, reason): count
            for number, probe in enumerate(self.probes)
            for reason, count in zip(_engine.MISSED, self.engine.take_probe(probe)[3:], strict=True)
            if count
        }

    def sums(self, index: int) -> dict[int, list[int]]:
        """Calls, time, own time, time that is counted once, and the longest."""
        found = {}
        for number, actions in enumerate(self.actions):
            entries = self.engine.take_action(actions[index])[2]
            rows = [(count, *stat_values(stat, False), high) for _, _, count, stat, high in entries]
            if rows:
                *columns, longest = zip(*rows, strict=True)
                found[number] = [*map(sum, columns), max(longest)]
        return found

    def paths(self, index: int) -> dict[tuple[int, ...], list[int]]:
        """Calls and time."""
        found: dict[tuple[int, ...], list[int]] = {}
        for actions in self.actions:
            for _, key, count, stat, _ in self.engine.take_action(actions[index])[2]:
                path = tuple(reversed(self.engine.path(int.from_bytes(key, "little"))))
                found[path] = [count, stat_values(stat, False)[0]]
        return found


def play(history: Sequence[Step], reference: Reference, native: Native) -> None:
    """The same with both, which always await the same returns."""
    world = reference.world
    for number, step in enumerate(history):
        world.now += number * number % 7 + 1
        world.asked = None
        kind, *numbers = meant(step, reference.utask, world)
        for side in (reference, native):
            getattr(side, kind)(*numbers)
        assert Counter(native.engine.awaited()) == +world.watched
    for side in (reference, native):
        side.end()


def meant(step: Step, utask: TaskState, world: World) -> Step:
    """The step with what it means now: SP and addresses of calls that the task is in."""
    kind, *numbers = step
    calls = [*utask.suspects, *utask.returns]
    top = calls[-1].sp if calls else 100
    if kind == "call":
        world.sp, world.link = top - numbers[1], numbers[2]
        return kind, numbers[0]
    if kind == "land":
        call = calls[-1 - numbers[0] % len(calls)] if calls else None
        if call is None:
            return ("jump",)
        world.sp, world.link = call.sp, call.return_address + numbers[1]
        return kind, call.return_address
    if kind == "throw":
        return kind, top - numbers[0]
    if kind == "unwind":
        return kind, top - numbers[0], top - numbers[0] + numbers[1]
    return step


TO_ANOTHER_STACK: list[Step] = [("call", 0, 1, 0), ("call", 1, 1, 1), ("call", 2, -3, 2)]
AND_BACK: list[Step] = [("call", 0, 1, 0), ("call", 1, -3, 1), ("call", 2, 7, 2), ("land", 2, 0)]
ITSELF: list[Step] = [("call", 0, 1, number) for number in range(FUNCTIONS)]
BACK, LEFT, RAISED = ("land", 0, 0), ("land", 0, 1), ("unwind", 0, 0)
DEEPER: list[Step] = [("call", number, 1, number) for number in range(FUNCTIONS)]
SUMMARY, GRAPH = _engine.ACTION_SUMMARY, _engine.ACTION_GRAPH


@pytest.mark.parametrize("kinds", [(SUMMARY,), (GRAPH,), (SUMMARY, GRAPH)], ids=["times", "paths", "both"])
@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(histories, st.booleans())
@hypothesis.example([*DEEPER, BACK, RAISED, BACK], True)
@hypothesis.example([*DEEPER, BACK, LEFT, BACK], True)
@hypothesis.example([*ITSELF, BACK, RAISED, BACK], True)
@hypothesis.example([*ITSELF, BACK, ITSELF[2], BACK, BACK, BACK], True)
@hypothesis.example([*DEEPER, BACK, ("fork",), BACK, ("switch", 2), BACK], True)
@hypothesis.example([*TO_ANOTHER_STACK, ("land", 1, 0), ("land", 1, 0)], True)
@hypothesis.example([*AND_BACK, ("call", 0, 8, 0), BACK], True)
def test_calls_end_alike(kinds: Sequence[int], history: list[Step], jumps: bool) -> None:
    world = World()
    reference, native = Reference(world, jumps=jumps), Native(world, kinds, jumps=jumps)
    play(history, reference, native)
    agree(reference, native, kinds)


def agree(reference: Reference, native: Native, kinds: Sequence[int]) -> None:
    """Assert that they have missed and added up the same."""
    assert native.missed() == reference.missed
    if SUMMARY in kinds:
        assert native.sums(kinds.index(SUMMARY)) == reference.sums
    if GRAPH in kinds:
        assert native.paths(kinds.index(GRAPH)) == reference.paths


@pytest.mark.parametrize("below", [0, -1], ids=["tail calls", "frames left"])
def test_both_give_up_what_is_too_much_at_the_same_call(below: int) -> None:
    """A program may go on by tail calls for ever, or by leaving frames."""
    world = World()
    reference, native = Reference(world), Native(world, [SUMMARY])
    history = [("call", number % FUNCTIONS, below, 0) for number in range(1100)]
    play([*history, BACK, BACK], reference, native)
    agree(reference, native, [SUMMARY])
    assert sum(reference.missed.values()) > 0
    assert {reason for _, reason in reference.missed} >= {"longjmp" if below else "depth"}
