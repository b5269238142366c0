"""Counters by key, histograms and records of the native engine against plain Python, on a scripted task."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64 import Arm64Arch

from uprobe_core.actions import Hist
from uprobe_core.event_model import FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.events.fetch_types import TYPES
from uprobe_core.native.packing import FieldRef, key_decoder, pack_program, pack_registers
from uprobe_core.native.results import stat_values
from uprobe_core.types import MemoryFault

_engine = pytest.importorskip("uprobe_core.native._engine")

REGISTERS = Arm64Arch().architecture().registers
NOTHING = FieldRef(7, "u").pack()
RECORD, HIST, SUM, COUNT = 3, 2, 1, 0


class Task:
    """Registers only."""

    def __init__(self) -> None:
        self.x0 = self.x1 = 0
        self.task: Any = self
        self.process: Any = self

    def get_reg(self, index: int) -> int:
        return (self.x0, self.x1)[index] if index < 2 else index

    def read(self, address: int, size: int) -> bytes:
        raise AssertionError("no memory is read")


def argument(name: str, register: int, kind: FetchType) -> FetchArg:
    ops = (FetchOp(OpCode.REG, register), FetchOp(OpCode.ST_RAW, size=kind.size), FetchOp(OpCode.END))
    return FetchArg(name, f"%x{register}", kind, ops)


def engine_with(kind: str, *action: Any) -> tuple[Any, int, int]:
    """(engine, site, action) with arguments a=%x0 of type *kind* and b=%x1:u64."""
    engine = _engine.Engine(MemoryFault, 1 << 21, pack_registers(REGISTERS))
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"t"))
    program = pack_program([argument("a", 0, TYPES[kind]), argument("b", 1, TYPES["u64"])])
    assert program is not None
    probe = engine.add_probe(*program, struct.pack("<I", 0), 0, False)
    number = engine.add_action(probe, *action, b"", b"")
    engine.set_probe(probe, True, False, [number], [], b"", b"")
    return engine, engine.add_site(0x1000, 0, [probe]), number


def hit(engine: Any, site: int, task: Task, a: int, b: int = 0) -> None:
    task.x0, task.x1 = a % 2**64, b
    engine.hit(site, task)


numbers = st.lists(st.one_of(st.integers(0, 40), st.integers(-(2**63), 2**64 - 1)), max_size=300)


@settings(deadline=None)
@given(numbers)
def test_a_keyed_count_is_a_counter_in_order_of_first_sight(values: list[int]) -> None:
    key = FieldRef(0, "s", 0)
    engine, site, action = engine_with("s32", COUNT, 0, 0, 0, key.pack(), NOTHING)
    task = Task()
    for value in values:
        hit(engine, site, task, value)
    total, lost, entries = engine.take_action(action)
    decode = key_decoder([key], ())
    found = {decode(k)[0][0]: n for _, k, n, *_ in entries}
    expected = Counter(((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000 for value in values)
    assert (total, lost, found, list(found)) == (0, 0, dict(expected), list(expected))
    assert [order for order, *_ in entries] == sorted(order for order, *_ in entries)


@settings(deadline=None)
@given(
    numbers, st.sampled_from([("log2", 1), ("linear", 1), ("linear", 7), ("sub", 0), ("sub", 3), ("sub", 8)])
)
def test_buckets_are_those_of_the_reference(values: list[int], shape: tuple[str, int]) -> None:
    kind, parameter = shape
    code = ("log2", "linear", "sub").index(kind)
    engine, site, action = engine_with("s64", HIST, code, parameter, 0, b"", FieldRef(0, "s", 0).pack())
    task = Task()
    options: dict[str, Any] = {"log2": {}, "linear": {"step": parameter}, "sub": {"bits": parameter}}[kind]
    reference = Hist("a", kind, **options)
    expected: Counter[int] = Counter()
    for value in values:
        hit(engine, site, task, value)
        expected[reference.bucket(((value % 2**64) ^ 2**63) - 2**63)] += 1
    entries = engine.take_action(action)[2]
    assert {int.from_bytes(k, "little", signed=True): n for _, k, n, *_ in entries} == dict(expected)


@pytest.mark.parametrize("hits", [10, 60_000])
def test_a_full_ring_asks_for_a_drain_and_loses_nothing(hits: int) -> None:
    engine, site, _ = engine_with("u64", RECORD, 0, 0, 5, b"", NOTHING)
    seen: list[int] = []

    def drain() -> None:
        with memoryview(engine) as view:
            for at in range(0, len(view), 56):
                size, sink, who, _text, _time, pc, _function = struct.unpack_from("<IIIIQQQ", view, at)
                assert (size, sink, who, pc) == (56, 5, 0, 0x1000)
                seen.append(struct.unpack_from("<Q", view, at + 40)[0])
        engine.reset_ring()

    engine.set_drain(drain)
    task = Task()
    for value in range(hits):
        hit(engine, site, task, value)
    drain()
    assert seen == list(range(hits))
    assert engine.dropped == 0


def records_of(engine: Any) -> list[int]:
    """The first argument of each record in the ring."""
    with memoryview(engine) as view:
        return [struct.unpack_from("<Q", view, at + 40)[0] for at in range(0, len(view), 56)]


@pytest.mark.parametrize(("limit", "hits"), [(1, 5), (10, 25), (10, 7), (50_000, 200_000)])
def test_a_ring_with_a_limit_keeps_the_last_records_and_counts_the_others(limit: int, hits: int) -> None:
    engine, site, _ = engine_with("u64", RECORD, 0, 0, 0, b"", NOTHING)
    engine.keep_last(limit)
    task = Task()
    for value in range(hits):
        hit(engine, site, task, value)
    kept = min(limit, hits)
    assert (engine.records, engine.dropped) == (kept, hits - kept)
    assert records_of(engine) == list(range(hits - kept, hits))


def test_a_ring_that_nobody_drains_counts_what_does_not_fit() -> None:
    engine, site, _ = engine_with("u64", RECORD, 0, 0, 0, b"", NOTHING)
    task = Task()
    for value in range(60_000):
        hit(engine, site, task, value)
    assert engine.records + engine.dropped == 60_000
    assert records_of(engine) == list(range(engine.records))


def test_a_view_of_the_records_keeps_them() -> None:
    engine, site, _ = engine_with("u64", RECORD, 0, 0, 0, b"", NOTHING)
    hit(engine, site, Task(), 1)
    with memoryview(engine), pytest.raises(BufferError):
        engine.reset_ring()
    engine.reset_ring()
    assert engine.records == 0


@pytest.mark.parametrize("number", [-1, 7])
def test_numbers_that_name_nothing_are_refused(number: int) -> None:
    engine, _, _ = engine_with("u64", COUNT, 0, 0, 0, b"", NOTHING)
    for call in (engine.take_probe, engine.take_action, engine.run_task, engine.site_pointer):
        with pytest.raises(IndexError, match="has number"):
            call(number)


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_a_filter_of_random_bytes_is_refused_or_runs(tests: bytes, texts: bytes) -> None:
    engine, site, action = engine_with("u64", COUNT, 0, 0, 0, b"", NOTHING)
    try:
        engine.set_probe(0, True, False, [action], [], tests, texts)
    except ValueError:
        return
    hit(engine, site, Task(), 3)


# --- bounded maps -------------------------------------------------------------------------------------


def test_a_full_map_keeps_counting_its_keys_and_counts_the_hits_of_others_as_lost() -> None:
    engine, site, action = engine_with("u64", COUNT, 0, 0, 0, FieldRef(0, "u", 0).pack(), NOTHING)
    engine.limit_keys(action, 3)
    task = Task()
    for value in [5, 6, 7, 8, 9, 5, 8, 7]:
        hit(engine, site, task, value)
    _, lost, entries = engine.take_action(action)
    found = [(int.from_bytes(key, "little"), count) for _, key, count, *_ in entries]
    assert (found, lost) == ([(5, 2), (6, 1), (7, 2)], 3)


@pytest.mark.parametrize("of", ["number", "text"])
def test_no_key_is_lost_while_a_map_grows(of: str) -> None:
    """Sums of 3000 keys, each hit once in one order and once in the other."""
    key = FieldRef(0, "u", 0) if of == "number" else FieldRef(_engine.FIELD_COMM, "t")
    engine, site, action = engine_with("u64", SUM, 0, 0, 0, key.pack(), FieldRef(0, "u", 1).pack())
    order = [n * 7919 % 3001 for n in range(1, 3001)]
    task = Task()
    for value in [*order, *reversed(order)]:
        engine.set_task(0, 1, 1, 0, f"{value}".encode())
        hit(engine, site, task, value, 10 * value)
    _, lost, entries = engine.take_action(action)
    decode = key_decoder([key], ())
    found = [
        (int(decode(packed)[0][0]), count, stat_values(stat, False)) for _, packed, count, stat, _ in entries
    ]
    assert (found, lost) == ([(n, 2, (20 * n, 10 * n, 10 * n)) for n in order], 0)


def test_taking_results_makes_no_room_for_other_keys() -> None:
    engine, site, action = engine_with("u64", COUNT, 0, 0, 0, FieldRef(0, "u", 0).pack(), NOTHING)
    engine.limit_keys(action, 2)
    task = Task()
    for value in (1, 2):
        hit(engine, site, task, value)
    engine.take_action(action)
    for value in (3, 2):
        hit(engine, site, task, value)
    _, lost, entries = engine.take_action(action)
    assert [int.from_bytes(key, "little") for _, key, *_ in entries] == [2]
    assert lost == 1
