"""Reference counters (semaphores): 16 bits in the program's data, above zero while probed."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from uprobe_core.errors import ProbeError
from uprobe_core.testing.fake_backend import FakeMachine
from uprobe_core.testing.fake_memory import FakeFile
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import Op, encode

NOP = encode(Op.NOP)
TEXT, DATA = 0x1000, 0x4000
REF = 0x1010


def two_page_file(machine: FakeMachine, value: int = 0) -> FakeFile:
    """Code in the first page, a semaphore of *value* at file offset REF in the second."""
    words = [NOP] * 0x404
    words.append(struct.pack("<HH", value, 0))
    return machine.add_file("/bin/sdt", words, pages=2)


def map_data(task: FakeTask, file: FakeFile) -> None:
    task.space.map(file, DATA, offset=0x1000, writable=True, executable=False)


def semaphore(task: FakeTask) -> int:
    """Its value in the memory of *task*."""
    (value,) = struct.unpack("<H", task.space.read(DATA + 0x10, 2))
    return int(value)


@pytest.fixture
def probed(world: Any) -> tuple[Any, FakeTask, FakeFile]:
    """A process with text and data of a file with a semaphore."""
    file = two_page_file(world.machine)
    task = world.machine.start_process()
    task.space.map(file, TEXT)
    map_data(task, file)
    return world, task, file


def test_it_is_raised_while_the_place_is_probed(probed: Any) -> None:
    world, task, file = probed
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer, ref=REF)
    assert semaphore(task) == 1
    world.registry.unregister(uprobe, consumer)
    assert semaphore(task) == 0


def test_a_second_consumer_at_the_place_does_not_raise_it_again(probed: Any) -> None:
    world, task, file = probed
    world.probe(file, 0, world.recorder(), ref=REF)
    world.probe(file, 0, world.recorder(), ref=REF)
    assert semaphore(task) == 1


def test_each_place_of_one_semaphore_counts(probed: Any) -> None:
    world, task, file = probed
    first = world.recorder()
    uprobe = world.probe(file, 0, first, ref=REF)
    world.probe(file, 4, world.recorder(), ref=REF)
    assert semaphore(task) == 2
    world.registry.unregister(uprobe, first)
    assert semaphore(task) == 1


def test_at_an_odd_offset_there_is_none(probed: Any) -> None:
    """Recorded on 6.12: enabling such an event is EINVAL; the place can be probed without it."""
    world, task, file = probed
    with pytest.raises(ProbeError, match=f"{REF + 1:#x} is at an odd offset") as refused:
        world.probe(file, 0, world.recorder(), ref=REF + 1)
    assert refused.value.errno_name == "EINVAL"
    world.probe(file, 0, world.recorder(), ref=REF)
    assert semaphore(task) == 1


def test_it_waits_for_its_data_mapping(world: Any) -> None:
    """The kernel's delayed_uprobe list: the loader maps text first."""
    file = two_page_file(world.machine)
    world.probe(file, 0, world.recorder(), ref=REF)
    task = world.machine.start_process()
    task.space.map(file, TEXT)
    map_data(task, file)
    assert semaphore(task) == 1


def test_a_probe_that_goes_before_the_data_comes_leaves_it_alone(world: Any) -> None:
    file = two_page_file(world.machine)
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer, ref=REF)
    task = world.machine.start_process()
    task.space.map(file, TEXT)
    world.registry.unregister(uprobe, consumer)
    map_data(task, file)
    assert semaphore(task) == 0


def test_it_never_goes_below_zero(probed: Any) -> None:
    """The program cleared it by itself: lowering is refused (update_ref_ctr)."""
    world, task, file = probed
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer, ref=REF)
    task.space.poke(DATA + 0x10, b"\0\0")
    world.registry.unregister(uprobe, consumer)
    assert semaphore(task) == 0


def test_the_value_that_the_program_put_there_is_added_to(world: Any) -> None:
    file = two_page_file(world.machine, value=5)
    task = world.machine.start_process()
    task.space.map(file, TEXT)
    map_data(task, file)
    world.probe(file, 0, world.recorder(), ref=REF)
    assert semaphore(task) == 6


def test_each_process_has_its_own(probed: Any) -> None:
    world, task, file = probed
    other = world.machine.start_process()
    map_data(other, file)
    world.probe(file, 0, world.recorder(), ref=REF)
    assert (semaphore(task), semaphore(other)) == (1, 0)
    other.space.map(file, TEXT)
    assert semaphore(other) == 1


def test_a_forked_child_lowers_its_own_copy(probed: Any) -> None:
    world, task, file = probed
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer, ref=REF)
    child = world.machine.fork(task)
    assert semaphore(child) == 1
    world.registry.unregister(uprobe, consumer)
    assert (semaphore(task), semaphore(child)) == (0, 0)
