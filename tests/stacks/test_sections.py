"""Where unwind information and names come from: the file, by one section or the other, or its debug file."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from uprobe_arm64.frames import FRAME_RULES

import uprobe_core as up
from tests.programs import build_debian
from tests.stacks.sections import cie, fde, image_with
from tests.stacks.test_like_gdb import instructions
from uprobe_core.stacks.cfi import CallFrames
from uprobe_core.stacks.expressions import evaluate
from uprobe_core.unwinding import Saved, Where

FLAGS = (
    "-O2",
    "-static",
    "-fomit-frame-pointer",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-g1",
)
OBJCOPY = "aarch64-linux-gnu-objcopy"


class Chains:
    """Collects the functions of each stack."""

    name = "chains"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def handler(self, hit: up.Hit) -> None:
        self.seen.append([frame.function for frame in hit.stack()])


def test_a_debug_frame_is_read_like_an_eh_frame(tmp_path: Path) -> None:
    head = struct.pack("<IB", 0xFFFF_FFFF, 4) + b"\0\x08\0\x04\x78\x1e" + b"\x0c\x1f\x00"
    common = struct.pack("<I", len(head)) + head
    body = struct.pack("<IQQ", 0, 0x1000, 0x20) + b"\x44\x0e\x20\x9e\x02"
    elf = image_with(tmp_path, common, struct.pack("<I", len(body)) + body, name=".debug_frame")
    frames = CallFrames(elf, FRAME_RULES, debug=True)
    first, later = frames.row_at(0x1000), frames.row_at(0x101C)
    assert first is not None
    assert (first.base, first.offset, first.saved) == (31, 0, ())
    assert later is not None
    assert (later.base, later.offset) == (31, 0x20)
    assert later.saved == (Saved(30, Where.MEMORY, -16),)
    assert frames.row_at(0x1020) is None


def test_a_row_is_that_of_its_instruction(tmp_path: Path) -> None:
    moves = b"\x41\x0e\x10\x9e\x02\x0a\x42\xde\x0e\x00\x41\x0b"  # save, remember, leave, restore
    elf = image_with(tmp_path, cie(), fde(0x1000, 0x40, moves))
    frames = CallFrames(elf, FRAME_RULES)
    rows = [frames.row_at(0x1000 + 4 * n) for n in range(5)]
    found = [(row.offset, [each.value for each in row.saved]) for row in rows if row is not None]
    assert found == [(0, []), (16, [-16]), (16, [-16]), (0, []), (16, [-16])]


@pytest.mark.parametrize("augmentation", [b"zRS", b"zR"])
def test_a_signal_frame_is_told_from_a_call(augmentation: bytes, tmp_path: Path) -> None:
    elf = image_with(tmp_path, cie(augmentation=augmentation), fde(0x1000, 0x40, b""))
    row = CallFrames(elf, FRAME_RULES).row_at(0x1000)
    assert row is not None
    assert row.interrupted is (b"S" in augmentation)


def split(folder: Path, *, compressed: bool) -> tuple[Path, Path, int]:
    """A program without symbols and unwind information, its debug file, and where its function seen is."""
    if shutil.which(OBJCOPY) is None:
        pytest.skip(f"needs {OBJCOPY}")
    whole = build_debian("chains.c", *FLAGS, "-Wl,--build-id")
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(whole) as image:
        place, build_id = image.offset_of("seen"), image.build_id
    program, debug = (
        folder / "chains",
        folder / f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug",
    )
    debug.parent.mkdir(parents=True)
    packed = ["--compress-debug-sections=zlib"] if compressed else []
    subprocess.run([OBJCOPY, "--only-keep-debug", *packed, whole, debug], check=True)
    subprocess.run([OBJCOPY, "--strip-all", whole, program], check=True)
    return program, debug, place


def chains(folder: Path, place: int) -> list[list[str]]:
    """The chains of functions at *place* of the program in *folder*, which is its whole system."""
    found = Chains()
    with up.Session(["/chains"], sysroot=str(folder), output="/dev/null") as session:
        session.probe(f"p:probe /chains:{place:#x}", found)
        session.run()
    return found.seen


@pytest.mark.parametrize("compressed", [False, True])
def test_a_separate_debug_file_has_names_and_frames(compressed: bool, tmp_path: Path) -> None:
    _, debug, place = split(tmp_path, compressed=compressed)
    with_it = chains(tmp_path, place)
    assert with_it[0][:3] == ["seen", "busy", "main"]
    assert ["seen", "middle", "moving", "busy", "main"] in [chain[:5] for chain in with_it]
    debug.unlink()
    assert not any(any(chain) for chain in chains(tmp_path, place))


@pytest.mark.parametrize("right", [True, False])
def test_a_debug_link_counts_if_its_checksum_fits(right: bool, tmp_path: Path) -> None:
    program, debug, place = split(tmp_path, compressed=False)
    other = tmp_path / ".debug" / "other.debug"
    other.parent.mkdir()
    debug.rename(other)
    checksum = zlib.crc32(other.read_bytes()) + (0 if right else 1)
    link = tmp_path / "link"
    link.write_bytes(b"other.debug\0" + struct.pack("<I", checksum))
    subprocess.run([OBJCOPY, "--add-section", f".gnu_debuglink={link}", program], check=True)
    assert (chains(tmp_path, place)[0][:1] == ["seen"]) is right


def every_instruction(program: Path) -> list[tuple[int, list[str]]]:
    """(address, chain of functions) of each hit at any instruction of the program's own functions."""
    found = AllChains()
    with up.Session([str(program)], output="/dev/null") as session:
        for address, offset in instructions(program):
            session.probe(f"p:at_{address:x} {program}:{offset:#x}", found)
        session.run()
    return found.seen


