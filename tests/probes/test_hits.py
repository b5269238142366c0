"""The life of a hit: chain, votes, simulation, step, fault, and traps that are not ours."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from uprobe_core.arch_hooks import hookimpl
from uprobe_core.testing.fake_memory import XOL_BASE
from uprobe_core.testing.toy_arch import REGISTERS, SWBP, Op, encode
from uprobe_core.types import HandlerVote, MemoryFault, Mode, Policy, TrapResult, UtaskState
from uprobe_core.utask import Utask

NOP, ADD = encode(Op.NOP), encode(Op.ADD, 7)
KERNEL = Policy("kernel")


# --- the chain ----------------------------------------------------------------------------------------


def test_handlers_run_in_the_order_in_which_they_were_added(world: Any) -> None:
    task, file = world.program(NOP)
    log: list[Any] = []
    for name in ("a", "b", "c"):
        world.probe(file, 0, world.recorder(name, log))
    task.execute()
    assert [name for name, _ in log] == ["a", "b", "c"]


def test_pc_is_the_probed_address_while_handlers_run(world: Any) -> None:
    task, file = world.program(NOP, ADD)
    seen: list[int] = []
    world.probe(file, 4, world.recorder(act=lambda hit: seen.append(hit.reg("pc"))))
    task.execute()
    task.execute()
    assert seen == [0x1004]


def test_the_displaced_instruction_runs_once(world: Any) -> None:
    task, file = world.program(ADD, NOP)
    world.probe(file, 0, world.recorder())
    task.execute()
    assert (task.args[0], task.pc) == (7, 0x1004)


def test_a_stepped_instruction_runs_in_a_slot_and_a_simulated_one_does_not(world: Any) -> None:
    task, file = world.program(ADD, encode(Op.JUMP, 0x20))
    world.probe(file, 0, world.recorder())
    world.probe(file, 4, world.recorder())
    task.go()
    assert (world.state(task), task.pc >= XOL_BASE) == (UtaskState.SSTEP, True)
    task.go()
    assert (world.state(task), task.pc) == (UtaskState.RUNNING, 0x1004)
    task.go()
    assert (world.state(task), task.pc) == (UtaskState.RUNNING, 0x1024)


def test_mode_inline_gives_the_same_hits_without_a_trap(make_world: Any) -> None:
    world = make_world(mode=Mode.INLINE)
    task, file = world.program(ADD, encode(Op.JUMP, 0x20))
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    world.probe(file, 4, consumer)
    task.run_until(0x1024)
    assert [address for _, address in consumer.log] == [0x1000, 0x1004]
    assert (task.args[0], task.space.xol_mapped) == (7, False)


def test_a_handler_that_moves_pc_skips_the_instruction(make_world: Any) -> None:
    for mode in (Mode.TRAP, Mode.INLINE):
        world = make_world(mode=mode)
        task, file = world.program(ADD, NOP, NOP)
        world.probe(file, 0, world.recorder(act=lambda hit: hit.task.set_reg(REGISTERS.pc, 0x1008)))
        task.go()
        assert (task.pc, task.args[0]) == (0x1008, 0), mode


def test_an_arch_that_ignores_a_hit_leaves_the_task_where_it_is(make_world: Any) -> None:
    from uprobe_core.arch_hooks import hookimpl

    class Ignorer:
        @hookimpl
        def ignore(self) -> bool:
            return True

    world = make_world(wrappers=(Ignorer(),))
    task, file = world.program(ADD)
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.go()
    assert (task.pc, consumer.log) == (0x1000, [])


# --- votes --------------------------------------------------------------------------------------------


def test_one_vote_for_removal_is_not_enough(world: Any) -> None:
    task, file = world.program(NOP)
    world.probe(file, 0, world.recorder(vote=HandlerVote.REMOVE))
    world.probe(file, 0, world.recorder())
    task.execute()
    assert 0x1000 in task.space.traps


def test_every_consumers_vote_removes_the_trap_from_this_process_only(world: Any) -> None:
    task, file = world.program(NOP)
    other = world.machine.start_process()
    other.space.map(file, 0x1000)
    first, second = (world.recorder(vote=HandlerVote.REMOVE) for _ in range(2))
    world.probe(file, 0, first)
    world.probe(file, 0, second)
    task.execute()
    assert (task.pc, len(first.log), len(second.log)) == (0x1004, 1, 1)
    assert not task.space.traps
    assert other.space.traps


def test_a_filter_that_still_wants_the_place_outvotes_its_own_handler(world: Any) -> None:
    """Filters are asked again at removal (handler_chain's filter_chain)."""
    task, file = world.program(NOP)
    world.probe(file, 0, world.recorder(vote=HandlerVote.REMOVE, wanted=lambda _process: True))
    task.execute()
    assert 0x1000 in task.space.traps


def test_a_return_only_consumer_keeps_the_trap(world: Any) -> None:
    task, file = world.program(NOP)
    world.probe(file, 0, world.recorder(vote=HandlerVote.REMOVE))
    world.probe(file, 0, world.return_only())
    task.call(0x1000, 0x1800)
    task.execute()
    assert 0x1000 in task.space.traps


@pytest.mark.parametrize("vote", [HandlerVote.IGNORE, HandlerVote.REMOVE])
def test_ignore_and_remove_both_suppress_this_calls_return(world: Any, vote: HandlerVote) -> None:
    task, file = world.program(encode(Op.RET))
    task.space.map(None, 0x3000)
    consumer = world.session(vote=vote)
    world.probe(file, 0, consumer)
    task.call(0x1000, 0x3000)
    task.run_until(0x3000)
    assert (consumer.entries, consumer.returned, consumer.lost) == (1, [], [])


@pytest.mark.parametrize("vote", ["nonsense", 4, True, object(), [1]])
def test_a_vote_that_is_none_is_the_consumers_error_and_the_program_goes_on(world: Any, vote: Any) -> None:
    task, file = world.program(ADD)
    consumer = world.recorder(vote=vote)
    world.probe(file, 0, consumer)
    task.execute()
    assert (task.args[0], 0x1000 in task.space.traps) == (7, True)
    assert [link.consumer for link, _ in world.errors] == [consumer]


def test_a_handler_that_raises_is_blamed_and_the_others_run(world: Any) -> None:
    def fail(_hit: Any) -> None:
        raise RuntimeError("mine")

    task, file = world.program(ADD)
    bad, good = world.recorder(act=fail), world.recorder()
    world.probe(file, 0, bad)
    world.probe(file, 0, good)
    task.execute()
    assert (task.args[0], len(good.log)) == (7, 1)
    assert [(link.consumer, str(error)) for link, error in world.errors] == [(bad, "mine")]


def test_a_handler_that_raised_has_no_session_so_its_return_handler_stays_quiet(world: Any) -> None:
    def fail(_hit: Any) -> None:
        raise RuntimeError("mine")

    task, file = world.program(encode(Op.RET))
    task.space.map(None, 0x3000)
    consumer = world.session(act=fail)
    world.probe(file, 0, consumer)
    task.call(0x1000, 0x3000)
    task.run_until(0x3000)
    assert consumer.returned == []


# --- probes that come and go from inside a handler -----------------------------------------------------


def test_a_handler_may_unregister_itself_and_the_instruction_still_runs_once(world: Any) -> None:
    task, file = world.program(ADD, NOP)
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer)
    consumer.act = lambda _hit: world.registry.unregister(uprobe, consumer)
    task.execute()
    assert (task.args[0], task.pc, len(consumer.log)) == (7, 0x1004, 1)


