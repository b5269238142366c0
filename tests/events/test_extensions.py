"""Locations by name, and arguments that a kernel does not have; all off under policy=kernel."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from pathlib import Path

import pytest

from tests.events.support import (
    ANYWHERE,
    ARCH,
    KERNEL,
    REGISTERS,
    FakeHit,
    Registers,
    parse_one,
    refusal,
    vector,
)
from tests.programs import debian
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.lines import LineTable
from uprobe_core.errors import SpecError, TargetError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import compile_fetch
from uprobe_core.events.parse import Language
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.image.resolver import ImageResolver
from uprobe_core.image.usdt import markers, parse_operands
from uprobe_core.types import Policy

SOURCE = Path(__file__).parent / "sources" / "markers.c"


@lru_cache
def program() -> str:
    """The program with markers and line information."""
    return str(debian(f"aarch64-linux-gnu-gcc -O1 -g -static -no-pie -o markers {SOURCE}"))


def language(policy: Policy = ANYWHERE) -> Language:
    """The language with files of this machine."""
    resolver = ImageResolver(ARCH.architecture(), ARCH.marker_operand)
    return Language(policy, REGISTERS, vector, ARCH.register_hint, resolver=resolver)


def places(location: str, head: str = "p", rest: str = "") -> list[EventSpec]:
    """What ``PATH:location`` in the program defines."""
    specs = language().parse(f"{head} {program()}:{location} {rest}")
    return [spec for spec in specs if isinstance(spec, EventSpec)]


def error(location: str, rest: str = "") -> SpecError:
    with pytest.raises(SpecError) as caught:
        places(location, rest=rest)
    return caught.value


# --- where ------------------------------------------------------------------------------------------


def test_a_symbol_is_its_file_offset_and_names_the_event() -> None:
    (spec,) = places("work")
    image = ElfImage(program())
    assert (spec.offset, spec.name) == (image.offset_of("work"), "work")


def test_a_symbol_takes_an_offset() -> None:
    (spec,) = places("work+8")
    assert (spec.offset, spec.name) == (ElfImage(program()).offset_of("work") + 8, "work_0x8")


def test_return_and_semaphore_follow_the_symbol() -> None:
    (spec,) = places("work%return(0x10)")
    assert (spec.kind, spec.ref) == ("r", 0x10)


def test_a_glob_gives_one_location_for_each_function() -> None:
    assert {spec.name for spec in places("wor[k]*")} >= {"work"}
    assert len(places("mem*")) > 1


def test_a_virtual_address_is_the_files_own() -> None:
    found = ElfImage(program()).find("work")
    assert found is not None
    (spec,) = places(f"*+{found.vaddr:#x}")
    assert spec.offset == found.offset


def test_a_source_line_is_every_stretch_of_its_code() -> None:
    line = SOURCE.read_text().splitlines().index("\t\ts += work(n);\t/* the line */") + 1
    specs = places(f"markers.c:{line}")
    assert {spec.name for spec in specs} == {f"markers_{line}"}
    image = ElfImage(program())
    table = LineTable(DebugInfo(image))
    for spec in specs:
        address = image.offset_to_vaddr(spec.offset)
        assert address is not None
        assert (str(SOURCE), line) in {
            (name, at) for name, at, a in table.statements("markers.c") if a == address
        }


def test_a_source_file_may_be_named_with_its_folder() -> None:
    assert places("sources/markers.c:28")[0].offset == ElfImage(program()).offset_of("work")


def test_a_line_behind_the_last_one_says_which_that_is() -> None:
    assert error("markers.c:999").hint == "the nearest lines of markers.c with code: 44"


def test_a_program_without_line_information_says_how_to_get_it(tmp_path: Path) -> None:
    bare = debian("aarch64-linux-gnu-gcc -O1 -g0 -static -no-pie -pthread -o loops cases/loops.c")
    with pytest.raises(SpecError) as caught:
        language().parse(f"p {bare}:loops.c:3")
    assert "compile with -g" in caught.value.hint


def test_a_marker_brings_its_place_arguments_and_semaphore() -> None:
    (spec,) = places("sdt:demo:plain")
    guard = ElfImage(program()).find_object("guard")
    assert guard is not None
    assert (spec.name, spec.ref) == ("demo_plain", guard.offset)
    assert [arg.text for arg in spec.args] == [
        "%x3:u64",
        "%x6:s32",
        "+16(%x4):u64",
        "+0($sum(%x4,%x5,lsl,0)):u64",
        "\\7:u32",
        "+0($sum(%x4,%x5,uxtw,1)):u64",
    ]


def test_an_operand_that_cannot_be_fetched_disables_that_argument_only() -> None:
    (spec,) = places("sdt:demo:odd")
    assert [(arg.name, arg.text) for arg in spec.args] == [("arg1", "+8(%x4):u64"), ("arg3", "+0(%x4):u64")]
    marker = markers(ElfImage(program()), ARCH.marker_operand)[1]
    problems = [argument.problem for argument in marker.arguments]
    assert problems == ["", "no type of 16 bytes", ""]


def test_own_arguments_replace_a_markers() -> None:
    (spec,) = places("sdt:demo:plain", rest="mine=%x3")
    assert [arg.name for arg in spec.args] == ["mine"]


def test_at_a_marker_the_arguments_are_the_markers() -> None:
    """``$argN`` is what the note describes, not the register of a function's argument N."""
    (spec,) = places("sdt:demo:plain", rest="a=$arg1 $arg2 b=$arg2:u8 s=+0($arg1):string")
    found = [(arg.name, arg.text) for arg in spec.args]
    assert found == [("a", "%x3:u64"), ("arg2", "%x6:s32"), ("b", "%x6:u8"), ("s", "+0(%x3):string")]


