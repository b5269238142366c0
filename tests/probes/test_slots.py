"""The XOL area: slots are handed out, waited for, and always given back; signals wait for steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.probes.xol import XolArea
from uprobe_core.testing.fake_memory import XOL_BASE
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import Op, encode
from uprobe_core.types import UtaskState

NOP = encode(Op.NOP)


def adds(count: int) -> list[bytes]:
    return [encode(Op.ADD, 1 << n) for n in range(count)]


# --- the area by itself ---------------------------------------------------------------------------------


def test_a_page_of_4096_bytes_has_1023_slots_beside_the_trampoline() -> None:
    area = XolArea(0x10000, 4096, 4, 4)
    slots = [area.take(word) for word in range(1023)]
    assert None not in slots
    assert area.take(5000) is None
    assert len(set(slots)) == 1023
    assert area.trampoline not in slots
    assert max(s for s in slots if s is not None) + 4 <= 0x10000 + 4096


def test_a_stride_leaves_room_behind_each_slot() -> None:
    area = XolArea(0x10000, 4096, 4, 8)
    slots = sorted(s for s in (area.take(w) for w in range(area.capacity)) if s is not None)
    assert all(b - a == 8 for a, b in itertools.pairwise(slots))
    assert slots[-1] + 8 <= 0x10000 + 4096


def test_a_free_slot_that_holds_the_instruction_is_taken_again() -> None:
    area = XolArea(0x10000, 4096, 4, 4)
    slot = area.take(111)
    assert slot is not None
    area.put(slot, 111)
    assert area.take(222) != slot
    assert area.take(111) == slot


# --- in a process -----------------------------------------------------------------------------------------


def test_two_tasks_step_at_once_each_in_its_own_slot(world: Any) -> None:
    task, file = world.program(*adds(2))
    other = world.machine.start_thread(task)
    world.probe(file, 0, world.recorder())
    world.probe(file, 4, world.recorder())
    other.pc = 0x1004
    task.go()
    other.go()
    assert world.state(task) is world.state(other) is UtaskState.SSTEP
    assert task.pc != other.pc
    other.go()
    task.go()
    assert (task.args[0], task.pc) == (1, 0x1004)
    assert (other.args[0], other.pc) == (2, 0x1008)


def test_two_tasks_step_the_same_place_at_once(world: Any) -> None:
    """Nothing of a step is found by its address: the review's first point."""
    task, file = world.program(encode(Op.LOAD, 2))
    other = world.machine.start_thread(task)
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.args[2], other.args[2] = 0x1000, 0xBAD0000
    task.go()
    other.go()
    task.go()
    other.go()
    assert (task.pc, task.delivered) == (0x1004, [])
    assert other.delivered == [("SIGSEGV", 0x1000, 0xBAD0000)]
    assert len(consumer.log) == 2


def test_a_task_waits_for_a_slot_and_its_handlers_run_once(make_world: Any) -> None:
    """A kernel sleeps in xol_get_insn_slot; here the trap repeats, the handlers do not."""
    world = make_world(xol_slots=1)
    task, file = world.program(*adds(2))
    other = world.machine.start_thread(task)
    other.pc = 0x1004
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    world.probe(file, 4, consumer)
    task.go()
    for _ in range(5):
        other.go()
    assert (other.pc, world.state(other)) == (0x1004, UtaskState.RUNNING)
    task.go()
    other.execute()
    assert (other.args[0], other.pc) == (2, 0x1008)
    assert [address for _, address in consumer.log] == [0x1000, 0x1004]


def test_a_task_that_waits_for_a_slot_takes_no_signal(make_world: Any) -> None:
    """Otherwise a handler that hits the same place would be taken for the waiting hit."""
    world = make_world(xol_slots=1)
    task, file = world.program(*adds(2))
    other = world.machine.start_thread(task)
    other.pc = 0x1004
    world.probe(file, 0, world.recorder())
    world.probe(file, 4, world.recorder())
    task.go()
    other.go()
    other.send("SIGALRM")
    other.go()
    assert other.delivered == []
    task.go()
    other.run_until(0x1008)
    other.go()
    assert other.delivered == [("SIGALRM", 0x1008, 0)]


