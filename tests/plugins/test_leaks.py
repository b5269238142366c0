"""``-C leaks``: what a program keeps is what it says itself, and what valgrind calls in use at its exit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uprobe_counter.leaks import _Block, _Memory

import uprobe_core as up
from tests.programs import GUEST, either
from uprobe_core.run_setup import ConsumerUse, RunSetup

SOURCE = GUEST / "keeps_memory.c"
KEPT = {("keeps", "main"): (5, 1500), ("main",): (2, 533)}
"""By who asks: blocks and bytes that the program keeps (see its source)."""


def leaks(folder: Path, *words: str, **options: Any) -> dict[str, Any]:
    """What the report says."""
    report = folder / "report.json"
    setup = RunSetup(
        argv=(str(either(SOURCE)), *words),
        functions=("*alloc", "free", "keeps"),
        consumers=(ConsumerUse("leaks", {"depth": "2"}),),
        output=str(folder / "out"),
        report=(str(report),),
        **options,
    )
    with up.Session.from_setup(setup) as session:
        assert session.run().code == 0
    found: dict[str, Any] = json.loads(report.read_text())["consumers"][0]["found"]
    return found


def own(found: dict[str, Any]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Blocks and bytes by who asked, as far as it is the program's main function."""
    sums: dict[tuple[str, ...], tuple[int, int]] = {}
    for each in found["stacks"]:
        names = tuple(frame.partition("+")[0] for frame in each["stack"])
        key = names[: names.index("main") + 1] if "main" in names else ()
        known = sums.get(key, (0, 0))
        sums[key] = known[0] + each["blocks"], known[1] + each["bytes"]
    return {key: numbers for key, numbers in sums.items() if key}


@pytest.mark.parametrize("engine", ["c", "py"])
def test_what_is_kept_has_its_stack_its_blocks_and_its_bytes(tmp_path: Path, engine: str) -> None:
    assert own(leaks(tmp_path, engine=engine)) == KEPT


def test_memory_that_one_function_has_from_another_counts_once_as_the_outer_ones() -> None:
    memory = _Memory(1)
    for asks in ("realloc", "main"):
        memory.give((1000, 0x5000), _Block(33, (asks,)))
    assert (memory.found(), memory.asked) == ({("main",): (1, 33)}, [1, 33])


def test_a_forked_process_answers_for_what_it_asked_for_itself(tmp_path: Path) -> None:
    found = own(leaks(tmp_path, "fork"))
    assert found == {**KEPT, ("keeps", "main"): (6, 2500)}


def test_what_a_program_had_before_it_executes_another_is_no_leak(tmp_path: Path) -> None:
    assert own(leaks(tmp_path, "exec")) == KEPT


def test_it_is_what_valgrind_calls_in_use_at_exit(tmp_path: Path) -> None:
    if shutil.which("valgrind") is None or shutil.which("gcc") is None:
        pytest.skip("needs valgrind and gcc")
    command = ["gcc", "-O1", "-fno-builtin", "-w", str(SOURCE), "-o", "here"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["valgrind", "./here"], cwd=tmp_path, capture_output=True, text=True, check=True)
    used = re.search(r"in use at exit: ([\d,]+) bytes in (\d+) blocks", done.stderr)
    assert used is not None
    size, blocks = int(used[1].replace(",", "")), int(used[2])
    kept = own(leaks(tmp_path)).values()
    assert (blocks, size) == (sum(n for n, _ in kept), sum(n for _, n in kept))


def test_without_a_function_of_memory_it_says_that_it_followed_none(tmp_path: Path) -> None:
    setup = RunSetup(
        argv=(str(either(SOURCE)),),
        functions=("keeps",),
        consumers=(ConsumerUse("leaks"),),
        output=str(tmp_path / "out"),
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    assert "leaks: no event is a function that gives memory" in (tmp_path / "out").read_text()