def test_a_consumer_that_joins_during_a_hit_sees_the_next_one(world: Any) -> None:
    task, file = world.program(encode(Op.JUMP, 0))
    late = world.recorder()
    joined: list[Any] = []

    def join(_hit: Any) -> None:
        if not joined:
            joined.append(world.probe(file, 0, late))

    world.probe(file, 0, world.recorder(act=join))
    task.go()
    assert late.log == []
    task.go()
    assert len(late.log) == 1


# --- faults -------------------------------------------------------------------------------------------


def test_a_step_that_faults_shows_the_program_its_own_pc(world: Any) -> None:
    task, file = world.program(encode(Op.LOAD, 2))
    world.probe(file, 0, world.recorder())
    task.args[2] = 0xDEAD000
    task.execute()
    assert task.delivered == [("SIGSEGV", 0x1000, 0xDEAD000)]
    assert world.state(task) is UtaskState.RUNNING


def test_the_retry_after_a_fault_fires_the_probe_again(world: Any) -> None:
    """Recorded (fault-insn): the handler mends the pointer and returns to the instruction."""
    task, file = world.program(encode(Op.LOAD, 2))
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.args[2] = 0xDEAD000
    task.on_signal = lambda t: t.args.__setitem__(2, 0x1000)
    task.execute()
    task.execute()
    assert (len(consumer.log), task.pc) == (2, 0x1004)


