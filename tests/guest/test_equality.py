"""A probed program is the unprobed one, bit for bit: output, status, registers and memory at its end.

Every instruction of the functions named here is probed at once, and every
return of them followed, in each mode; the state is hashed at the entry of
``_Exit``, which is probed in all runs alike.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.programs import cpp, symbols, zig
from tests.warm_python import python

pytestmark = pytest.mark.thorough

SHAPES = (
    "sum branches work loop fib deep text use add mul apply thrower catcher "
    "tail_last tail_mid tail_top fp vadd"
)
COMPANY = "work locked inside raising crash guarded in_child forking"
THROWS = "thrower middle catcher outer"


@dataclass(frozen=True)
class Seen:
    """What one run showed."""

    stdout: str
    rc: int
    state: dict[str, str]
    counts: dict[str, int]


def sizes(program: Path) -> dict[str, int]:
    """Function name -> size in bytes."""
    from elftools.elf.elffile import ELFFile

    with program.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        return {symbol.name: symbol["st_size"] for symbol in table.iter_symbols()}


class Runner:
    """Runs one program in many ways."""

    def __init__(self, folder: Path, program: Path, functions: str) -> None:
        self.folder = folder
        self.program = program
        self.functions = functions.split()
        offsets = {name: symbols(program)[name][1] for name in self.functions}
        self.entries = [hex(offset) for offset in offsets.values()]
        self.everywhere = [
            hex(offset + step)
            for name, offset in offsets.items()
            for step in range(0, sizes(program)[name], 4)
        ]

    def run(self, places: list[str], functions: list[str], **options: str) -> Seen:
        job = {
            "argv": [str(self.program)],
            "options": options,
            "end": hex(symbols(self.program)["_Exit"][1]),
            "places": places,
            "functions": functions,
            "result": str(self.folder / "result"),
        }
        (self.folder / "job.json").write_text(json.dumps(job))
        driver = Path(__file__).with_name("observe.py")
        done = python(str(driver), str(self.folder / "job.json"))
        assert "Traceback" not in done.stderr, done.stderr
        found = json.loads((self.folder / "result").read_text())
        return Seen(done.stdout, done.returncode, found["state"], found["counts"])

    def bare(self) -> Seen:
        return self.run([], [], mode="inline")


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    """Make a runner for a source and its functions."""

    def make(source: str, functions: str) -> Runner:
        return Runner(tmp_path, (cpp if source.endswith(".cc") else zig)(source), functions)

    return make


@pytest.mark.parametrize("source", [("shapes.c", SHAPES), ("throws.cc", THROWS)], ids=lambda pair: pair[0])
@pytest.mark.parametrize("mode", ["trap", "inline"])
def test_every_instruction_and_return_of_a_program_can_be_probed_without_a_trace(
    runner: Any, source: tuple[str, str], mode: str
) -> None:
    player = runner(*source)
    bare = player.bare()
    probed = player.run(player.everywhere, player.entries, mode=mode, returns="watch")
    assert sum(probed.counts.values()) > 100
    assert (probed.stdout, probed.rc) == (bare.stdout, bare.rc)
    assert probed.state == bare.state


@pytest.mark.thorough
def test_trap_and_inline_count_the_same_hits_at_every_instruction(runner: Any) -> None:
    player = runner("shapes.c", SHAPES)
    trap, inline = (
        player.run(player.everywhere, player.entries, mode=mode, returns="watch")
        for mode in ("trap", "inline")
    )
    assert trap.counts == inline.counts


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["trap", "inline"])
@pytest.mark.parametrize("returns", ["watch", "hijack"])
def test_threads_signals_and_forks_come_out_the_same(runner: Any, mode: str, returns: str) -> None:
    player = runner("company.c", COMPANY)
    bare = player.bare()
    probed = player.run(player.everywhere, player.entries, mode=mode, returns=returns)
    assert (probed.stdout, probed.rc) == (bare.stdout, bare.rc)
    assert probed.counts[f"p{player.entries[0]}"] == 160


def test_hijacking_survives_exceptions_no_better_than_a_kernel(runner: Any) -> None:
    """Unwinding meets the trampoline where a return address was, so the program ends in terminate()."""
    player = runner("throws.cc", THROWS)
    probed = player.run([], player.entries, mode="trap", returns="hijack")
    assert probed.rc == 128 + 6


@pytest.mark.parametrize("source", ["shapes.c", "company.c", "throws.cc"])
def test_unprobed_programs_do_what_they_do_under_qemu(runner: Any, source: str) -> None:
    """qemu-user is the reference for output and status; the state line depends on the stack's addresses."""
    qemu = shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.skip("needs qemu-aarch64 (package qemu-user)")
    player = runner(source, "main")
    bare = player.bare()
    done = subprocess.run([qemu, str(player.program)], capture_output=True, text=True, check=False)
    ours = [line for line in bare.stdout.splitlines() if not line.startswith("state ")]
    theirs = [line for line in done.stdout.splitlines() if not line.startswith("state ")]
    assert (ours, bare.rc) == (theirs, done.returncode)
