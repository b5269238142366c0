"""Any history of calls whose returns are hijacked: the engine, its reference and registers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uprobe_arm64 import Arm64Arch

from tests.native.test_pending_calls import (
    FUNCTIONS,
    GRAPH,
    NEAR,
    REGISTERS,
    SUMMARY,
    TASKS,
    Native,
    Reference,
    Step,
    World,
    agree,
)
from uprobe_core.probes.returns import HijackReturns

_engine = pytest.importorskip("uprobe_core.native._engine")

TRAMPOLINE = 0x7000
calls = st.tuples(
    st.just("call"), st.integers(0, FUNCTIONS - 1), NEAR, st.sampled_from([1, 2, 3, TRAMPOLINE])
)
"""Function, how far below the newest call's SP, return address."""
returns = st.tuples(st.just("back"), st.sampled_from([0, 0, 0, 1, 2, 3]), st.sampled_from([0, 0, 1, -1]))
"""Which call, from the newest on, has about its SP."""
others = st.one_of(st.tuples(st.just("switch"), st.integers(0, TASKS - 1)), st.just(("fork",)))
histories = st.lists(st.one_of(calls, calls, returns, returns, others), max_size=40)
DEPTH = 6


class Registers(World):
    """A world whose link register and PC are written, too."""

    pc = 0

    def get_reg(self, index: int) -> int:
        return self.pc if index == REGISTERS.pc else super().get_reg(index)

    def set_reg(self, index: int, value: int) -> None:
        if index == REGISTERS.link:
            self.link = value
        else:
            assert index == REGISTERS.pc
            self.pc = value


class Hijacking(Reference):
    """HijackReturns, over the architecture's own operations."""

    def __init__(self, world: World, depth: int | None) -> None:
        super().__init__(world)
        arch: Any = self
        self.hijack_return_addr, self.is_alive = Arm64Arch().hijack_return_addr, Arm64Arch().is_alive
        self.returns: Any = HijackReturns(arch, self._deliver, lambda _task: TRAMPOLINE, depth)

    def back(self) -> bool:
        return bool(self.returns.on_trampoline(self.world.task, self.utask))

    def awaited(self) -> Counter[int]:
        return Counter(call.return_address for utask in self.tasks for call in utask.returns)


class NativeHijacking(Native):
    """The engine where it hijacks."""

    def __init__(self, world: World, kinds: Sequence[int], depth: int | None) -> None:
        super().__init__(world, kinds)
        self.engine.set_outside(lambda _address: None, lambda: TRAMPOLINE)
        self.engine.hijack, self.engine.depth = True, depth or 0

    def call(self, function: int) -> None:
        self.engine.now = self.world.now
        assert self.engine.hit(self.sites[function], self.world) is None

    def back(self) -> bool:
        self.engine.now = self.world.now
        return bool(self.engine.trampoline_hit(self.world))

    def awaited(self) -> Counter[int]:
        return Counter(self.engine.awaited())


def play(history: Sequence[Step], reference: Hijacking, native: NativeHijacking) -> None:
    """The same with both: what they answer, await and write into registers is the same after each step."""
    world: Any = reference.world
    for number, (kind, *numbers) in enumerate(history):
        world.now += number * number % 7 + 1
        pending = reference.utask.returns
        top = pending[-1].sp if pending else 100
        link, pc = 0, TRAMPOLINE
        if kind == "call":
            sp, link = top - numbers[1], numbers[2]
        elif kind == "back":
            sp = (pending[-1 - numbers[0] % len(pending)].sp if pending else top) + numbers[1]
        arguments = {"call": numbers[:1], "switch": numbers}.get(kind, [])
        found = []
        for side in (reference, native):
            if kind in ("call", "back"):
                world.sp, world.link, world.pc = sp, link, pc
            answer = getattr(side, kind)(*arguments)
            found.append((answer, world.link, world.pc, side.awaited()))
        assert found[0] == found[1]
    for side in (reference, native):
        side.end()


DEEPER: list[Step] = [("call", number, 1, number + 1) for number in range(FUNCTIONS)]
TAILS: list[Step] = [("call", 0, 1, 1), ("call", 1, 0, TRAMPOLINE), ("call", 2, 0, TRAMPOLINE)]
BACK = ("back", 0, 0)


@pytest.mark.parametrize("kinds", [(SUMMARY,), (GRAPH,), (SUMMARY, GRAPH)], ids=["times", "paths", "both"])
@settings(deadline=None, max_examples=150)
@given(histories, st.sampled_from([None, DEPTH]))
@example([*DEEPER, BACK, BACK, BACK, BACK], None)
@example([*DEEPER, ("back", 2, 0), BACK], None)
@example([*DEEPER, BACK, ("back", 1, 0)], None)
@example([("call", 0, 1, 1), ("call", 0, 0, TRAMPOLINE), BACK], None)
@example([("call", 0, 1, 1), ("call", 0, 0, TRAMPOLINE), ("call", 0, 0, TRAMPOLINE), BACK], None)
@example([*DEEPER, ("back", 1, 1), BACK], None)
@example([*TAILS, BACK, BACK], None)
@example([("call", 0, 1, 2), *TAILS, ("back", 3, 0)], None)
@example([("call", 0, 1, 2), *TAILS, ("call", 1, -1, 3), BACK], None)
@example([("call", 0, 1, TRAMPOLINE), *DEEPER, ("fork",), BACK, ("switch", 2), BACK], None)
@example([*DEEPER, *TAILS, *DEEPER, BACK, *DEEPER], DEPTH)
def test_hijacked_calls_end_alike(kinds: Sequence[int], history: list[Step], depth: int | None) -> None:
    world = Registers()
    reference, native = Hijacking(world, depth), NativeHijacking(world, kinds, depth)
    play(history, reference, native)
    agree(reference, native, kinds)


def test_without_a_trampoline_nothing_is_hijacked() -> None:
    world = Registers()
    native = NativeHijacking(world, [SUMMARY], None)
    native.engine.set_outside(lambda _address: None, lambda: 0)
    world.sp, world.link = 100, 5
    native.call(1)
    assert (world.link, native.awaited(), native.missed()) == (5, Counter(), {(1, "no-caller"): 1})
