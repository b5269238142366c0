"""The registry: one uprobe per place, a chain of consumers, filters, and where probes are installed."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.errors import ProbeError
from uprobe_core.testing.toy_arch import SWBP, Op, encode
from uprobe_core.types import Mode, Policy

NOP, PRIV = encode(Op.NOP), encode(Op.PRIV)
KERNEL = Policy("kernel")


def test_two_consumers_at_one_place_share_one_uprobe(world: Any) -> None:
    _task, file = world.program(NOP)
    first = world.probe(file, 0, world.recorder())
    second = world.probe(file, 0, world.recorder())
    assert first is second
    assert list(world.registry.uprobes()) == [first]


def test_one_file_mapped_at_two_places_is_probed_at_both(world: Any) -> None:
    task, file = world.program(NOP)
    task.space.map(file, 0x5000)
    world.probe(file, 0, world.recorder())
    assert set(task.space.traps) == {0x1000, 0x5000}


def test_without_a_consumer_nothing_is_installed(world: Any) -> None:
    task, file = world.program(NOP)
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer)
    world.registry.unregister(uprobe, consumer)
    assert not task.space.traps
    assert not list(world.registry.uprobes())


def test_the_trap_stays_while_one_consumer_is_left(world: Any) -> None:
    task, file = world.program(NOP)
    first, second = world.recorder(), world.recorder()
    uprobe = world.probe(file, 0, first)
    world.probe(file, 0, second)
    world.registry.unregister(uprobe, first)
    assert 0x1000 in task.space.traps


def test_a_mapping_that_comes_later_is_probed(world: Any) -> None:
    file = world.machine.add_file("/lib/late", [NOP, NOP])
    world.probe(file, 4, world.recorder())
    task = world.machine.start_process()
    task.space.map(file, 0x9000)
    assert set(task.space.traps) == {0x9004}


def test_files_that_nobody_mapped_are_known(world: Any) -> None:
    early, late = (world.machine.add_file(f"/lib/{name}", [NOP, NOP]) for name in ("early", "late"))
    world.machine.start_process().space.map(early, 0x5000)
    for file, offset in ((early, 0), (late, 0), (late, 4)):
        world.probe(file, offset, world.recorder())
    assert world.registry.never_mapped() == ["/lib/late"]
    task = world.machine.start_process()
    task.space.map(late, 0x9000)
    task.space.unmap(0x9000, 0xA000)
    assert world.registry.never_mapped() == []


def test_a_mapping_that_starts_behind_the_place_is_not_probed(world: Any) -> None:
    file = world.machine.add_file("/lib/two", [NOP], pages=2)
    world.probe(file, 0, world.recorder())
    task = world.machine.start_process()
    task.space.map(file, 0x9000, offset=0x1000)
    assert not task.space.traps


@pytest.mark.parametrize("kind", [{"writable": True}, {"shared": True}])
def test_writable_and_shared_mappings_are_left_alone(world: Any, kind: dict[str, bool]) -> None:
    """The kernel's valid_vma: file-backed, private, not writable."""
    file = world.machine.add_file("/lib/rw", [NOP])
    world.probe(file, 0, world.recorder())
    task = world.machine.start_process()
    task.space.map(file, 0x9000, **kind)
    assert not task.space.traps


def test_only_a_kernel_probes_a_mapping_that_cannot_be_executed(make_world: Any) -> None:
    for policy, probed in ((KERNEL, True), (Policy("anywhere"), False)):
        world = make_world(policy=policy)
        file = world.machine.add_file("/lib/ro", [NOP])
        world.probe(file, 0, world.recorder())
        task = world.machine.start_process()
        task.space.map(file, 0x9000, executable=False)
        assert bool(task.space.traps) is probed


def test_only_outside_a_kernels_policy_does_mprotect_install(make_world: Any) -> None:
    """Recorded (mapped-again): a mapping that was writable and then executable has no probe."""
    for policy, probed in ((KERNEL, False), (Policy("anywhere"), True)):
        world = make_world(policy=policy)
        file = world.machine.add_file("/lib/jit", [NOP])
        world.probe(file, 0, world.recorder())
        task = world.machine.start_process()
        task.space.map(file, 0x9000, writable=True, executable=False)
        task.space.protect(0x9000, writable=False, executable=True)
        assert bool(task.space.traps) is probed
        task.space.unmap(0x9000, 0xA000)
        task.space.map(file, 0x9000)
        assert task.space.traps


def test_a_kernel_lets_the_program_read_the_trap_and_we_do_not(make_world: Any) -> None:
    for policy, seen in ((KERNEL, SWBP), (Policy("anywhere"), NOP)):
        world = make_world(policy=policy)
        task, file = world.program(NOP)
        world.probe(file, 0, world.recorder())
        assert task.space.read(0x1000, len(seen)) == seen


def test_mode_inline_puts_no_trap_anywhere(make_world: Any) -> None:
    world = make_world(mode=Mode.INLINE)
    task, file = world.program(NOP)
    world.probe(file, 0, world.recorder())
    assert not task.space.traps
    assert task.space.inline == {0x1000}


# --- registration is all or nothing ------------------------------------------------------------------


