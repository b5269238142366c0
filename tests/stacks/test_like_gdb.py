"""Stacks are those that gdb sees at the same stops, at every instruction, for code of every kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

import uprobe_core as up
from tests.programs import FRAME_POINTERS, build_debian, symbols, zig
from tests.stacks.debugger import gdb_stacks

pytestmark = pytest.mark.thorough

FUNCTIONS = ("seen", "middle", "tail", "moving", "busy", "compare", "interrupted", "last", "leave")
SYSROOT = "/usr/aarch64-linux-gnu"
GCC = ("-O2", "-fomit-frame-pointer")
TRAMPOLINES = ("__restore_rt", "__kernel_rt_sigreturn")


class Chains:
    """Collects the stack of each hit in the words of gdb_walk.py."""

    name = "chains"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def handler(self, hit: up.Hit) -> None:
        self.seen.append([self.word(frame) for frame in hit.stack(256)])

    @staticmethod
    def word(frame: up.Frame) -> str:
        """``function+offset``, ``<signal>`` or "?"."""
        if frame.file == "[vdso]" or frame.function in TRAMPOLINES:
            return "<signal>"
        return f"{frame.function}+{frame.offset}" if frame.function else "?"


def compiled(kind: str) -> Path:
    """tests/guest/chains.c by another compiler, for another C library, with other ideas of frames."""
    if kind == "static":
        return build_debian("chains.c", *GCC, "-static")
    if kind == "dynamic":
        return build_debian("chains.c", *GCC, "-no-pie", "-Wl,-z,lazy")
    if kind == "signed":
        return build_debian("chains.c", *GCC, "-static", "-mbranch-protection=standard")
    return zig("chains.c", *(FRAME_POINTERS if kind == "frame-pointers" else ()))


def our_stacks(
    program: Path, addresses: Sequence[int], places: Sequence[tuple[int, int]] = ()
) -> list[list[str]]:
    """The stacks of all hits at *addresses*, in order.

    :param places: (address, file offset) of each, if they are not in the program's own functions
    """
    chains, dynamic = Chains(), b"ld-linux" in program.read_bytes()[:4096]
    inside = f"/p/{program.name}" if dynamic else str(program)
    options: dict[str, object] = {"sysroot": SYSROOT, "binds": [f"{program.parent}:/p:ro"]} if dynamic else {}
    with up.Session([inside], output="/dev/null", **options) as session:
        offsets = dict(places or instructions(program))
        for address in addresses:
            session.probe(f"p:at_{address:x} {inside}:{offsets[address]:#x}", chains)
        session.run()
    return chains.seen


def instructions(program: Path) -> list[tuple[int, int]]:
    """(address, file offset) of every instruction of the program's own functions."""
    found, known, sizes = [], symbols(program), function_sizes(program)
    for function in FUNCTIONS:
        address, offset = known[function]
        found += [(address + at, offset + at) for at in range(0, sizes[function], 4)]
    return sorted(found)


def linkage_table(program: Path) -> list[tuple[int, int]]:
    """(address, file offset) of the instructions of the stubs behind the first, which all others use."""
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(program) as image:
        table = image.section(".plt")
        assert table is not None
        return [(table.vaddr + at, table.offset + at) for at in range(32, table.size, 4)]


def function_sizes(program: Path) -> dict[str, int]:
    """Bytes of each function."""
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(program) as image:
        return {symbol.name: symbol.size for symbol in image.functions()}


SLOW = pytest.mark.slow
KINDS = (
    "static",
    "no-frame-pointers",
    pytest.param("dynamic", marks=SLOW),
    pytest.param("signed", marks=SLOW),
    pytest.param("frame-pointers", marks=SLOW),
)


def stacks_of_gdb(kind: str, addresses: Sequence[int], folder: Path) -> list[list[str]]:
    """What gdb sees at *addresses* of the program of that kind."""
    sysroot = SYSROOT if kind == "dynamic" else ""
    return gdb_stacks(compiled(kind), [f"*{address:#x}" for address in addresses], folder, sysroot=sysroot)


@pytest.mark.parametrize("kind", KINDS)
def test_at_every_instruction_the_chain_is_gdbs(kind: str, tmp_path: Path) -> None:
    program = compiled(kind)
    places = [address for address, _ in instructions(program)]
    expected = stacks_of_gdb(kind, places, tmp_path)
    assert len(expected) > 100
    assert our_stacks(program, places) == expected


@pytest.mark.slow
def test_in_stubs_that_lead_to_libraries_the_chain_is_gdbs(tmp_path: Path) -> None:
    program = compiled("dynamic")
    stubs = [address for address, _ in linkage_table(program)]
    expected = stacks_of_gdb("dynamic", stubs, tmp_path)
    assert {stack[0] for stack in expected} >= {"qsort@plt+0", "raise@plt+8", "memset@plt+12"}
    # gdb makes up names for the stubs.
    named = [stack[1:] for stack in expected]
    assert [stack[1:] for stack in our_stacks(program, stubs, places=linkage_table(program))] == named


@pytest.mark.parametrize("engine", ["c", "py"])
def test_stacks_that_are_counted_are_those_as_well(engine: str, tmp_path: Path) -> None:
    program = compiled("no-frame-pointers")
    places = [address for address, _ in instructions(program)]
    with up.Session([str(program)], output="/dev/null", engine=engine) as session:
        counts = [
            session.probe(f"p:at_{address:x} {program}:{offset:#x}", up.Stacks(256))
            for address, offset in instructions(program)
        ]
        session.run()
    found: Counter[tuple[str, ...]] = Counter()
    for count in counts:
        for stack, times in count.result().items():
            found[tuple(map(Chains.word, stack))] += times
    assert found == Counter(map(tuple, stacks_of_gdb("no-frame-pointers", places, tmp_path)))