@pytest.mark.parametrize("how", ["unregister", "unmap"])
def test_a_wait_for_a_slot_ends_when_the_probe_goes(make_world: Any, how: str) -> None:
    world = make_world(xol_slots=1)
    task, file = world.program(*adds(2))
    other = world.machine.start_thread(task)
    other.pc = 0x1004
    world.probe(file, 0, world.recorder())
    consumer = world.recorder()
    uprobe = world.probe(file, 4, consumer)
    task.go()
    other.go()
    other.send("SIGALRM")
    if how == "unregister":
        world.registry.unregister(uprobe, consumer)
    else:
        task.space.unmap(0x1000, 0x2000)
    other.go()
    assert other.delivered == [("SIGALRM", 0x1004, 0)]


def test_a_signal_during_a_step_is_delivered_after_it(world: Any) -> None:
    task, file = world.program(encode(Op.ADD, 7), NOP)
    world.probe(file, 0, world.recorder())
    task.go()
    task.send("SIGALRM")
    assert not world.dispatcher.may_deliver_signal(task)
    task.go()
    task.go()
    assert (task.args[0], task.delivered) == (7, [("SIGALRM", 0x1004, 0)])


# --- every path out of a step gives the slot back -----------------------------------------------------------


def _completes(world: Any, task: FakeTask) -> None:
    task.go()


def _faults(world: Any, task: FakeTask) -> None:
    task.args[2] = 0xBAD0000
    task.go()
    assert task.delivered


def _exits(world: Any, task: FakeTask) -> None:
    world.machine.start_thread(task)
    world.dispatcher.on_exit(task)


def _is_unregistered(world: Any, task: FakeTask) -> None:
    uprobe = next(iter(world.registry.uprobes()))
    world.registry.unregister(uprobe, uprobe.links[0].consumer)
    task.go()


def _is_rewritten(world: Any, task: FakeTask) -> None:
    task.space.store_code(0x1000, NOP)
    task.go()


@pytest.mark.parametrize("way", [_completes, _faults, _exits, _is_unregistered, _is_rewritten])
def test_the_slot_comes_back(world: Any, way: Any) -> None:
    task, file = world.program(encode(Op.LOAD, 2), NOP)
    task.args[2] = 0x1000
    world.probe(file, 0, world.recorder())
    task.go()
    free = world.free_slots(task)
    way(world, task)
    assert world.free_slots(task) == free + 1
    assert world.state(task) is UtaskState.RUNNING


def test_a_pre_xol_that_raises_gives_the_slot_back_and_leaves_the_task_at_the_place(make_world: Any) -> None:
    class Failing:
        @hookimpl(tryfirst=True)
        def pre_xol(self, task: Any, utask: Any) -> bool:
            raise RuntimeError("not now")

    world = make_world(wrappers=(Failing(),))
    task, file = world.program(encode(Op.ADD, 1))
    world.probe(file, 0, world.recorder())
    with pytest.raises(RuntimeError, match="not now"):
        task.go()
    assert world.free_slots(task) == 64
    assert (world.state(task), task.pc) == (UtaskState.RUNNING, 0x1000)


def test_a_trap_in_a_slot_gives_it_back(world: Any) -> None:
    task, file = world.program(encode(Op.BRK, 0))
    world.probe(file, 0, world.recorder())
    task.execute()
    assert world.free_slots(task) == 64


# --- slots and translations -----------------------------------------------------------------------------


def test_a_reused_slot_runs_what_it_holds_now(make_world: Any) -> None:
    """One slot, two instructions, again and again: only xol_flush makes the second one run."""
    world = make_world(xol_slots=1)
    task, file = world.program(encode(Op.ADD, 1), encode(Op.ADD, 16), encode(Op.JUMP, -8))
    for offset in (0, 4):
        world.probe(file, offset, world.recorder())
    for _ in range(9):
        task.execute()
    assert task.args[0] == 3 * 17


def test_the_slot_is_not_copied_when_it_holds_the_instruction_already(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, file = world.program(encode(Op.ADD, 1), encode(Op.JUMP, -4))
    world.probe(file, 0, world.recorder())
    writes: list[int] = []

    def write_slot(address: int, insn: bytes) -> None:
        writes.append(address)
        task.space.poke(address, insn)

    monkeypatch.setattr(task.space, "write_slot", write_slot)
    for _ in range(10):
        task.execute()
    assert writes == [XOL_BASE + 4]
    assert task.args[0] == 5