def test_a_refused_instruction_fails_registration_with_the_kernels_errno(make_world: Any) -> None:
    world = make_world(policy=KERNEL)
    task, file = world.program(PRIV)
    with pytest.raises(ProbeError) as caught:
        world.probe(file, 0, world.recorder())
    assert caught.value.errno_name == "EINVAL"
    assert caught.value.address == 0x1000
    assert not task.space.traps
    assert not list(world.registry.uprobes())


def test_a_trap_that_is_there_already_is_enotsupp(make_world: Any) -> None:
    world = make_world(policy=KERNEL)
    _task, file = world.program(SWBP)
    with pytest.raises(ProbeError) as caught:
        world.probe(file, 0, world.recorder())
    assert caught.value.errno_name == "ENOTSUPP"


def test_a_refusal_in_one_mapping_undoes_the_others(make_world: Any) -> None:
    """The second mapping shows another page content: its place holds a refused instruction."""
    world = make_world(policy=KERNEL)
    task, file = world.program(NOP)
    second = world.machine.start_process()
    second.space.map(file, 0x5000)
    second.space.poke(0x5000, PRIV)
    with pytest.raises(ProbeError):
        world.probe(file, 0, world.recorder())
    assert not task.space.traps
    assert not second.space.traps


def test_a_refusal_leaves_the_consumers_that_were_there(make_world: Any) -> None:
    world = make_world(policy=KERNEL)
    task, file = world.program(NOP)
    second = world.machine.start_process()
    second.space.map(file, 0x5000)
    second.space.poke(0x5000, PRIV)
    choosy = world.recorder(wanted=lambda process: process is task.process)
    uprobe = world.probe(file, 0, choosy)
    with pytest.raises(ProbeError):
        world.probe(file, 0, world.recorder())
    assert [link.consumer for link in uprobe.links] == [choosy]
    assert set(task.space.traps) == {0x1000}


def test_a_refusal_at_mmap_is_reported_and_the_program_goes_on(make_world: Any) -> None:
    """Recorded: enabling succeeds when the file is not mapped; the later mmap installs nothing."""
    world = make_world(policy=KERNEL)
    file = world.machine.add_file("/lib/late", [PRIV])
    uprobe = world.probe(file, 0, world.recorder())
    task = world.machine.start_process()
    task.space.map(file, 0x9000)
    assert not task.space.traps
    assert [(u, e.errno_name) for u, e in world.refused] == [(uprobe, "EINVAL")]


def test_leaving_a_place_that_was_refused_at_mmap_raises_nothing(make_world: Any) -> None:
    world = make_world(policy=KERNEL)
    file = world.machine.add_file("/lib/late", [PRIV])
    first, second = world.recorder(), world.recorder()
    uprobe = world.probe(file, 0, first)
    world.probe(file, 0, second)
    task = world.machine.start_process()
    task.space.map(file, 0x9000)
    world.registry.unregister(uprobe, first)
    assert [link.consumer for link in uprobe.links] == [second]


def test_another_reference_counter_for_the_same_place_is_refused(world: Any) -> None:
    _task, file = world.program(NOP)
    world.probe(file, 0, world.recorder(), ref=0x100)
    with pytest.raises(ProbeError, match="reference counter"):
        world.probe(file, 0, world.recorder(), ref=0x200)


# --- filters ------------------------------------------------------------------------------------------


def test_a_filter_decides_at_installation(world: Any) -> None:
    task, file = world.program(NOP)
    other = world.machine.start_process()
    other.space.map(file, 0x1000)
    world.probe(file, 0, world.recorder(wanted=lambda process: process is task.process))
    assert task.space.traps
    assert not other.space.traps


def test_any_filter_that_agrees_installs_at_mmap(world: Any) -> None:
    file = world.machine.add_file("/lib/late", [NOP])
    world.probe(file, 0, world.recorder(wanted=lambda _process: False))
    task = world.machine.start_process()
    task.space.map(file, 0x9000)
    assert not task.space.traps
    world.probe(file, 0, world.recorder(wanted=lambda _process: True))
    later = world.machine.start_process()
    later.space.map(file, 0x9000)
    assert later.space.traps


def test_a_second_consumer_installs_where_the_first_did_not_want_to(world: Any) -> None:
    task, file = world.program(NOP)
    world.probe(file, 0, world.recorder(wanted=lambda _process: False))
    assert not task.space.traps
    world.probe(file, 0, world.recorder())
    assert task.space.traps


def test_a_consumer_is_not_called_where_its_filter_says_no(world: Any) -> None:
    task, file = world.program(NOP)
    log: list[Any] = []
    world.probe(file, 0, world.recorder("no", log, wanted=lambda _process: False))
    world.probe(file, 0, world.recorder("yes", log))
    task.execute()
    assert log == [("yes", 0x1000)]


def test_removal_asks_the_filters_of_those_who_stay(world: Any) -> None:
    task, file = world.program(NOP)
    leaver = world.recorder()
    uprobe = world.probe(file, 0, leaver)
    world.probe(file, 0, world.recorder(wanted=lambda _process: False))
    world.registry.unregister(uprobe, leaver)
    assert not task.space.traps
