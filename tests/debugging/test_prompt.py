"""``--repl``: a Python prompt at the Nth hit, also for lines that come through a pipe."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import LOOP, uprobe
from tests.programs import GUEST, either

LINES = """\
print("hit", hit.args, regs.x1, mem(regs.x0, 6))
print("same", regs.pc == addr("parse") == hit.address, name(addr("parse")))
print("stack", [frame.label.split("+")[0] for frame in stack()][:2])
for n in range(2):
    print("loop", n)

1 / 0
session.disable("ev")
step()
print("then", hit, name(regs.pc))
regs.x1 = 3
cont()
"""


@pytest.mark.parametrize("way", ["--mode inline", "--engine py --mode trap"])
def test_names_of_the_hit_and_what_lets_the_run_go_on(way: str) -> None:
    program = either(GUEST / "visited.c")
    words = [*way.split(), "--repl", "--stop-at", "ev#3", "-e", f"p:ev {program}:parse n=%x1", str(program)]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words]
    done = subprocess.run(command, input=LINES, capture_output=True, text=True, check=False, timeout=100)
    said = done.stderr.splitlines()
    assert "uprobe: stopped at hit 3 of ev in thread 1000" in said
    assert "hit {'n': 2} 2 b'item2\\x00'" in said
    assert "same True parse" in said
    assert "stack ['parse', 'main']" in said
    assert [line for line in said if line.startswith("loop")] == ["loop 0", "loop 1"]
    assert "ZeroDivisionError: division by zero" in said
    assert "then None parse+0x4" in said
    assert len([line for line in said if ": ev: (" in line]) == 3
    assert "item2 21" in done.stdout


def test_gdb_and_a_prompt_at_once_are_refused_by_run_and_check() -> None:
    for command in ("run", "check"):
        done = uprobe(command, "--repl", "--gdb", "unix:g", "--", str(LOOP), "1")
        assert done.returncode == 2
        assert "--repl and --gdb unix:g: one of them looks at where a run stops" in done.stderr


def test_the_end_of_the_input_lets_the_run_go_on(tmp_path: Path) -> None:
    program = either(GUEST / "visited.c")
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "--repl", str(program)]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=100)
    assert "uprobe: stopped before the first instruction" in done.stderr
    assert done.stdout.count("item") == 10


def test_errors_at_the_prompt_tell_of_what_was_typed_alone() -> None:
    program = either(GUEST / "visited.c")
    lines = (
        'hit\nmem(0, 4)\nregs.q\nsession.probe("p:more ./nope:f")\ndef f(): return absent\n\nf()\ncont()\n'
    )
    words = ["--repl", "--stop-at", "ev#3", "-e", f"p:ev {program}:parse n=%x1", str(program)]
    command = [sys.executable, "-m", "uprobe_core.cli", "run", *words]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=100)
    said = done.stderr.splitlines()
    assert any(re.fullmatch(r"<hit of ev at 0x[0-9a-f]+: {'n': 2}>", line) for line in said)
    assert "error: read at 0x0: maperr" in said
    assert any(line.startswith("AttributeError: no register is called 'q'") for line in said)
    assert "NameError: name 'absent' is not defined" in said
    assert {line for line in said if 'File "' in line} == {
        '  File "<prompt>", line 1, in <module>',
        '  File "<prompt>", line 1, in f',
    }


@pytest.mark.parametrize(
    ("at", "said"),
    [("#0", "which hit"), ("ev#0", "which hit"), ("ev#x", "which hit"), ("s:write#2", "-e s:openat")],
)
def test_a_stop_that_means_nothing_is_refused(at: str, said: str) -> None:
    done = uprobe("run", "--repl", "--stop-at", at, "-e", f"p:ev {LOOP}:work", "--", str(LOOP), "1")
    assert done.returncode == 2
    assert said in done.stderr