class AllChains:
    """Collects where each hit is, and the functions of its stack."""

    name = "chains"

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[str]]] = []

    def handler(self, hit: up.Hit) -> None:
        self.seen.append((hit.address, [frame.name for frame in hit.stack()]))


@pytest.mark.parametrize("frame", ["-fomit-frame-pointer", "-fno-omit-frame-pointer"])
def test_without_any_unwind_information_the_functions_themselves_tell(frame: str, tmp_path: Path) -> None:
    if shutil.which(OBJCOPY) is None:
        pytest.skip(f"needs {OBJCOPY}")
    whole, bare = build_debian("chains.c", *FLAGS, frame), tmp_path / "chains"
    subprocess.run([OBJCOPY, "--strip-debug", whole, bare], check=True)
    expected = every_instruction(whole)
    assert len(expected) > 150
    assert every_instruction(bare) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (b"\x8f\x10", 0x9010),  # breg31 16
        (b"\x8f\x70\x06", 0x8FF0),  # breg31 -16, deref
        (b"\x31\x34\x24", 16),  # lit1 lit4 shl
        (b"\x0b\xff\xff", (1 << 64) - 1),  # const2s -1
        (b"\x38\x33\x1c\x23\x80\x01", 133),  # lit8 lit3 minus, plus_uconst 128
        (b"\x35\x12\x1e", 25),  # lit5 dup mul
        (b"\x30\x28\x01\x00\x37\x36", 6),  # lit0, bra over nothing, lit7, lit6
        (b"\x31\x28\x01\x00\x37\x36", 6),  # lit1, bra over lit7, lit6
    ],
)
def test_expressions_are_computed_as_dwarf_says(code: bytes, expected: int) -> None:
    class Echo:
        def read(self, address: int, size: int) -> bytes:
            return address.to_bytes(8, "little")[:size]

        def write(self, address: int, data: bytes) -> None:
            raise AssertionError("nothing is written")

    registers = [0] * 31 + [0x9000, 0]
    assert evaluate(code, registers, Echo()) == expected
