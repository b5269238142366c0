"""Filters that the stub decides: agent expressions as this machine's gdbserver evaluates them."""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from uprobe_gdbremote.bytecode import Inexpressible, compile_conditions
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.conditions import _more
from uprobe_gdbremote.registers import SP
from uprobe_gdbremote.stops import parse_stop

from tests.events.support import ANYWHERE, FakeHit, Registers, parse_one
from uprobe_core.event_model import Condition
from uprobe_core.events.fetch_run import compile_fetch, run_fetch
from uprobe_core.events.filters import parse_filter
from uprobe_core.tracing.event import Event, EventProbe
from uprobe_core.tracing.target_filters import condition_of

RDI, RSI, RSP, RIP = 5, 4, 7, 16
NUMBERS = {0: RDI, 1: RSI, SP: RSP}
"""Which registers of this machine stand for x0, x1 and sp."""
LOOP = bytes.fromhex("48ffc7 90 ebfa")
"""inc %rdi; nop; jmp to the start"""
COUNTER = 0x123


def event(args: str, text: str) -> tuple[Condition | None, Any]:
    """The condition of an event with *args* and a filter, and what says the same of a hit."""
    spec = parse_one(f"p:e /bin/a:0x6d4 {args}", ANYWHERE)
    parsed = parse_filter(text, spec)
    made = Event(spec, lambda *_: None)
    made.filter_ops = parsed.ops

    def holds(hit: FakeHit) -> bool:
        hit.values = run_fetch(compile_fetch(spec.args), hit)
        return parsed.test(hit)

    return condition_of(EventProbe(spec, made)), holds


class Looping:
    """A program under gdbserver that is made to run LOOP, with memory at *data*."""

    def __init__(self, client: Client) -> None:
        client.greet()
        self.client = client
        client.features["PacketSize"] = "4000"
        self.start = self.register(RIP)
        assert client.write(self.start, LOOP)
        auxv = client.object("auxv") or b""
        self.data = next(value for tag, value in struct.iter_unpack("<QQ", auxv) if tag == 25)
        self.memory = struct.pack("<QqIHbB", self.data, -2, 0x80000001, 0x3412, -1, 7) + b"\0" * 40
        assert client.write(self.data, self.memory)
        for asked in (b"QTinit", b"QTStart", b"QTStop", b"QTDV:%x:0:0:75" % COUNTER):
            client.do(asked)

    def block(self) -> bytearray:
        """All registers."""
        return bytearray.fromhex(self.client.ask(b"g").replace(b"x", b"0").decode())

    def register(self, number: int) -> int:
        """One of them."""
        return int(struct.unpack_from("<Q", self.block(), 8 * number)[0])

    def run(self, condition: Condition | None, rdi: int) -> tuple[int, int]:
        """What %rdi is at the first hit that is told of, from *rdi* on, and how often that was decided."""
        assert condition is not None
        more = _more(compile_conditions([condition], COUNTER, NUMBERS, SP))
        self.client.insert(self.start + 3, 1, more=more)
        block = self.block()
        for number, value in ((RDI, rdi), (RSI, self.data), (RIP, self.start)):
            struct.pack_into("<Q", block, 8 * number, value % (1 << 64))
        self.client.do(b"G" + block.hex().encode())
        before = self.evaluations()
        assert parse_stop(self.client.channel.ask(b"vCont;c")).signal == 5
        self.client.remove(self.start + 3, 1)
        return self.register(RDI), self.evaluations() - before

    def evaluations(self) -> int:
        """How often there was something to decide."""
        return int(self.client.ask(b"qTV:%x" % COUNTER)[1:], 16)


@pytest.fixture
def looping(client: Client) -> Iterator[Looping]:
    """Such a program; skips where it would have to be another loop."""
    if platform.machine() != "x86_64":
        pytest.skip("the loop is x86-64's")
    made = Looping(client)
    yield made
    client.channel.send(b"k")


TRIALS = [
    ("a=%x0", "a == 5", 0),
    ("a=%x0", "a >= 0x8000000000000000", (1 << 63) - 4),
    ("a=%x0:s64", "a > -3 && a <= 0", -9),
    ("a=%x0:s8", "a < 0", 125),
    ("a=%x0:u8", "a < 3", 250),
    ("a=%x0:x16", "!(a != 0xffff) || a == 9", 0xFFFD),
    ("a=%x0 b=%x1", "a & 4 && b != 0", 9),
    ("a=%x0:b3@2/8", "a == 6", 2),
    ("a=%x0 m=+20(%x1):u16", "m == 0x3412 && (a == 4 || a == 6) && a > 4", 0),
    ("a=%x0 m=+8(+0(%x1)):s64", "a > 3 && m == -2", 0),
    ("a=%x0 m=+16(%x1):s32 n=+22(%x1):s8", "m < 0 && n == -1 && a > 8", 5),
    ("a=%x0 w=$stack0", "w < 99 && a > 2", 0),
    ("a=%x0 i=$stack", "(a == 3 && i == 0) || a == 7", 0),
    ("a=%x0 s=$sum(%x1,%x0,sxtw,3)", "s & 0x40 && a > 1", -8),
    ("a=%x0 s=$sum(%x1,%x0,lsl,1):u32", "a == 7 || s == 1", 0),
]


def test_the_stub_decides_as_the_filter_does(looping: Looping) -> None:
    """And decides twice for each hit that it does not tell of, once for the one that it tells of."""
    client = looping.client
    rsp = looping.register(RSP)
    memory = {looping.data: looping.memory, rsp: client.read(rsp, 8)}
    for args, text, start in TRIALS:
        condition, holds = event(args, text)
        hits = [
            (start + n) % (1 << 64)
            for n in range(1, 40)
            if holds(FakeHit(Registers({0: start + n, 1: looping.data, SP: rsp}), memory))
        ]
        found, evaluations = looping.run(condition, start)
        assert found == hits[0], (args, text)
        assert evaluations == 2 * ((found - start) % (1 << 64) - 1) + 1, (args, text)


def test_a_hit_whose_memory_cannot_be_read_is_told_of(looping: Looping) -> None:
    condition, _ = event("a=+0(%x0)", "a == 1")
    assert looping.run(condition, 0) == (1, 1)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ("a=+0(%x0):string", 'a == "x"'),
        ("a=+0(%x0):u8[4]", "a == 1"),
        ("a=%x0", 'a == 1 && comm == "x"'),
        ("a=%x0", "common_pid == 4"),
        ("d=%d0", "d > 1.5"),
    ],
)
def test_what_is_no_number_of_the_event_is_decided_here(args: str, text: str) -> None:
    assert event(args, text)[0] is None


def test_what_the_stub_does_not_have_is_said() -> None:
    condition, _ = event("v=%d0:x64", "v == 1")
    assert condition is not None
    with pytest.raises(Inexpressible, match="vreg"):
        compile_conditions([condition], COUNTER, NUMBERS, SP)
