"""The call tree is that of another emulator's run: qemu-user's."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up
from tests.plugins.qemu_calls import AGAIN, FORKED, QEMU, Step, by_qemu, paths_of, sizes
from tests.programs import GUEST, compiled, cpp, symbols, zig
from uprobe_core.run_setup import ConsumerUse, RunSetup

LINE = re.compile(r"^[^│]*│ (?P<text> *\S.*)$")

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU} (package qemu-user)")


def run(program: Path, functions: Sequence[str], **options: Any) -> None:
    setup = RunSetup(argv=(str(program),), functions=tuple(functions), **options)
    with up.Session.from_setup(setup) as session:
        session.run()


def by_tree(program: Path, functions: Sequence[str], out: Path) -> list[list[Step]]:
    """What an unfolded tree shows, task by task."""
    run(program, functions, output=str(out), format="tree:fold=no")
    tasks: dict[str, list[str]] = defaultdict(list)
    for line in out.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line)
        if match is None:
            assert line.startswith("# "), line
            task = tasks[line]
        else:
            task.append(match["text"].strip())
    return [steps_of(task) for task in tasks.values()]


def steps_of(lines: Sequence[str]) -> list[Step]:
    steps: list[Step] = []
    opened: list[int] = []
    for text in lines:
        if not text.startswith("}"):
            steps.append(("+", text.partition("(")[0], len(opened)))
            opened.append(len(steps) - 1)
        if text.endswith("{"):
            continue
        entry = steps[opened.pop()]
        if "did not return" not in text:
            steps.append(("-", *entry[1:]))
        if "entered before the fork" in text:
            steps[steps.index(entry)] = ("inherited", *entry[1:])
    return [step for step in steps if step[0] != "inherited"]


def from_top(steps: Sequence[Step]) -> list[Step]:
    """With the number of calls around as a tree has it, which those of its parent are not in."""
    least = min((depth for _, _, depth in steps), default=0)
    return [(what, name, depth - least) for what, name, depth in steps]


def added_up(program: Path, functions: Sequence[str], folder: Path) -> list[Counter[tuple[str, ...]]]:
    """Calls that returned by path, as -C graph has them, and by function, as -C summary has them."""
    uses = (ConsumerUse("graph"), ConsumerUse("summary"))
    run(program, functions, consumers=uses, report=(str(folder / "found.json"),), output=os.devnull)
    graph, summary = json.loads((folder / "found.json").read_text())["consumers"]
    paths: Counter[tuple[str, ...]] = Counter()
    path: list[str] = []
    for row in graph["found"]["tree"]:
        path[row["depth"] :] = [row["name"]]
        paths[tuple(path)] += row["calls"]
    rows = summary["found"]["events"].items()
    return [paths, Counter({(name.partition("/")[2],): row["calls"] for name, row in rows})]


def agree(program: Path, names: str, folder: Path, *logged: str) -> int:
    """Assert that both say the same of each task, and calls that are added up, too; how many steps."""
    functions = sizes(program, names)
    tasks = by_qemu(program, functions, folder, logged)
    shown = by_tree(program, list(functions), folder / "tree")
    assert sorted(shown) == sorted(from_top(task.steps) for task in tasks)
    expected = paths_of(tasks)
    by_path, by_function = added_up(program, list(functions), folder)
    assert +by_path == expected
    assert +by_function == Counter((path[-1],) for path in expected.elements())
    return sum(map(len, shown))


def test_tail_calls_longjmps_signals_and_callbacks(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / "leaves_and_tails.c")
    names = "main last second first thrower guarded on_signal raiser fibonacci compared"
    assert agree(program, names, tmp_path) > 100


def test_functions_that_come_back_by_tail_calls_and_calls_made_again_after_longjmps(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2"], GUEST / "comes_back.c")
    names = "main leaf again ping pong leaves tail_leaves loops on_signal raises"
    assert agree(program, names, tmp_path) > 150


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


def test_threads_that_jump_are_cancelled_or_end_in_a_nested_call(tmp_path: Path) -> None:
    """Which of them calls make_key is the emulator's business."""
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O2", "-pthread"], GUEST / "ends_of_threads.c")
    names = "main leaf destroy undo wait_turn next_turn ends blocks throws catches taker ender cancelled"
    callers = "start_thread", "__nptl_deallocate_tsd", "__libc_start_call_main"
    assert agree(program, names, tmp_path, *callers) > 150


def test_children_of_fork_and_vfork(tmp_path: Path) -> None:
    """A child of fork is in the calls that its parent was in, and returns from them."""
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O1"], GUEST / "forks_inside.c")
    names = f"main outer forker vforker leaf {FORKED} {AGAIN}"
    callers = "wait_for_parent", "wait_for_child", "__libc_start_call_main"
    assert agree(program, names, tmp_path, *callers) == 36


def test_coroutines_of_the_source(tmp_path: Path) -> None:
    """Their bodies are functions of the compiler's, which whoever goes on with them calls."""
    program = cpp("coroutines.cc", "-std=c++20", "-O1", "-g0")
    bodies = (name for name in symbols(program) if name.endswith((".actor", ".resume")))
    assert agree(program, "main leaf deep drain", tmp_path, *bodies, "__libc_start_call_main") > 50