def test_an_argument_that_a_marker_does_not_have_is_refused() -> None:
    refusal = error("sdt:demo:odd", "a=$arg2")
    assert "$arg2 is no argument of this marker" in str(refusal)
    assert refusal.hint == "it has arg1, arg3"


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("wrok", "did you mean work"),
        ("sdt:demo:plian", "did you mean demo:plain?"),
        ("sdt:x:y", "markers: demo:odd demo:plain"),
        ("marker.c:30", "did you mean"),
        ("work+0x1000", "sizes"),
        ("zz*", "uprobe list"),
    ],
)
def test_a_place_that_is_not_there_gets_a_hint(location: str, hint: str) -> None:
    assert hint in error(location).hint


@pytest.mark.parametrize("location", ["work", "wor*", "markers.c:30", "sdt:demo:plain", "*+0x4006d4"])
def test_the_kernels_policy_refuses_locations_by_name(location: str) -> None:
    with pytest.raises(SpecError):
        language(KERNEL).parse(f"p {program()}:{location}")


# --- operands of markers, as asked for in public issue trackers --------------------------------------


@pytest.mark.parametrize(
    ("operand", "text"),
    [
        ("8@x0", "%x0:u64"),
        ("-4@w1", "%x1:s32"),
        ("8@sp", "%sp:u64"),
        ("-4@[sp, 8]", "+8(%sp):s32"),
        ("-8@[x29, -16]", "-16(%x29):s64"),
        ("8@[sp,#24]", "+24(%sp):u64"),
        ("4@[x0,x1]", "+0($sum(%x0,%x1,lsl,0)):u32"),
        ("8@[x0, x1, lsl 3]", "+0($sum(%x0,%x1,lsl,3)):u64"),
        ("8@[x0, w1, sxtw #2]", "+0($sum(%x0,%x1,sxtw,2)):u64"),
        ("8@[x21, #:lo12:table]", "+291(%x21):u64"),
        ("8@[x21, :lo12:table+8]", "+299(%x21):u64"),
        ("8f@d0", "%d0:f64"),
        ("4f@s3", "%s3:f32"),
        ("8f@[sp, 16]", "+16(%sp):f64"),
        ("4@-1", "\\-1:u32"),
        ("4@#5", "\\5:u32"),
        ("1@0x41", "\\0x41:u8"),
        ("4@wzr", "\\0:u32"),
    ],
)
def test_a_marker_operand_becomes_a_fetch_argument(operand: str, text: str) -> None:
    (argument,) = parse_operands(
        operand, ARCH.marker_operand, lambda symbol: 0x123 if symbol == "table" else None
    )
    assert argument.text == text
    assert parse_one(f"p:x /root/loops:0x6d4 a={argument.text}", ANYWHERE).args[0].text == text


@pytest.mark.parametrize(
    ("operand", "problem"),
    [("8@[x21, #:lo12:.LANCHOR2]", ".LANCHOR2"), ("16@x0", "16 bytes"), ("8@[x0, x1, x2]", "[x0, x1, x2]")],
)
def test_an_unknown_operand_says_why(operand: str, problem: str) -> None:
    (argument,) = parse_operands(operand, ARCH.marker_operand)
    assert argument.text == ""
    assert problem in argument.problem


# --- what -------------------------------------------------------------------------------------------