def test_a_simulated_instruction_that_faults_shows_the_same(world: Any) -> None:
    task, file = world.program(encode(Op.SLOAD, 2))
    world.probe(file, 0, world.recorder())
    task.args[2] = 0xDEAD000
    task.execute()
    assert task.delivered == [("SIGSEGV", 0x1000, 0xDEAD000)]


@pytest.mark.parametrize(("policy", "address"), [(KERNEL, XOL_BASE + 4), (Policy("anywhere"), 0x1000)])
def test_an_undefined_instruction_names_the_slot_only_under_a_kernel(
    make_world: Any, policy: Policy, address: int
) -> None:
    """Recorded (fault-insn): si_addr of a stepped UDF is the slot."""
    world = make_world(policy=policy)
    task, file = world.program(bytes(4))
    world.probe(file, 0, world.recorder())
    task.execute()
    assert task.delivered == [("SIGILL", 0x1000, address)]


def test_a_slot_page_that_the_program_unmapped_is_the_programs_fault(world: Any) -> None:
    task, file = world.program(encode(Op.JUMP, 4), ADD)
    task.on_signal = lambda t: t.set_reg(REGISTERS.pc, 0x1008)
    world.probe(file, 0, world.recorder())
    world.probe(file, 4, world.recorder())
    task.execute()
    world.registry.space_of(task.process)
    world.dispatcher._area(world.registry.spaces[task.process])
    task.space.unmap(XOL_BASE, XOL_BASE + 0x1000)
    task.execute()
    assert [(signal, pc) for signal, pc, _ in task.delivered] == [("SIGSEGV", 0x1004)]
    assert world.state(task) is UtaskState.RUNNING


# --- traps that are not ours ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [5, 0, 0x3E8])
def test_the_programs_own_trap_is_delivered_to_it(world: Any, number: int) -> None:
    """BRK #5 included: a trap is ours only at a registered place."""
    task, file = world.program(encode(Op.BRK, number), NOP)
    world.probe(file, 4, world.recorder())
    task.execute()
    assert task.delivered == [("SIGTRAP", 0x1000, 0x1000)]


def test_a_process_without_probes_has_its_traps_to_itself(world: Any) -> None:
    task = world.machine.start_process()
    task.space.map(None, 0x1000)
    task.space.poke(0x1000, SWBP)
    assert world.dispatcher.on_trap(task, 0x1000) is TrapResult.NOT_OURS


@pytest.mark.parametrize("number", [5, 0])
def test_a_probed_trap_of_the_program_fires_and_is_then_delivered_from_its_own_address(
    world: Any, number: int
) -> None:
    task, file = world.program(encode(Op.BRK, number))
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.execute()
    assert len(consumer.log) == 1
    assert task.delivered == [("SIGTRAP", 0x1000, 0x1000)]
    assert world.state(task) is UtaskState.RUNNING


def test_a_trap_that_was_just_removed_is_retried(world: Any) -> None:
    """Two tasks reach it; the first one's handler takes it out before the second's trap is looked at."""
    task, file = world.program(ADD, NOP)
    other = world.machine.start_thread(task)
    consumer = world.recorder(vote=HandlerVote.REMOVE)
    world.probe(file, 0, consumer)
    task.execute()
    assert world.dispatcher.on_trap(other, 0x1000) is TrapResult.HANDLED
    other.execute()
    assert (other.args[0], other.delivered, len(consumer.log)) == (7, [], 1)


def test_a_trap_whose_mapping_just_went_away_is_retried_so_that_the_program_gets_sigsegv(world: Any) -> None:
    task, file = world.program(ADD)
    other = world.machine.start_thread(task)
    world.probe(file, 0, world.recorder())
    task.space.unmap(0x1000, 0x2000)
    assert world.dispatcher.on_trap(other, 0x1000) is TrapResult.HANDLED
    other.execute()
    assert other.delivered == [("SIGSEGV", 0x1000, 0x1000)]


@pytest.mark.parametrize("number", [5, 1])
def test_a_trap_that_the_program_put_where_a_probe_was_is_its_own(world: Any, number: int) -> None:
    task, file = world.program(ADD)
    consumer = world.recorder()
    uprobe = world.probe(file, 0, consumer)
    world.registry.unregister(uprobe, consumer)
    task.space.unmap(0x1000, 0x2000)
    task.space.map(None, 0x1000)
    task.space.poke(0x1000, encode(Op.BRK, number))
    task.execute()
    assert task.delivered == [("SIGTRAP", 0x1000, 0x1000)]


