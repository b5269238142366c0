"""A file that lies about its frames gives a short stack or another one: never a crash, never a hang."""

from __future__ import annotations

import random
import time
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uprobe_arm64.frames import FRAME_RULES

import uprobe_core as up
from tests.programs import zig
from tests.stacks.sections import cie, fde, image_with
from uprobe_core.image.elf import ElfFile
from uprobe_core.stacks.cfi import CallFrames
from uprobe_core.stacks.expressions import evaluate
from uprobe_core.types import MemoryFault

UNWIND_SECTIONS = (".eh_frame", ".eh_frame_hdr")
QUICK = 2.0
"""Seconds that looking at one file may take, on a machine that does other things as well."""


@lru_cache
def program() -> Path:
    return zig("chains.c")


@lru_cache
def spans() -> tuple[tuple[int, int], ...]:
    """[start, end) in the file of what is damaged."""
    with ElfFile(program()) as elf:
        found = [elf.section(name) for name in UNWIND_SECTIONS]
        return tuple((s.offset, s.offset + s.size) for s in found if s is not None)


def damaged(seed: int, folder: Path) -> Path:
    """The program with a few bytes of its unwind information changed."""
    chance, data = random.Random(seed), bytearray(program().read_bytes())
    for _ in range(chance.choice((1, 3, 40, 1000))):
        start, end = chance.choice(spans())
        data[chance.randrange(start, end)] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    target = folder / f"damaged_{seed}"
    target.write_bytes(data)
    target.chmod(0o755)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_every_address_of_a_damaged_file_has_a_row_or_none(seed: int, folder: Path) -> None:
    path = damaged(seed, folder)
    start = time.process_time()
    with ElfFile(path) as elf:
        frames = CallFrames(elf, FRAME_RULES)
        code = next(s for s in elf.segments if s.flags & 1)
        for vaddr in range(code.vaddr, code.vaddr + code.memory_size, 64):
            row = frames.row_at(vaddr)
            assert row is None or (row.pc_from < FRAME_RULES.count and len(row.saved) <= FRAME_RULES.count)
    path.unlink()
    assert time.process_time() - start < QUICK


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 40))]
)
def test_both_engines_find_the_same_stacks_in_a_damaged_program(seed: int, folder: Path) -> None:
    path = damaged(seed, folder)
    results = []
    for engine in ("py", "c"):
        with up.Session([str(path)], output="/dev/null", engine=engine, timeout=60) as session:
            count = session.probe(f"p:probe {path}:seen", up.Stacks(1024))
            session.run()
        results.append(count.result())
    assert results[0] == results[1]
    assert sum(results[0].values()) > 5


SAME, TO_END = b"", 1 << 20


@pytest.mark.parametrize(
    ("what", "common", "instructions"),
    [
        ("the CFA is register 200 + 8", {}, b"\x0c\xc8\x01\x08"),
        ("the return address is in register 200", {"register": 200}, SAME),
        ("x30 is in register 200", {}, b"\x09\x1e\xc8\x01"),
        ("a number without an end", {}, b"\x0e" + b"\xff" * 64),
        ("an offset of 2**63", {"data_factor": b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"}, b"\x9e\x01"),
        ("a state that was not remembered", {}, b"\x0b"),
        ("ten thousand states remembered", {}, b"\x0a" * 10_000),
        ("an instruction that there is not", {}, b"\x3f"),
        ("a million instructions", {}, b"\x08\x00" * 1_000_000),
        ("an expression longer than the entry", {}, b"\x0f\xff\xff\xff\x7f"),
        ("the stack pointer is undefined", {}, b"\x07\x1f"),
        ("another kind of address", {"encoding": 0x77}, SAME),
        ("no such version", {"version": 9}, SAME),
    ],
)
def test_what_makes_no_sense_is_no_row(
    what: str, common: dict[str, object], instructions: bytes, tmp_path: Path
) -> None:
    sane = image_with(tmp_path, cie(), fde(0x1000, TO_END, b"\x0e\x10"))
    assert CallFrames(sane, FRAME_RULES).row_at(0x1000) is not None
    elf = image_with(tmp_path, cie(**common), fde(0x1000, TO_END, instructions))  # type: ignore[arg-type]
    assert CallFrames(elf, FRAME_RULES).row_at(0x1000) is None, what


@pytest.mark.parametrize("length", [0, 1, 0x7FFF_FFFF, 0xFFFF_FFF0, 0xFFFF_FFFF])
def test_an_entry_of_a_senseless_length_ends_what_is_read(length: int, tmp_path: Path) -> None:
    wrong = length.to_bytes(4, "little") + b"\xff" * 12
    elf = image_with(tmp_path, cie(), fde(0x1000, 0x10, b"\x0e\x10"), wrong, fde(0x2000, 0x10, b"\x0e\x10"))
    frames = CallFrames(elf, FRAME_RULES)
    assert frames.row_at(0x1000) is not None
    assert frames.row_at(0x2000) is None


def test_an_entry_that_is_its_own_common_part_is_none(tmp_path: Path) -> None:
    own = bytearray(fde(0x1000, 0x10, b""))
    own[4:8] = (4).to_bytes(4, "little")  # its CIE begins where it begins itself
    elf = image_with(tmp_path, bytes(own))
    assert CallFrames(elf, FRAME_RULES).row_at(0x1000) is None


class Nothing:
    """Memory where nothing can be read."""

    def read(self, address: int, size: int) -> bytes:
        from uprobe_core.types import Access

        raise MemoryFault(address, Access.READ)

    def write(self, address: int, data: bytes) -> None:
        raise AssertionError("unwinding writes nothing")


@given(code=st.binary(max_size=64))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_an_expression_or_refused(code: bytes) -> None:
    try:
        value = evaluate(code, [0] * 33, Nothing(), 0x1000)
    except (ValueError, IndexError, MemoryFault):
        return
    assert 0 <= value < 1 << 64


def test_an_expression_that_jumps_back_for_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        evaluate(b"\x2f\xfd\xff", [0] * 33, Nothing(), 0)
