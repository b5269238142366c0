"""How often each instruction was executed: against another emulator's log of them, and over ways to count."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import uprobe_core as up
from tests.plugins.qemu_calls import QEMU, sizes, words_of
from tests.programs import GUEST, compiled
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.run_setup import ConsumerUse, RunSetup

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU} (package qemu-user)")

PROGRAMS = {
    "leaves_and_tails": "main qsort raise last second first thrower guarded raiser fibonacci compared",
    "comes_back": "main leaf again ping pong leaves tail_leaves loops on_signal raises",
    "switches": "main leaf on_fault faults tries",
}
"""Functions of programs with loops, jumps out of signal handlers, and faults in the middle of blocks."""
Blocks = dict[tuple[int, int], int]


def program_of(name: str) -> Path:
    return compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / f"{name}.c")


@cache
def by_qemu(name: str) -> Counter[int]:
    """By address of PROGRAMS' functions, as a log of single instructions has it, but those that faulted."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        ranges = sizes(program_of(name), PROGRAMS[name]).values()
        command = [QEMU, "-cpu", "cortex-a72", "-singlestep", "-d", "exec,nochain", "-D", str(log)]
        command += ["-dfilter", ",".join(f"{start:#x}+{size:#x}" for start, size in ranges)]
        subprocess.run([*command, str(program_of(name))], stdout=subprocess.DEVNULL, check=False, env={})
        rows = re.findall(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", log.read_text(), re.MULTILINE)
    words, places = words_of(program_of(name)), [int(row, 16) for row in rows]
    return Counter(
        at
        for at, behind in pairwise([*places, places[-1] + 4])
        if behind == at + 4 or (words.get(at, 0) >> 26) & 7 == 0b101
    )


def blocks(argv: tuple[str, ...], folder: Path, **options: Any) -> dict[str, Blocks]:
    """By file, offset and size, how often each was executed."""
    setup = RunSetup(
        argv=argv,
        consumers=(ConsumerUse("coverage"),),
        output=str(folder / "out"),
        inherit_env=False,
        **options,
    )
    with up.Session.from_setup(setup) as session:
        session.run()
        watcher = session._coverage.watcher
        assert watcher is not None
        return watcher.take()


def instructions(found: Blocks, program: Path) -> Counter[int]:
    counts: Counter[int] = Counter()
    with ElfImage(str(program)) as image:
        for (offset, size), times in found.items():
            start = image.offset_to_vaddr(offset)
            assert start is not None
            for at in range(start, start + size, 4):
                counts[at] += times
    return counts


@pytest.fixture(params=["shortcuts", "block hooks", "py"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Translated code that counts by itself, a hook in C for each block, one in Python."""
    if request.param == "block hooks":
        monkeypatch.setenv("UPROBE_DISABLE_SHORTCUTS", "1")
    return {"engine": "py"} if request.param == "py" else {}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_instruction_is_executed_as_often_as_there(
    name: str, way: dict[str, str], tmp_path: Path
) -> None:
    program = program_of(name)
    found = instructions(blocks((str(program),), tmp_path, **way)[str(program)], program)
    ranges = sizes(program, PROGRAMS[name]).values()
    places = [at for start, size in ranges for at in range(start, start + size, 4)]
    truth = by_qemu(name)
    assert {at: found[at] for at in places} == {at: truth[at] for at in places}
    assert sum(truth[at] for at in places) > 100


@pytest.mark.parametrize("name", ["family", "visited_threads"])
def test_forks_and_threads_are_counted_the_same_in_both_ways(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = (str(compiled(["aarch64-linux-gnu-gcc", "-static", "-O2", "-pthread"], GUEST / f"{name}.c")),)
    ours = blocks(argv, tmp_path)
    monkeypatch.setenv("UPROBE_DISABLE_SHORTCUTS", "1")
    assert ours == blocks(argv, tmp_path)
    assert len(ours[argv[0]]) > 100
