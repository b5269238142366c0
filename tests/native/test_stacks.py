"""The native engine's walk over any rules and any memory: the reference's frames, whatever they lead to."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64.frames import FRAME_RULES

from uprobe_core.frame import Frame
from uprobe_core.native.packing import FieldRef, key_decoder, pack_program, pack_registers, stack_field
from uprobe_core.native.stacks import NativeStacks
from uprobe_core.stacks.spaces import Step
from uprobe_core.stacks.unwind import unwind
from uprobe_core.types import Access, MemoryFault
from uprobe_core.unwinding import Row, Saved, Where

_engine = pytest.importorskip("uprobe_core.native._engine")

COUNT, NOTHING = 0, FieldRef(7, "u").pack()
PLACES = 12
BOTTOM = 0x7000_0000


class World:
    """A task, its memory and the rules of its code, all of them made up from *seed*."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.rules = FRAME_RULES
        self.pid, self.tid = 1, 1
        self.registers = [BOTTOM + 8 * self._chance.randrange(200) for _ in range(34)]
        self.registers[FRAME_RULES.registers.pc] = 0x1000
        self._words: dict[int, int | None] = {}
        self._steps: dict[tuple[int, int], Step] = {}
        self.process: Any = self
        self.task: Any = self

    def get_reg(self, index: int) -> int:
        return self.registers[index]

    def read(self, address: int, size: int) -> bytes:
        return b"".join(self._word(address + at) for at in range(0, size, 8))[:size]

    def _word(self, address: int) -> bytes:
        if address not in self._words:
            likely = [0x1000 + 4 * self._chance.randrange(PLACES)] * 6
            others = [None, 0, BOTTOM + 8 * self._chance.randrange(400), self._chance.getrandbits(64)]
            self._words[address] = self._chance.choice(likely + others)
        word = self._words[address]
        if word is None:
            raise MemoryFault(address, Access.READ)
        return word.to_bytes(8, "little")

    def space(self, _process: Any) -> World:
        return self

    def step(self, pc: int, after_call: int) -> Step:
        if (pc, after_call) not in self._steps:
            self._steps[pc, after_call] = self._make(pc, after_call)
        return self._steps[pc, after_call]

    def _make(self, pc: int, after_call: int) -> Step:
        chance, frame = self._chance, Frame(pc, f"f{after_call}")
        if chance.random() < 0.05:
            return Step(frame, None, chance.random() < 0.5)
        wheres = (Where.MEMORY, Where.MEMORY, Where.VALUE, Where.REGISTER, Where.UNDEFINED)
        saved = [self._saved(n, chance.choice(wheres)) for n in chance.sample(range(33), chance.randrange(5))]
        saved = [each for each in saved if each.register != 30] + [self._saved(30, Where.MEMORY)]
        base, offset = chance.choice((31, 31, 29, 7)), 16 * chance.randrange(-1, 6)
        expression = b"\x8f\x10" if chance.random() < 0.1 else b""  # SP + 16
        row = Row(base, offset, tuple(saved), 30, chance.random() < 0.1, expression)
        return Step(frame, row, pc < 0x1_0000)

    def _saved(self, register: int, where: Where) -> Saved:
        value = self._chance.randrange(33) if where is Where.REGISTER else -8 * self._chance.randrange(1, 12)
        return Saved(register, where, value)

    def stack(self, _task: Any, depth: int, pc: int | None = None) -> tuple[Frame, ...]:
        same = lambda _task, address, _sp: address  # noqa: E731
        return unwind(self, self, FRAME_RULES, depth, same, pc)  # type: ignore[arg-type]  # doubles of both


def counted_stacks(engine: Any, depth: int) -> tuple[int, int]:
    """A site whose hits are counted by stack, and the action that counts them."""
    program, key = pack_program([]), stack_field(depth)
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    action = engine.add_action(probe, COUNT, 0, 0, 0, key.pack(), NOTHING, b"", b"")
    engine.set_probe(probe, True, False, [action], [], b"", b"")
    return engine.add_site(0x1000, 0, [probe]), action


