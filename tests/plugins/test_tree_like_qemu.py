"""The call tree is that of another emulator's run: qemu-user tells each instruction with its registers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elftools.elf.elffile import ELFFile

import uprobe_core as up
from tests.programs import GUEST, compiled, cpp, symbols, zig
from uprobe_core.run_setup import RunSetup

QEMU = "qemu-aarch64"
REGISTERS = re.compile(r"X30=([0-9a-f]{16})\s+SP=([0-9a-f]{16})")
LINE = re.compile(r"^[^│]*│ (?P<text> *\S.*)$")
RET = b"\xc0\x03\x5f\xd6"
Step = tuple[str, str, int]
"""+ or -, a function, and how many calls it is in."""

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU} (package qemu-user)")


class Open(NamedTuple):
    """A call that has not returned."""

    name: str
    link: int
    sp: int


class Watched:
    """Follows the calls of *functions* (name: start and size) through instructions."""

    def __init__(self, program: Path, functions: dict[str, tuple[int, int]]) -> None:
        self.starts = {start for start, _ in functions.values()}
        self.around = {
            pc: n for n, (start, size) in functions.items() for pc in range(start, start + size, 4)
        }
        with program.open("rb") as file:
            code = [s for s in ELFFile(file).iter_segments("PT_LOAD") if s["p_flags"] & 1]
            self.code = [(s["p_vaddr"], s.data()) for s in code]
        self.open: list[Open] = []
        self.steps: list[Step] = []
        self.before = 0

    def _is_ret(self, pc: int) -> bool:
        return any(data[pc - at : pc - at + 4] == RET for at, data in self.code if at <= pc < at + len(data))

    def at(self, pc: int, link: int, sp: int) -> None:
        """The next instruction, before it is executed."""
        while self.open and self.open[-1][1:] == (pc, sp) and self._is_ret(self.before):
            name = self.open.pop().name
            self.steps.append(("-", name, len(self.open)))
        here = self.around.get(pc)
        if pc in self.starts:
            assert here is not None
            self.steps.append(("+", here, len(self.open)))
            self.open.append(Open(here, link, sp))
        elif here is not None:  # whatever else seems to be open, a longjmp or an exception has left
            while self.open[-1].name != here or self.open[-1].sp < sp:
                self.open.pop()
        self.before = pc


def by_qemu(
    program: Path, functions: dict[str, tuple[int, int]], log: Path, logged: Sequence[str] = ()
) -> list[Step]:
    """What qemu logs of everything, or of the functions and of others, *logged*, as far as there are such."""
    command = [QEMU, "-singlestep", "-d", "exec,cpu,nochain", "-D", str(log)]
    if logged:
        others = " ".join(set(logged) & symbols(program).keys())
        ranges = {**functions, **sizes(program, others)}.values()
        command += ["-dfilter", ",".join(f"{start:#x}+{size:#x}" for start, size in ranges)]
    command.append(str(program))
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    watched, pc = Watched(program, functions), 0
    with log.open() as lines:
        for line in lines:
            if line.startswith(" PC="):
                pc = int(line[4:20], 16)
            elif line.startswith("X29="):
                found = REGISTERS.search(line)
                assert found is not None
                watched.at(pc, int(found[1], 16), int(found[2], 16))
    log.unlink()
    return watched.steps


def by_tree(program: Path, functions: dict[str, tuple[int, int]], out: Path) -> Iterator[Step]:
    setup = RunSetup(argv=(str(program),), functions=tuple(functions), output=str(out), format="tree:fold=no")
    with up.Session.from_setup(setup) as session:
        session.run()
    names: list[str] = []
    for line in out.read_text(encoding="utf-8").splitlines()[1:]:
        match = LINE.match(line)
        assert match, line
        text = match["text"].strip()
        name = names.pop() if text.startswith("}") else text.partition("(")[0]
        if not text.startswith("}"):
            yield "+", name, len(names)
        if text.endswith("{"):
            names.append(name)
        elif "did not return" not in text:
            yield "-", name, len(names)


def sizes(program: Path, names: str) -> dict[str, tuple[int, int]]:
    """Start and size of functions."""
    with program.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        wanted = [(name, table.get_symbol_by_name(name)[0]) for name in names.split()]
        return {name: (each["st_value"], each["st_size"]) for name, each in wanted}


def agree(program: Path, names: str, folder: Path, *logged: str) -> int:
    functions = sizes(program, names)
    shown = list(by_tree(program, functions, folder / "tree"))
    assert shown == by_qemu(program, functions, folder / "log", logged)
    return len(shown)


def test_tail_calls_longjmps_signals_and_callbacks(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / "leaves_and_tails.c")
    names = "main last second first thrower guarded on_signal raiser fibonacci compared"
    assert agree(program, names, tmp_path) > 100


def test_a_handler_on_another_stack_that_leaves_by_siglongjmp(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / "switches.c")
    assert agree(program, "main leaf on_fault faults tries", tmp_path) > 20


def test_a_static_program_of_another_library(tmp_path: Path) -> None:
    program = zig("tells_its_calls.c", "-finstrument-functions")
    assert agree(program, "main leaf odd even jumper outer twice", tmp_path) > 70


def test_exceptions(tmp_path: Path) -> None:
    """Of what unwinds them, millions of instructions, qemu logs nothing; of who calls main it does."""
    callers = "__libc_start_call_main", "libc_start_main_stage2"
    assert agree(cpp("throws.cc"), "main outer middle catcher thrower", tmp_path, *callers) > 70


def test_a_landing_pad_at_a_return_address(tmp_path: Path) -> None:
    """Who lands there has not returned, though program counter, stack pointer and link register say so."""
    program = cpp("lands_behind.cc", "-O2", "-g0")
    callers = "__libc_start_call_main", "libc_start_main_stage2", "thrower.cold", "middle.cold", "outer.cold"
    assert agree(program, "main outer middle thrower leaf", tmp_path, *callers) > 30
