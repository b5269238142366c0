"""Random calls, returns, tail calls and longjmps on a model stack: both strategies must agree with it.

The model knows what a program did; a strategy sees only entries, landings,
stack pointers and link registers.  Each call site is used by one caller for one
function, as compiled code has it, except that sites are shared by recursion.  Longjmps are told, as hidden
probes tell them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uprobe_core.testing.fake_backend import FakeMachine
from uprobe_core.testing.toy_arch import Op, encode
from uprobe_core.types import Returns

FUNCTIONS = 4
STACK, CODE, SITES = 0x80000, 0x1000, 0x3000
FRAME = 0x20

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, FUNCTIONS - 1)),
        st.tuples(st.just("tail"), st.integers(0, FUNCTIONS - 1)),
        st.tuples(st.just("return"), st.just(0)),
        st.tuples(st.just("longjmp"), st.integers(1, 4)),
    ),
    max_size=60,
)


@dataclass
class Frame:
    """A function on the model's stack, with everything that it tail-called: they share the frame.

    :param functions: numbers of the functions in the order in which they were entered
    :param link: what the link register held at the newest entry
    :param jumps: how many longjmps the program had done when each was entered last
    """

    functions: list[int]
    sp: int
    back: int
    link: int
    jumps: dict[int, int] = field(default_factory=dict)


@dataclass
class Model:
    """What the program did."""

    frames: list[Frame] = field(default_factory=list)
    entries: int = 0
    returns: list[int] = field(default_factory=list)
    jumped: int = 0
    jumps: int = 0

    @property
    def pending(self) -> int:
        return sum(len(frame.functions) for frame in self.frames)


class Player:
    """Plays the steps on the machine and on the model alike."""

    def __init__(self, make_world: Any, returns: Returns) -> None:
        self.world = make_world(returns=returns)
        self.model = Model()
        words = [encode(Op.NOP), encode(Op.RET)] * FUNCTIONS
        self.task, file = self.world.program(*words)
        self.task.space.map(None, SITES, size=0x2000)
        self.task.sp = STACK
        self.world.registry.space_of(self.task.process).sees_jumps = True
        self.consumer = self.world.session()
        for number in range(FUNCTIONS):
            self.world.probe(file, number * 8, self.consumer)

    def play(self, step: Step) -> None:
        kind, argument = step
        getattr(self, kind)(argument)

    def _enter(self, function: int, link: int) -> int:
        """Run the first instruction of a function; returns what its link register is now."""
        self.task.call(CODE + function * 8, link)
        self.task.run_until(CODE + function * 8 + 4)
        self.model.entries += 1
        return int(self.task.link)

    def call(self, function: int) -> None:
        caller = self.model.frames[-1].functions[-1] if self.model.frames else FUNCTIONS
        back = SITES + (caller * FUNCTIONS + function) * 0x10
        self.task.sp = STACK - (len(self.model.frames) + 1) * FRAME
        link = self._enter(function, back)
        self.model.frames.append(Frame([function], self.task.sp, back, link, {function: self.model.jumps}))

    def tail(self, function: int) -> None:
        """Leave the top function by a jump; the same one again, after a longjmp, cannot be told apart."""
        if not self.model.frames:
            return
        frame = self.model.frames[-1]
        if frame.jumps.get(function, self.model.jumps) != self.model.jumps:
            return
        frame.jumps[function] = self.model.jumps
        self.task.sp = frame.sp
        frame.link = self._enter(function, frame.link)
        frame.functions.append(function)

    # The word is a keyword, so the step's method is found under another name.
    def __getattr__(self, name: str) -> Any:
        if name == "return":
            return self.leave
        raise AttributeError(name)

    def leave(self, _argument: int) -> None:
        if not self.model.frames:
            return
        frame = self.model.frames.pop()
        self.task.sp = frame.sp
        self.task.link = frame.link
        self.task.pc = frame.link
        self.task.arrive(frame.back)
        self.model.returns.extend(CODE + f * 8 for f in reversed(frame.functions))

    def longjmp(self, depth: int) -> None:
        """Out of some frames into the middle of an older one, behind none of its calls."""
        if len(self.model.frames) <= depth:
            return
        self.world.dispatcher.jumped(self.task)
        self.model.jumps += 1
        for _ in range(depth):
            self.model.jumped += len(self.model.frames.pop().functions)
        self.task.sp = self.model.frames[-1].sp - 0x10
        self.task.link = self.task.pc = SITES + 0x1000

    def check(self) -> None:
        """Entries = returns + missed + pending, and each return is the model's."""
        utask = self.world.dispatcher.utask(self.task)
        pending = len(utask.returns) + len(utask.suspects)
        assert self.consumer.entries == self.model.entries
        assert [function for function, _, _ in self.consumer.returned] == self.model.returns
        assert self.model.entries == len(self.consumer.returned) + len(self.consumer.lost) + pending
        assert {reason for _, reason in self.consumer.lost} <= {"longjmp"}
        assert len(self.consumer.lost) <= self.model.jumped

    def finish(self) -> None:
        """At exit everything is settled: what was jumped over and what was pending."""
        self.world.machine.exit(self.task)
        reasons = [reason for _, reason in self.consumer.lost]
        assert self.model.entries == len(self.consumer.returned) + len(reasons)
        assert reasons.count("longjmp") + reasons.count("exit") == self.model.jumped + self.model.pending
        assert reasons.count("exit") >= self.model.pending
        assert all(count == 0 for count in self.task.space.watches.values())


@pytest.mark.parametrize("returns", [Returns.HIJACK, Returns.WATCH])
def test_every_return_is_the_models(make_world: Any, returns: Returns) -> None:
    @settings(deadline=None, max_examples=150)
    @given(steps)
    def run(script: list[Step]) -> None:
        player = Player(make_world, returns)
        for step in script:
            player.play(step)
            player.check()
        player.finish()

    run()


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60))
def test_coroutines_return_each_on_its_own_stack_when_watched(script: list[tuple[int, bool]]) -> None:
    """Three stacks in one task, switched at random: each step enters or leaves on one of them."""
    from uprobe_core.probes.arch_ops import bind_arch
    from uprobe_core.probes.dispatch import Dispatcher
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.testing.toy_arch import ToyArch
    from uprobe_core.types import Mode, Policy

    seen: list[int] = []

    class Consumer:
        name = "consumer"

        def handler(self, hit: Any) -> None:
            hit.cookie = hit.sp

        def ret_handler(self, hit: Any) -> None:
            seen.append(hit.cookie)

    arch = bind_arch(ToyArch())
    registry = UprobeRegistry(arch, Policy(), Mode.TRAP)
    dispatcher = Dispatcher(arch, Policy(), registry, Returns.WATCH, on_error=lambda _link, error: None)
    machine = FakeMachine(dispatcher)
    task = machine.start_process()
    file = machine.add_file("/bin/f", [encode(Op.NOP), encode(Op.RET)])
    task.space.map(file, CODE)
    task.space.map(None, SITES)
    registry.register(file.id, 0, Consumer())
    stacks: list[list[int]] = [[], [], []]
    expected: list[int] = []
    for number, entering in script:
        stack = stacks[number]
        if entering:
            stack.append(0x10000 * (number + 1) - FRAME * len(stack))
            task.sp = stack[-1]
            task.call(CODE, SITES)
            task.run_until(CODE + 4)
        elif stack:
            task.sp = stack.pop()
            task.link = task.pc = SITES
            task.arrive(SITES)
            expected.append(task.sp)
        assert seen == expected
