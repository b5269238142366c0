"""Threads, fork, vfork, exec, exit and munmap: what becomes of probes, steps and pending returns."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.testing.toy_arch import Op, encode
from uprobe_core.types import Returns, UtaskState

RET, NOP = encode(Op.RET), encode(Op.NOP)
BACK = 0x3000
BOTH = pytest.mark.parametrize("returns", [Returns.HIJACK, Returns.WATCH])


def called(make_world: Any, returns: Returns) -> tuple[Any, Any, Any, Any]:
    """A task inside a probed function (``nop; ret``) that will return to BACK."""
    world = make_world(returns=returns)
    task, file = world.program(NOP, RET)
    task.space.map(None, BACK)
    consumer = world.session()
    world.probe(file, 0, consumer)
    task.call(0x1000, BACK)
    task.execute()
    return world, task, file, consumer


@BOTH
def test_a_thread_starts_without_pending_returns(make_world: Any, returns: Returns) -> None:
    world, task, _file, consumer = called(make_world, returns)
    thread = world.machine.start_thread(task)
    assert not world.dispatcher.utask(thread).returns
    task.arrive(BACK)
    assert len(consumer.returned) == 1


@BOTH
def test_a_forked_child_returns_once_and_so_does_its_parent(make_world: Any, returns: Returns) -> None:
    """Recorded (forks): the child fires the return probes that it inherited."""
    world, task, _file, consumer = called(make_world, returns)
    child = world.machine.fork(task)
    child.arrive(BACK)
    assert len(consumer.returned) == 1
    task.arrive(BACK)
    assert len(consumer.returned) == 2
    assert (task.delivered, child.delivered) == ([], [])


def test_a_forked_child_inherits_the_traps(make_world: Any) -> None:
    world, task, _file, consumer = called(make_world, Returns.HIJACK)
    child = world.machine.fork(task)
    child.call(0x1000, BACK)
    child.arrive(BACK)
    assert consumer.entries == 2


def test_removal_by_vote_in_a_child_leaves_the_parents_trap(make_world: Any) -> None:
    from uprobe_core.types import HandlerVote

    world, task, _file, consumer = called(make_world, Returns.HIJACK)
    child = world.machine.fork(task)
    consumer.vote = HandlerVote.REMOVE
    child.call(0x1000, BACK)
    child.execute()
    assert not child.space.traps
    assert task.space.traps


def test_code_that_a_child_rewrites_is_its_own(world: Any) -> None:
    task, file = world.program(encode(Op.ADD, 1), NOP)
    world.probe(file, 0, world.recorder())
    child = world.machine.fork(task)
    child.space.store_code(0x1000, encode(Op.ADD, 64))
    task.execute()
    child.execute()
    assert (task.args[0], child.args[0]) == (1, 64)


def test_a_child_has_all_slots_even_those_that_the_parents_threads_were_in(world: Any) -> None:
    """The slot page is not copied by fork (VM_DONTCOPY): the child's area is new."""
    task, file = world.program(encode(Op.ADD, 1), encode(Op.ADD, 2))
    stepping = world.machine.start_thread(task)
    for offset in (0, 4):
        world.probe(file, offset, world.recorder())
    stepping.go()
    assert world.state(stepping) is UtaskState.SSTEP
    child = world.machine.fork(task)
    child.execute()
    child.execute()
    assert child.args[0] == 3
    assert world.free_slots(child) == 64
    stepping.go()
    assert world.free_slots(task) == 64


def test_in_a_forked_host_process_only_the_child_is_left(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change there must not be made twice in memory that parent and child objects both name."""
    task, file = world.program(encode(Op.ADD, 1))
    world.probe(file, 0, world.recorder())
    task.execute()
    monkeypatch.setattr("os.getpid", lambda: -1)
    child = world.machine.fork(task)
    assert set(world.registry.spaces) == {child.process}
    assert task not in world.dispatcher._utasks


@BOTH
def test_a_vfork_child_that_exits_costs_its_parent_nothing(make_world: Any, returns: Returns) -> None:
    world, task, _file, consumer = called(make_world, returns)
    child = world.machine.fork(task, shares_memory=True)
    world.machine.exit(child)
    task.arrive(BACK)
    assert len(consumer.returned) == 1
    assert consumer.lost == [(0x1000, "exit")]


@BOTH
def test_a_vfork_child_sees_probes_that_come_and_go(make_world: Any, returns: Returns) -> None:
    world, task, _file, consumer = called(make_world, returns)
    child = world.machine.fork(task, shares_memory=True)
    uprobe = next(iter(world.registry.uprobes()))
    world.registry.unregister(uprobe, consumer)
    child.call(0x1000, BACK)
    child.arrive(BACK)
    assert (consumer.entries, child.delivered) == (1, [])


@BOTH
def test_exec_misses_what_was_pending(make_world: Any, returns: Returns) -> None:
    world, task, _file, consumer = called(make_world, returns)
    world.machine.execve(task)
    assert consumer.lost == [(0x1000, "exec")]
    assert not world.dispatcher.utask(task).returns


def test_a_new_image_gets_its_probes_as_it_is_mapped(make_world: Any) -> None:
    world, task, file, consumer = called(make_world, Returns.HIJACK)
    world.machine.execve(task)
    task.space.map(file, 0x6000)
    task.space.map(None, BACK)
    task.call(0x6000, BACK)
    task.arrive(BACK)
    assert consumer.entries == 2
    assert len(consumer.returned) == 1


@BOTH
def test_exit_misses_what_was_pending(make_world: Any, returns: Returns) -> None:
    world, task, _file, consumer = called(make_world, returns)
    world.machine.exit(task)
    assert consumer.lost == [(0x1000, "exit")]


def test_exit_frees_the_utask(make_world: Any) -> None:
    world, task, _file, _consumer = called(make_world, Returns.HIJACK)
    world.machine.exit(task)
    assert task not in world.dispatcher._utasks


def test_a_task_that_exits_during_a_step_is_forgotten_with_its_slot(world: Any) -> None:
    task, file = world.program(encode(Op.ADD, 1))
    thread = world.machine.start_thread(task)
    world.probe(file, 0, world.recorder())
    thread.go()
    world.machine.exit(thread)
    assert world.free_slots(task) == 64
    assert thread not in world.dispatcher._utasks


@BOTH
def test_munmap_of_the_function_keeps_its_pending_return(make_world: Any, returns: Returns) -> None:
    _world, task, _file, consumer = called(make_world, returns)
    task.space.unmap(0x1000, 0x2000)
    task.pc = task.link
    task.arrive(BACK)
    assert len(consumer.returned) == 1


def test_a_file_that_is_mapped_again_is_probed_again(world: Any) -> None:
    """dlclose and dlopen."""
    task, file = world.program(NOP)
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.space.unmap(0x1000, 0x2000)
    task.space.map(file, 0x1000)
    task.execute()
    assert len(consumer.log) == 1
