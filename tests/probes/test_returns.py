"""Return probes, by hijacking and by watching: what both must see, and where they differ on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.testing.fake_memory import XOL_BASE
from uprobe_core.testing.toy_arch import Op, encode
from uprobe_core.types import Policy, Returns
from uprobe_core.utask import MAX_RETURN_DEPTH

NOP, RET = encode(Op.NOP), encode(Op.RET)
BOTH = pytest.mark.parametrize("returns", [Returns.HIJACK, Returns.WATCH])
BACK = 0x3000
F, G, H = 0x1000, 0x1010, 0x1020


class Stage:
    """Three probed functions, F, G and H, each ``nop; ret``, and a page of call sites at BACK."""

    def __init__(self, make_world: Any, returns: Returns, **options: Any) -> None:
        self.world = make_world(returns=returns, **options)
        function = [NOP, RET, NOP, NOP]
        self.task, self.file = self.world.program(*function, *function, *function)
        self.task.space.map(None, BACK)
        self.task.sp = 0x8000
        self.consumers = {}
        for name, address in (("f", F), ("g", G), ("h", H)):
            self.consumers[name] = self.world.session(name)
            self.world.probe(self.file, address - 0x1000, self.consumers[name])

    def enter(self, address: int, back: int) -> int:
        """Call a function and run its first instruction; returns what its LR is now, to be saved."""
        self.task.call(address, back)
        self.task.run_until(address + 4)
        return int(self.task.link)

    def leave(self, lr: int, back: int) -> None:
        """Return: LR restored from the stack, RET, and on to the caller."""
        self.task.link = lr
        self.task.pc = lr
        self.task.arrive(back)

    def returned(self, name: str) -> int:
        return len(self.consumers[name].returned)

    def lost(self, name: str) -> list[str]:
        return [reason for _, reason in self.consumers[name].lost]

    @property
    def pending(self) -> int:
        utask = self.world.dispatcher.utask(self.task)
        return len(utask.returns) + len(utask.suspects)


@BOTH
def test_a_return_is_delivered_at_the_callers_address(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    lr = stage.enter(F, BACK)
    stage.leave(lr, BACK)
    assert stage.consumers["f"].returned == [(F, BACK, 1)]
    assert (stage.task.pc, stage.pending) == (BACK, 0)


@BOTH
def test_pc_is_the_return_address_while_the_handler_runs(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    seen: list[int] = []

    class Watcher:
        name = "watcher"

        def ret_handler(self, hit: Any) -> None:
            seen.append(hit.reg("pc"))

    stage.world.probe(stage.file, 0, Watcher())
    stage.leave(stage.enter(F, BACK), BACK)
    assert seen == [BACK]


def test_hijack_puts_the_trampoline_into_the_link_register(make_world: Any) -> None:
    stage = Stage(make_world, Returns.HIJACK)
    assert stage.enter(F, BACK) == XOL_BASE


def test_watch_leaves_the_link_register_alone(make_world: Any) -> None:
    stage = Stage(make_world, Returns.WATCH)
    assert stage.enter(F, BACK) == BACK


@BOTH
def test_recursion_returns_innermost_first_with_its_own_cookie(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    saved = []
    for _ in range(5):
        saved.append(stage.enter(F, BACK))
        stage.task.sp -= 0x20
    for lr in reversed(saved):
        stage.task.sp += 0x20
        stage.leave(lr, BACK)
    assert [cookie for _, _, cookie in stage.consumers["f"].returned] == [5, 4, 3, 2, 1]


@BOTH
def test_a_tail_call_returns_both_functions_at_the_outer_return_address(
    make_world: Any, returns: Returns
) -> None:
    """Recorded (tail-calls): each return fires, innermost first, with the same outer return address."""
    stage = Stage(make_world, returns)
    log: list[Any] = []
    for consumer in stage.consumers.values():
        consumer.log = log
    lr = stage.enter(F, BACK)
    lr = stage.enter(G, lr)
    log.clear()
    stage.leave(lr, BACK)
    assert log == [("g", "return", G), ("f", "return", F)]
    assert stage.consumers["g"].returned == [(G, BACK, 1)]
    assert stage.consumers["f"].returned == [(F, BACK, 1)]


@BOTH
def test_longjmp_out_of_frames_is_missed_by_the_time_the_caller_returns(
    make_world: Any, returns: Returns
) -> None:
    """Recorded (jumps-longjmp): F returns; G and H, which it called, never do."""
    stage = Stage(make_world, returns)
    lr_f = stage.enter(F, BACK)
    stage.task.sp -= 0x20
    stage.enter(G, BACK + 0x10)
    stage.task.sp -= 0x20
    stage.enter(H, BACK + 0x20)
    stage.task.sp = 0x8000
    stage.leave(lr_f, BACK)
    assert [stage.returned(n) for n in "fgh"] == [1, 0, 0]
    stage.world.machine.exit(stage.task)
    assert stage.lost("g") == stage.lost("h") == ["longjmp"]


@BOTH
def test_longjmp_is_noticed_at_the_next_entry_too(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    stage.task.sp -= 0x100
    stage.enter(G, BACK + 0x10)
    stage.task.sp += 0x100
    lr = stage.enter(F, BACK)
    stage.leave(lr, BACK)
    stage.world.machine.exit(stage.task)
    assert stage.lost("g") == ["longjmp"]
    assert (stage.returned("f"), stage.returned("g")) == (1, 0)


@BOTH
def test_the_same_call_again_after_a_longjmp_misses_the_first(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    stage.enter(F, BACK)
    lr = stage.enter(F, BACK)
    stage.leave(lr, BACK)
    assert stage.consumers["f"].returned == [(F, BACK, 2)]
    assert stage.lost("f") == ["longjmp"]


@BOTH
def test_the_same_call_again_misses_what_the_first_had_tail_called(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    stage.enter(G, stage.enter(F, BACK))
    stage.leave(stage.enter(F, BACK), BACK)
    assert stage.consumers["f"].returned == [(F, BACK, 2)]
    assert (stage.lost("f"), stage.lost("g"), stage.returned("g")) == (["longjmp"], ["longjmp"], 0)


def seen_jumping(make_world: Any, returns: Returns = Returns.WATCH) -> Stage:
    """A stage whose program is known to jump by functions that are probed."""
    stage = Stage(make_world, returns)
    stage.world.registry.space_of(stage.task.process).sees_jumps = True
    return stage


@BOTH
def test_a_function_that_comes_back_by_tail_calls_returns_as_often_as_it_was_entered(
    make_world: Any, returns: Returns
) -> None:
    """Recorded by hand on 6.12: f, g, f, g, f in one frame are five returns."""
    stage = seen_jumping(make_world, returns)
    log: list[Any] = []
    lr = stage.enter(F, BACK)
    for address in (G, F, G, F):
        lr = stage.enter(address, lr)
    for consumer in stage.consumers.values():
        consumer.log = log
    stage.leave(lr, BACK)
    assert [name for name, _, _ in log] == ["f", "g", "f", "g", "f"]
    assert [cookie for _, _, cookie in stage.consumers["f"].returned] == [3, 2, 1]
    assert (stage.lost("f"), stage.lost("g"), stage.pending) == ([], [], 0)


def test_the_same_call_after_a_longjmp_that_was_seen_misses_the_tail_calls_before_it(make_world: Any) -> None:
    stage = seen_jumping(make_world)
    lr = stage.enter(F, stage.enter(G, stage.enter(F, BACK)))
    stage.world.dispatcher.jumped(stage.task)
    lr = stage.enter(F, stage.enter(F, lr))
    stage.leave(lr, BACK)
    assert (stage.returned("f"), stage.lost("f"), stage.lost("g")) == (2, ["longjmp"] * 2, ["longjmp"])
    assert [count for count in stage.task.space.watches.values() if count] == []


def test_a_forked_task_goes_on_with_the_longjmps_of_its_parent(make_world: Any) -> None:
    stage = seen_jumping(make_world)
    stage.enter(F, BACK)
    stage.world.dispatcher.jumped(stage.task)
    stage.enter(G, BACK)
    child = stage.world.machine.fork(stage.task)
    assert stage.world.dispatcher.utask(child).jumps == stage.world.dispatcher.utask(stage.task).jumps == 2


def test_tail_calls_without_end_are_followed_up_to_a_bound(make_world: Any) -> None:
    stage = seen_jumping(make_world)
    lr = BACK
    for _ in range(1030):
        lr = stage.enter(F, lr)
    stage.leave(lr, BACK)
    assert (stage.returned("f"), stage.lost("f"), stage.pending) == (1025, ["depth"] * 5, 0)


def test_a_kernel_follows_64_returns_and_misses_deeper_ones(make_world: Any) -> None:
    stage = Stage(make_world, Returns.HIJACK, policy=Policy("kernel"))
    saved = []
    for _ in range(MAX_RETURN_DEPTH + 6):
        saved.append(stage.enter(F, BACK))
        stage.task.sp -= 0x20
    assert saved[MAX_RETURN_DEPTH:] == [BACK] * 6
    for lr in reversed(saved):
        stage.task.sp += 0x20
        stage.leave(lr, BACK)
    assert stage.returned("f") == MAX_RETURN_DEPTH
    assert stage.lost("f") == ["depth"] * 6


@BOTH
def test_outside_a_kernels_policy_depth_has_no_limit(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    saved = []
    for _ in range(300):
        saved.append(stage.enter(F, BACK))
        stage.task.sp -= 0x20
    for lr in reversed(saved):
        stage.task.sp += 0x20
        stage.leave(lr, BACK)
    assert (stage.returned("f"), stage.lost("f")) == (300, [])


def test_watching_survives_a_switch_of_stacks(make_world: Any) -> None:
    """Two coroutines: each is inside F on a stack of its own, the first one returns last."""
    stage = Stage(make_world, Returns.WATCH)
    stage.task.sp = 0x8000
    first = stage.enter(F, BACK)
    stage.task.sp = 0x20000
    second = stage.enter(F, BACK + 0x40)
    stage.leave(second, BACK + 0x40)
    stage.task.sp = 0x8000
    stage.leave(first, BACK)
    assert [cookie for _, _, cookie in stage.consumers["f"].returned] == [2, 1]
    assert (stage.lost("f"), stage.pending) == ([], 0)


def test_hijacking_loses_the_lower_stack_as_a_kernel_does(make_world: Any) -> None:
    """Named in the kernel's source as a known hole: the order of stack pointers decides who is alive."""
    stage = Stage(make_world, Returns.HIJACK)
    stage.task.sp = 0x8000
    stage.enter(F, BACK)
    stage.task.sp = 0x20000
    second = stage.enter(F, BACK + 0x40)
    stage.leave(second, BACK + 0x40)
    assert stage.lost("f") == ["longjmp"]