def test_a_jump_to_the_trampoline_without_a_pending_return_is_sigill(world: Any) -> None:
    """uprobe_handle_trampoline: no record, the task is killed with SIGILL."""
    task, file = world.program(encode(Op.RET))
    world.probe(file, 0, world.session(vote=HandlerVote.IGNORE))
    world.dispatcher._area(world.registry.spaces[task.process])
    task.pc = XOL_BASE
    task.execute()
    assert [signal for signal, _, _ in task.delivered] == ["SIGILL"]


# --- code that the program rewrites --------------------------------------------------------------------


def test_a_rewritten_place_runs_its_new_instruction(world: Any) -> None:
    task, file = world.program(NOP, NOP)
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.space.store_code(0x1000, encode(Op.ADD, 9))
    task.execute()
    assert (task.args[0], len(consumer.log)) == (9, 1)


def test_rewriting_beside_a_probe_changes_nothing_for_it(make_world: Any) -> None:
    for policy in (KERNEL, Policy("anywhere")):
        world = make_world(policy=policy)
        task, file = world.program(encode(Op.ADD, 3), NOP)
        consumer = world.recorder()
        world.probe(file, 0, consumer)
        task.space.poke(0x1004, encode(Op.ADD, 4))
        world.dispatcher.on_code_written(task.process, 0x1000, 0x1008)
        task.run_until(0x1008)
        assert (task.args[0], len(consumer.log)) == (7, 1), policy


def test_code_that_cannot_be_read_back_keeps_its_probe(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    task, file = world.program(ADD)
    world.probe(file, 0, world.recorder())

    def refuse(address: int, size: int) -> bytes:
        from uprobe_core.types import Access

        raise MemoryFault(address, Access.READ)

    with monkeypatch.context() as patch:
        patch.setattr(task.space, "read", refuse)
        world.dispatcher.on_code_written(task.process, 0x1000, 0x1004)
    assert 0x1000 in task.space.traps


def test_a_fault_that_is_not_the_instructions_has_it_run_again(make_world: Any) -> None:
    """The architecture says so; a kernel lets the task go on in its slot (uprobe_deny_signal)."""
    asked: list[bool] = []

    class Denies:
        @hookimpl(wrapper=True)
        def xol_was_trapped(self, utask: Utask) -> Generator[None, bool, bool]:
            trapped = yield
            asked.append(trapped)
            return trapped and len(asked) > 1

    world = make_world(wrappers=(Denies(),))
    task, file = world.program(encode(Op.LOAD, 2))
    world.probe(file, 0, world.recorder())
    task.args[2] = 0xDEAD000
    task.execute()
    assert asked == [True, True]
    assert task.delivered == [("SIGSEGV", 0x1000, 0xDEAD000)]


def test_a_trap_is_offered_to_the_architecture_before_its_instruction_is_done(make_world: Any) -> None:
    """After the handlers of each hit, simulated or stepped (handle_swbp calls arch_uprobe_optimize)."""
    offered: list[tuple[int, int]] = []

    class Offers:
        @hookimpl(wrapper=True)
        def optimize(self, task: Any, analysis: Any, vaddr: int) -> Generator[None, bool, bool]:
            offered.append((vaddr, len(consumer.log)))
            return (yield)

    world = make_world(wrappers=(Offers(),))
    task, file = world.program(ADD, encode(Op.JUMP, 0x20))
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    world.probe(file, 4, consumer)
    task.run_until(0x1024)
    assert offered == [(0x1000, 1), (0x1004, 2)]


def test_a_hit_that_the_architecture_ignores_calls_nobody_and_does_nothing(make_world: Any) -> None:
    """arch_uprobe_ignore: the task goes on where it is, so it traps again until it is not ignored."""
    times = iter((True, True, False))

    class Ignores:
        @hookimpl(wrapper=True)
        def ignore(self, task: Any, analysis: Any) -> Generator[None, bool, bool]:
            yield
            return next(times)

    world = make_world(wrappers=(Ignores(),))
    task, file = world.program(ADD, NOP)
    consumer = world.recorder()
    world.probe(file, 0, consumer)
    task.run_until(0x1004)
    assert (len(consumer.log), task.args[0]) == (1, 7)