def native_stack(world: World, depth: int) -> tuple[Frame, ...]:
    """The same by the engine, as a key."""
    engine = _engine.Engine(MemoryFault, 1 << 21, pack_registers(FRAME_RULES.registers))
    double: Any = world
    stacks = NativeStacks(engine, double, lambda: double)
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"t"))
    site, action = counted_stacks(engine, depth)
    for _ in range(2):  # what is known already, and what has to be asked for
        engine.hit(site, world)
    _, _, ((_, packed, count, _, _),) = engine.take_action(action)
    assert count == 2
    stack: tuple[Frame, ...] = key_decoder([stack_field(depth)], stacks.frames)(packed)[0][0]
    return stack


@given(seed=st.integers(0, 1 << 32), depth=st.sampled_from([1, 2, 7, 1024]))
@settings(max_examples=400, deadline=None)
def test_both_walks_are_the_same(seed: int, depth: int) -> None:
    world = World(seed)
    expected = world.stack(world, depth)
    assert native_stack(world, depth) == expected
    assert 1 <= len(expected) <= depth


def test_walks_of_every_length_are_among_those() -> None:
    lengths = {len(World(seed).stack(None, 40)) for seed in range(400)}
    assert {1, 2, 3, 5, 7} <= lengths


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "step",
    [b"", b"\0" * 15, b"\0" * 16, b"\xff" * 16, b"\xff" * 64, None, 3],
    ids=lambda step: repr(step)[:8],
)
def test_what_is_no_step_is_no_stack(step: Any) -> None:
    engine = _engine.Engine(MemoryFault, 1 << 21, pack_registers(FRAME_RULES.registers))
    engine.set_stacks(lambda _pc, _call: step, lambda _pc, _depth: b"", [], 33, 31, (1 << 48) - 1)
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"t"))
    program, key = pack_program([]), stack_field(8)
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    action = engine.add_action(probe, COUNT, 0, 0, 0, key.pack(), NOTHING, b"", b"")
    engine.set_probe(probe, True, False, [action], [], b"", b"")
    engine.hit(engine.add_site(0x1000, 0, [probe]), World(1))
    _, _, ((_, packed, _, _, _),) = engine.take_action(action)
    assert key_decoder([key], [])(packed)[0] == (None,)


def test_places_beyond_what_is_told_apart_say_so_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uprobe_core.native.stacks._MOST_FRAMES", 2)
    world = next(w for w in map(World, range(400)) if len(set(w.stack(w, 40))) > 4)
    expected, found = world.stack(world, 40), native_stack(world, 40)
    assert len(found) == len(expected)
    assert {frame.name for frame in found if frame not in expected} == {"(one of more than 2 places)"}


class Deep:
    """A task whose callers have return addresses that no other stack has, as long as SP is another."""

    def __init__(self) -> None:
        self.sp = 0
        self.asked: list[int] = []
        self.task: Any = self
        self.process: Any = self

    def get_reg(self, index: int) -> int:
        return self.sp if index == FRAME_RULES.registers.sp else 0

    def read(self, address: int, size: int) -> bytes:
        return (0x10_0000 + address // 4).to_bytes(8, "little")[:size]

    def find(self, pc: int, _after_call: int) -> bytes:
        """A frame of 16 bytes whose return address is its last word."""
        self.asked.append(pc)
        step = struct.pack("<qIBBBB", 16, 1, FRAME_RULES.registers.sp, 30, 1, 3)
        return step + struct.pack("<qBB6x", -8, 30, Where.MEMORY)


@pytest.mark.slow
def test_what_is_known_of_places_is_forgotten_when_it_is_too_much() -> None:
    deep, depth, most = Deep(), 1024, 1 << 16
    engine = _engine.Engine(MemoryFault, 1 << 21, pack_registers(FRAME_RULES.registers))
    engine.set_stacks(deep.find, lambda _pc, _depth: b"", [Frame(0, "f")], 33, 31, (1 << 48) - 1)
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"t"))
    (site, action), walks = counted_stacks(engine, depth), most // depth + 2
    for walk in [*range(walks), walks - 1, 0]:
        deep.sp = walk * depth * 16
        engine.hit(site, deep)
        if walk == walks - 1:
            assert len(set(deep.asked)) > most
            known = len(deep.asked)
    assert known < len(deep.asked) <= known + depth
    ((_, packed, count, _, _),) = engine.take_action(action)[2]
    assert (count, len(packed)) == (walks + 2, 8 + 4 * depth)