def test_watching_survives_a_signal_on_an_alternate_stack_above(make_world: Any) -> None:
    stage = Stage(make_world, Returns.WATCH)
    outer = stage.enter(F, BACK)
    stage.task.sp = 0x40000
    inner = stage.enter(G, BACK + 0x80)
    stage.leave(inner, BACK + 0x80)
    stage.task.sp = 0x8000
    stage.leave(outer, BACK)
    assert (stage.returned("f"), stage.returned("g"), stage.pending) == (1, 1, 0)


@BOTH
def test_two_tasks_in_one_function_return_each_for_itself(make_world: Any, returns: Returns) -> None:
    stage = Stage(make_world, returns)
    other = stage.world.machine.start_thread(stage.task)
    other.sp = 0x6000
    lr = stage.enter(F, BACK)
    other.call(F, BACK)
    other.run_until(F + 4)
    assert len(stage.world.dispatcher.utask(other).returns) == 1
    stage.leave(lr, BACK)
    other.pc = other.link
    other.arrive(BACK)
    assert stage.returned("f") == 2


def test_a_landing_at_the_return_address_that_is_no_return_is_a_miss(make_world: Any) -> None:
    """A longjmp to just behind the call leaves another value in the link register."""
    stage = Stage(make_world, Returns.WATCH)
    stage.enter(F, BACK)
    stage.task.link = 0x1234
    stage.task.pc = BACK
    stage.task.arrive(BACK)
    assert (stage.returned("f"), stage.lost("f"), stage.pending) == (0, ["longjmp"], 0)


def test_a_return_only_consumer_gets_every_return(make_world: Any) -> None:
    world = make_world()
    task, file = world.program(NOP, RET)
    task.space.map(None, BACK)
    consumer = world.return_only()
    world.probe(file, 0, consumer)
    for _ in range(3):
        task.call(0x1000, BACK)
        task.run_until(BACK)
    assert consumer.returned == [0x1000] * 3


@BOTH
def test_unregistering_while_a_return_is_pending_leaves_the_program_right(
    make_world: Any, returns: Returns
) -> None:
    stage = Stage(make_world, returns)
    lr = stage.enter(F, BACK)
    uprobe = next(u for u in stage.world.registry.uprobes() if u.offset == 0)
    stage.world.registry.unregister(uprobe, stage.consumers["f"])
    stage.leave(lr, BACK)
    assert (stage.task.pc, stage.task.delivered) == (BACK, [])
