"""Fetch programs: values, faults and strings as recorded runs show them (Linux 6.12, arm64)."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.events.support import KERNEL, FakeHit, Registers, parse_one
from uprobe_core.event_model import MAX_OPS, OP_FORMAT, FetchOp, OpCode
from uprobe_core.events.explain import explain
from uprobe_core.events.fetch_run import compile_fetch

PAGE = 4096


def values(arguments: str, hit: FakeHit, head: str = "p") -> tuple[Any, ...]:
    """What *arguments* fetch at *hit*."""
    return compile_fetch(parse_one(f"{head}:x /root/loops:0x6d4 {arguments}", KERNEL).args).run(hit)


def value(argument: str, hit: FakeHit) -> Any:
    (found,) = values(argument, hit)
    return found


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("%x1", 0xFFFF_FFFF_FFFF_FF85),
        ("%x1:u8", 0x85),
        ("%x1:s8", -0x7B),
        ("%x1:u16", 0xFF85),
        ("%x1:s16", -0x7B),
        ("%x1:u32", 0xFFFF_FF85),
        ("%x1:s32", -0x7B),
        ("%x1:s64", -0x7B),
        ("%x1:x8", 0x85),
        ("%x1:char", 0x85),
        ("%x1:b4@0/8", 0x5),
        ("%x1:b4@4/8", 0x8),
        ("%x1:b1@63/64", 1),
        ("%x1:b3@61/64", 7),
        ("%sp", 0x1000),
        ("$stack", 0x1000),
        ("%lr", 0x400778),
        ("%pc", 0x4006D4),
        ("\\-1", 0xFFFF_FFFF_FFFF_FFFF),
        ("\\70000:s16", 4464),
        ("@+0x6d4:x32", 0xD42000A0),
    ],
)
def test_a_number_is_cut_to_its_type(argument: str, expected: int) -> None:
    registers = Registers({1: 0xFFFF_FFFF_FFFF_FF85, 30: 0x400778, 31: 0x1000, 32: 0x4006D4})
    hit = FakeHit(registers, {0x400000: b"\0" * 0x6D4 + bytes.fromhex("a00020d4")})
    assert value(argument, hit) == expected


def test_memory_is_reached_through_any_number_of_pointers() -> None:
    memory = {
        0x1000: struct.pack("<QQ", 0x2000, 7),
        0x2000: struct.pack("<Qq", 0x3000, -2),
        0x3000: b"deep\0",
    }
    hit = FakeHit(Registers({0: 0x1000, 1: 0x1010}), memory)
    found = values("+8(%x0) +8(+0(%x0)):s64 -8(%x1):u8 +0(+0(+0(%x0))):string +u8(+u0(%x0)):s64", hit)
    assert found == (7, -2, 7, "deep", -2)


def test_stack_slots_are_eight_bytes_apart_and_zero_when_unreadable() -> None:
    hit = FakeHit(Registers({31: 0x1000}), {0x1000: struct.pack("<QQ", 11, 22)})
    assert values("$stack0 $stack1 $stack2", hit) == (11, 22, 0)


def test_an_unreadable_number_is_zero() -> None:
    assert values("@0x10:u32 @0xffff800000000000 +0(%x0):s64", FakeHit()) == (0, 0, 0)


def test_a_number_over_the_end_of_its_mapping_is_its_first_byte() -> None:
    hit = FakeHit(Registers({0: 0x1000 + PAGE - 6}), {0x1000: b"z" * PAGE})
    assert values("+0(%x0):u8 +0(%x0):s32 +0(%x0) +4(%x0):u16 +5(%x0):u16 +6(%x0):u8", hit) == (
        (122, 2054847098, 0x7A, 0x7A7A, 0x7A, 0)
    )


def test_an_array_is_as_many_elements_each_with_its_own_fault() -> None:
    hit = FakeHit(Registers({0: 0x1000}), {0x1000: struct.pack("<4h", -1, 2, -3, 4)})
    assert value("+0(%x0):s16[6]", hit) == (-1, 2, -3, 4, 0, 0)
    assert value("+0(%x0):b4@0/8[2]", hit) == (15, 15)
    assert value("+0(%x0):u8[1]", hit) == (255,)


def test_an_array_of_strings_is_read_through_pointers() -> None:
    memory = {0x1000: struct.pack("<4Q", 0x2000, 0x2006, 0, 0x200B), 0x2000: b"alpha\0beta\0\0"}
    hit = FakeHit(Registers({0: 0x1000}), memory)
    assert value("+0(%x0):string[4]", hit) == ("alpha", "beta", None, "")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hello\0", "hello"),
        (b"\0", ""),
        (b'tab\tnl\nq"bs\\ \x01 \xc3\xa9 end\0', 'tab\tnl\nq"bs\\ \x01 é end'),
        (b"A" * 599 + b"\0", "A" * 599),
        (b"\xff\xfe\0", "\udcff\udcfe"),
        (b"no end", None),
        (b"", None),
        (b"x" * 4000 + b"\0", "x" * 4000),
        (b"x" * 5000 + b"\0", None),
    ],
)
def test_a_string_is_its_bytes_or_a_fault(data: bytes, expected: str | None) -> None:
    assert value("+0(%x0):string", FakeHit(Registers({0: 0x1000}), {0x1000: data})) == expected


def test_a_string_that_crosses_a_page_is_whole() -> None:
    hit = FakeHit(Registers({0: 0x1000 + PAGE - 3}), {0x1000: b"x" * PAGE + b"yz\0"})
    assert value("+0(%x0):string", hit) == "xxxyz"


def test_the_task_name_is_a_string_and_an_immediate_string_a_fault() -> None:
    assert values('$comm c=$COMM \\"text" \\5:string', FakeHit()) == ("prog", "prog", None, None)


def test_a_string_behind_an_unreadable_pointer_shows_the_next_one() -> None:
    """As recorded in structs-nested: the location is set before the pointer is followed."""
    memory = {0x1000: struct.pack("<QQ", 0, 0x2000), 0x2000: b"two\0"}
    hit = FakeHit(Registers({0: 0x1000}), memory)
    found = values("ns=+0(+72(+0(%x0))):string s=+0(+8(%x0)):string s2=+0(+0(%x0)):string", hit)
    assert found == ("two", "two", None)


def test_strings_beyond_a_page_are_cut() -> None:
    hit = FakeHit(Registers({0: 0x1000}), {0x1000: b"x" * 3000 + b"\0"})
    first, second = values("+0(%x0):string +0(%x0):string", hit)
    assert first == "x" * 3000
    assert second == "x" * (4096 - 8 - 3001 - 1)


def test_explain_prints_the_operations() -> None:
    spec = parse_one(
        "p:x /root/loops:0x6d4 a=+8(%x1):string b=%x0:b4@4/8 c=+0(+u-8($stack2)):u16[3] d=@+16", KERNEL
    )
    assert explain(spec)[1:] == [
        "#  a: REG(1) -> ST_STRING(offset=8,size=4) -> END",
        "#  b: REG(0) -> ST_RAW(size=1) -> MOD_BF(lshift=0,rshift=4,size=1) -> END",
        "#  c: STACK(2) -> UDEREF(offset=-8) -> ST_MEM(offset=0,size=2) -> LP_ARRAY(3) -> END",
        "#  d: FOFFS(0x10) -> ST_MEM(offset=0,size=8) -> END",
    ]


def test_the_deepest_nesting_fits_the_operations_of_one_argument() -> None:
    spec = parse_one("p:x /root/loops:0x6d4 " + "+0(" * 12 + "%x0" + ")" * 12, KERNEL)
    assert len(spec.args[0].ops) == 14 <= MAX_OPS


def test_an_operation_packs_into_sixteen_bytes() -> None:
    op = FetchOp(OpCode.IMM, 0xFFFF_FFFF_FFFF_FFFE, size=8, lshift=3, rshift=4)
    assert OP_FORMAT.unpack(op.pack()) == (OpCode.IMM, 8, 3, 4, 0, -2)
    assert OP_FORMAT.size == 16