def fetch(argument: str, hit: FakeHit, head: str = "p") -> object:
    """The value of one argument at *hit*."""
    (value,) = compile_fetch(parse_one(f"{head}:x /root/loops:0x6d4 a={argument}", ANYWHERE).args).run(hit)
    return value


def test_argument_numbers_are_the_calling_conventions() -> None:
    hit = FakeHit(Registers({0: 10, 7: 17, 31: 0x1000}), {0x1000: struct.pack("<QQ", 90, 100)})
    assert [fetch(f"$arg{n}:u64", hit) for n in (1, 8, 9, 10)] == [10, 17, 90, 100]


def test_argument_numbers_of_a_return_are_captured_at_entry() -> None:
    spec = parse_one("r:x /root/loops:0x6d4 a=$arg2:s32 b=$entry(+8(%x0)) c=$arg2", ANYWHERE)
    assert [arg.text for arg in spec.entry_args] == ["$arg2", "+8(%x0)"]
    hit = FakeHit()
    hit.entry_values = (0xFFFFFFFF, 7)
    assert compile_fetch(spec.args).run(hit) == (-1, 7, 0xFFFFFFFF)


def test_a_string_can_be_captured_at_entry() -> None:
    spec = parse_one("r:x /root/loops:0x6d4 s=$entry(+0(%x0)):string", ANYWHERE)
    hit = FakeHit(Registers({0: 0x1000}), {0x1000: b"before\0"})
    hit.entry_values = compile_fetch(spec.entry_args).run(hit)
    hit.process.ranges = {0x1000: b"after\0"}
    assert compile_fetch(spec.args).run(hit) == ("before",)


def test_latency_is_nanoseconds_since_entry() -> None:
    hit = FakeHit()
    hit.latency_ns = 12345
    assert fetch("$latency", hit, "r") == 12345


def test_insns_are_instructions_since_entry() -> None:
    hit = FakeHit()
    hit.insns = 70_008
    assert fetch("$insns", hit, "r") == 70_008


@pytest.mark.parametrize(("argument", "value"), [("%d1", 1.5), ("%d1:f64", 1.5), ("%s2:f32", -0.25)])
def test_floating_point_registers_print_as_numbers(argument: str, value: float) -> None:
    bits = {
        1: struct.unpack("<Q", struct.pack("<d", 1.5))[0],
        2: struct.unpack("<I", struct.pack("<f", -0.25))[0],
    }
    found = fetch(argument, FakeHit(Registers(vectors=bits)))
    assert isinstance(found, float)
    assert math.isclose(found, value)


def test_a_sum_of_registers_wraps_and_extends() -> None:
    hit = FakeHit(Registers({0: 0x1000, 1: 0xFFFF_FFFF_FFFF_FFFF}))
    assert fetch("$sum(%x0,%x1)", hit) == 0xFFF
    assert fetch("$sum(%x0,%x1,uxtw,1)", hit) == 0x1000 + (0xFFFF_FFFF << 1)
    assert fetch("$sum(%x0,%x1,sxtw,3)", hit) == 0x1000 - 8


@pytest.mark.parametrize("argument", ["$latency", "$insns", "$entry(%x0)"])
def test_entry_values_belong_to_return_events(argument: str) -> None:
    assert refusal(f"p:x /root/loops:0x6d4 {argument}", ANYWHERE).message == "Invalid $-variable specified"


@pytest.mark.parametrize(
    "argument", ["$arg1", "$latency", "$insns", "$entry(%x0)", "@main", "%d0", "%x0:f64", "$sum(%x0,%x1)"]
)
def test_the_kernels_policy_refuses_our_arguments(argument: str) -> None:
    refusal(f"r:x /root/loops:0x6d4 {argument}", KERNEL)


# --- files that are no program ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "(it is empty)"),
        (b"#!/bin/sh\n", "a script for /bin/sh"),
        (b"\x7fELF", "truncated"),
        (b"MZ" + b"\0" * 80, "a Windows program"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HH", 2, 62) + b"\0" * 60, "is for x86-64"),
        (b"\x7fELF\x01\x01\x01" + b"\0" * 9 + struct.pack("<HH", 2, 40) + b"\0" * 60, "is for Arm (32 bit)"),
    ],
)
def test_a_file_that_is_no_arm64_program_says_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(TargetError) as caught:
        ElfImage(file, ARCH.architecture())
    assert message in caught.value.message


def test_a_truncated_program_says_where_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(Path(program()).read_bytes()[:100_000])
    with pytest.raises(TargetError) as caught:
        ElfImage(file).functions()
    assert "truncated" in caught.value.message
