"""Both engines fetch the same values, whatever registers, memory and programs there are."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64 import Arm64Arch

from uprobe_core.architecture import Registers
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import compile_fetch
from uprobe_core.events.parse import Language
from uprobe_core.native.packing import pack_program, pack_registers, value_decoder
from uprobe_core.testing import toy_arch
from uprobe_core.types import Access, MemoryFault, Policy

_engine = pytest.importorskip("uprobe_core.native._engine")

ARM64, TOY = Arm64Arch().architecture().registers, toy_arch.REGISTERS
MASK = (1 << 64) - 1
PAGE = 4096


class Machine:
    """Registers and a few pages: task, process and hit in one."""

    def __init__(
        self,
        values: list[int],
        pages: dict[int, bytes],
        vectors: int = 0,
        comm: str = "loop",
        registers: Registers = ARM64,
    ) -> None:
        self.registers = registers
        self.values = values
        self.pages = pages
        self.vectors = vectors
        self.comm = comm
        self.address, self.probe_offset = 0x401000, 0x1000
        self.entry_values: tuple[Any, ...] = ()
        self.latency_ns = self.insns = self.jumps = 0
        self.task: Any = self
        self.process: Any = self

    def get_reg(self, index: int) -> int:
        return self.values[index] & self.registers.mask

    def get_vec(self, index: int) -> int:
        return self.vectors * (index + 1) & (1 << 128) - 1

    def read(self, address: int, size: int) -> bytes:
        found = b""
        while len(found) < size:
            at = address + len(found)
            page = self.pages.get(at & -PAGE)
            if page is None:
                raise MemoryFault(at, Access.READ)
            found += page[at % PAGE : at % PAGE + size - len(found)]
        return found


LANGUAGES = {registers: Language(Policy(), registers) for registers in (ARM64, TOY)}

NAMES = ["a0", "a1", "a2", "a3", "s0", "s1", "s2"]
"""Registers of the toy; its PC is register 0, its words have four bytes."""

ARGS = [
    "%x0", "%x1:u64", "%x2:s32", "%x3:x8", "%x4:s8", "%x5:u16", "%x6:char", "%sp", "%pc:x64",
    "$stack", "$stack0:s64", "$stack3", "$arg1:u32", "+0(%x0)", "+8(%x1):s16", "-4(%x2):u32",
    "+0(+8(%x3)):x64", "+0(%x0):string", "+16(%x4):string", "+0(+0(%x5)):string", "+0(%x1):u8[8]",
    "+2(%x0):s16[5]", "+0(%x2):x64[3]", "%x0:b4@2/32", "+0(%x1):b5@3/16", "$comm", "\\\\1234",
    "@0x10010:u32", "+0(%x6):ustring", "+0(%x3):string[3]", "+0(+0(%x0)):char", "\\\\-1:s64",
    "\\\\0x10000:string[3]", "\\\\5:string[2]",
    "%v0:f64", "%x2:f32", "+0(%x1):f64", "+0(%x2):f32[3]",
]  # fmt: skip


def event(arguments: list[str], registers: Registers = ARM64) -> EventSpec:
    """An event with *arguments*; where registers are others, the first ones stand for x0, x1 ..."""
    if registers is TOY:
        arguments = [re.sub(r"%x(\d)", lambda m: f"%{NAMES[int(m[1])]}", text) for text in arguments]
    line = "p:work /bin/true:0x1000 " + " ".join(f"a{i}={a}" for i, a in enumerate(arguments))
    spec = LANGUAGES[registers].parse(line)[0]
    assert isinstance(spec, EventSpec)
    return spec


def both(spec: EventSpec, machine: Machine) -> tuple[object, object]:
    reference = compile_fetch(spec.args).run(machine)
    packed = pack_program(spec.args)
    assert packed is not None
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(machine.registers))
    comm = machine.comm.encode()
    engine.run_task(engine.set_task(-1, 1, 1, 0, comm))
    place = (machine.address, machine.probe_offset)
    cells, text = engine.fetch(*packed, machine, *place, machine.latency_ns, machine.insns)
    size, decode = value_decoder(spec.args)
    assert len(cells) == size
    return reference, decode(cells + text, 0, len(cells))


def usable(argument: str) -> bool:
    try:
        event([argument])
    except SpecError:
        return False
    return True


def test_the_arguments_of_these_tests_are_understood() -> None:
    assert len([a for a in ARGS if usable(a)]) >= 30


pages = st.dictionaries(
    st.sampled_from([0x10000, 0x11000, 0x13000, 0x20000]),
    st.one_of(
        st.binary(min_size=16, max_size=64).map(lambda seed: (seed * 300)[:PAGE]),
        st.just(b"a" * PAGE),
        st.just(bytes(PAGE)),
        st.just((b"word\0" * 900)[:PAGE]),
        st.just(b"".join((0x10000 + 24 * i).to_bytes(8, "little") for i in range(PAGE // 8))),
    ),
    max_size=4,
)
pointer = st.one_of(
    st.integers(0, MASK),
    st.sampled_from(
        [0x10000, 0x10010, 0x10FF0, 0x10FFC, 0x11FFD, 0x11FFF, 0x12FFF, 0x13008, 0x20000, 0, MASK]
    ),
    st.integers(0x10000, 0x14000),
)


@settings(max_examples=400, deadline=None)
@given(
    arguments=st.lists(st.sampled_from([a for a in ARGS if usable(a)]), min_size=1, max_size=6),
    registers=st.lists(pointer, min_size=34, max_size=34),
    memory=pages,
    vectors=st.integers(0, (1 << 128) - 1),
    comm=st.sampled_from(["loop", "a", "fifteen-chars-x"]),
    numbers=st.sampled_from([ARM64, TOY]),
)
def test_the_native_engine_fetches_what_the_reference_fetches(
    arguments: list[str],
    registers: list[int],
    memory: dict[int, bytes],
    vectors: int,
    comm: str,
    numbers: Registers,
) -> None:
    try:
        spec = event(arguments, numbers)
    except SpecError:
        return
    reference, native = both(spec, Machine(registers, memory, vectors, comm, numbers))
    assert repr(native) == repr(reference)


def test_an_exception_that_is_no_memory_fault_comes_out() -> None:
    class Broken(Machine):
        def get_reg(self, index: int) -> int:
            raise RuntimeError("no registers")

    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(ARM64))
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"x"))
    packed = pack_program(event(["%x0"]).args)
    assert packed is not None
    with pytest.raises(RuntimeError, match="no registers"):
        engine.fetch(*packed, Broken([], {}), 0, 0, 0, 0)


@given(data=st.binary(max_size=80))
def test_a_program_of_random_bytes_is_refused_or_runs(data: bytes) -> None:
    engine = _engine.Engine(MemoryFault, 1 << 20, pack_registers(ARM64))
    engine.run_task(engine.set_task(-1, 1, 1, 0, b"x"))
    machine = Machine([0x10000] * 34, {0x10000: bytes(PAGE)})
    with contextlib.suppress(ValueError):
        engine.fetch(data, 4096, machine, 0, 0, 0, 0)
