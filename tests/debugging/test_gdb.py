"""gdb at the Nth hit: what it sees is what it sees under qemu, forwards and backwards."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.debugging.visits import (
    Ended,
    environment,
    started,
    values,
    visit,
    visit_qemu,
    wait_until,
)
from tests.programs import GUEST, compiled, either

PLACE = "p:ev {}:parse n=%x1"
STEPS = ["stepi"] * 12
FORWARD = ["!state", *STEPS, "!state", "break depth", "continue", "!state", "continue", "!state", "delete"]
FORWARD += ["finish", "!state"]
WAYS = ["", "--engine c --mode trap", "--engine c --mode jump", "--engine py --mode trap", "--engine py"]
SCRATCH = ("x16", "x17", "x18")
"""What a library's choice of functions for the processor left in registers that nobody keeps."""
VECTORS = (0, 1, *range(8, 16), 30, 31)
"""Where string functions do not leave what lay behind a string."""
SYSROOT = "/usr/aarch64-linux-gnu"


@pytest.fixture(scope="module")
def program() -> Path:
    return either(GUEST / "visited.c")


@pytest.fixture(scope="module")
def undisturbed(program: Path) -> Ended:
    """The run without a debugger."""
    command = [sys.executable, "-m", "uprobe_core.cli", "run", "-e", PLACE.format(program), str(program)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def reference(program: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The same states under qemu, which is stopped by a breakpoint of gdb's own."""
    before = ["break *parse", "ignore 1 2", "continue", "delete"]
    return visit_qemu(program, before, FORWARD, tmp_path_factory.mktemp("qemu"))


def comparable(state: dict[str, Any]) -> dict[str, Any]:
    """Of a state what does not depend on where an emulator puts the stack and what it puts there first."""
    registers = {name: value for name, value in state["registers"].items() if name not in SCRATCH}
    vectors = [state["vectors"][number] for number in VECTORS]
    return {"registers": registers, "vectors": vectors, "stack": state["stack"]}


def differences(states: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[Any]:
    """(stop, what, ours, theirs) of all that is not the same."""
    assert len(states) == len(expected)
    found: list[Any] = []
    for number, (ours, theirs) in enumerate(zip(states, expected, strict=True)):
        pairs = [(name, ours["registers"][name], theirs["registers"][name]) for name in ours["registers"]]
        pairs += [
            (f"v{n}", *each) for n, each in enumerate(zip(ours["vectors"], theirs["vectors"], strict=True))
        ]
        pairs += [("stack", ours["stack"], theirs["stack"])]
        found += [(number, name, mine, other) for name, mine, other in pairs if mine != other]
    return found


@pytest.mark.parametrize("way", WAYS)
def test_registers_stacks_and_locals_are_those_under_qemu(
    way: str, program: Path, reference: list[Any], undisturbed: Ended, tmp_path: Path
) -> None:
    words = [*way.split(), "--stop-at", "ev#3", "-e", PLACE.format(program), str(program)]
    seen, ended = visit(program, words, [*FORWARD, "continue"], tmp_path)
    states = [comparable(each) for each in seen if isinstance(each, dict)]
    expected = [comparable(each) for each in reference if isinstance(each, dict)]
    assert differences(states, expected) == []
    assert (ended.status, ended.out) == (undisturbed.status, undisturbed.out)
    assert ended.records == undisturbed.records


@pytest.mark.parametrize("way", ["", "--engine py --mode trap"])
def test_steps_back_and_forward_lead_to_the_same_state(
    way: str, program: Path, undisturbed: Ended, tmp_path: Path
) -> None:
    steps = ["!state", *["reverse-stepi"] * 5, "!state", *["stepi"] * 5, "!state"]
    steps += ["break depth", "reverse-continue", "!state", "delete", "reverse-finish", "!state"]
    steps += ["continue", "!state", "continue"]
    words = [*way.split(), "--stop-at", "ev#3", "-e", PLACE.format(program), str(program)]
    seen, ended = visit(program, words, steps, tmp_path)
    first, back, again, earlier, caller, latest = (each for each in seen if isinstance(each, dict))
    assert again == first == latest
    assert back["stack"][-1][0] == "main" != back["stack"][0][0]
    assert [frame[0] for frame in earlier["stack"]] == ["depth", "depth", "parse", "main"]
    assert earlier["stack"][0][2]["n"] == 0
    assert [frame[0] for frame in caller["stack"]] == ["depth", "parse", "main"]
    assert caller["registers"]["pc"] + 4 == earlier["registers"]["x30"]
    assert (ended.status, ended.out) == (undisturbed.status, undisturbed.out)
    assert ended.records == undisturbed.records


def test_the_start_is_as_far_back_as_it_goes(program: Path, tmp_path: Path) -> None:
    steps = ["reverse-continue", "info registers pc", "reverse-stepi", "continue", "!state", "kill"]
    words = ["--stop-at", f"{program}:parse#2", str(program)]
    seen, ended = visit(program, words, steps, tmp_path)
    assert "<_start>" in seen[1]
    assert ended.said.count("No more reverse-execution history") == 3
    assert seen[4]["stack"][0][0] == "parse"
    assert ended.status == 137


def test_the_program_is_seen_without_breakpoints(program: Path, tmp_path: Path) -> None:
    steps = [
        "break depth",
        "stepi",
        "x/1xw parse",
        "x/1xw depth+4",
        "continue",
        "x/1xw parse",
        "x/4xw depth",
        "detach",
    ]
    words = ["--mode", "trap", "--stop-at", "ev", "-e", PLACE.format(program), str(program)]
    seen, _ = visit(program, words, steps, tmp_path)
    with_brk = [text for text in seen if isinstance(text, str) and "0xd4" in text.split("\t", 1)[-1]]
    assert with_brk == []
    assert seen[2] == seen[5]


def test_threads_take_the_same_turns_backwards(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-pthread", "-O1", "-g"], GUEST / "visited_threads.c")
    steps = ["!state", "print sum", *["reverse-stepi"] * 3, *["stepi"] * 3, "!state", "break step",
             "reverse-continue", "print sum", "!state", "reverse-continue", "continue", "print sum", "!state",
             "delete", "continue", "!state", "print sum", "kill"]  # fmt: skip
    words = [
        "--bind",
        f"{SYSROOT}/lib:/lib",
        "--stop-at",
        "ev#430",
        "-e",
        f"p:ev {program}:step",
        str(program),
    ]
    seen, _ = visit(program, words, steps, tmp_path, f"set sysroot {SYSROOT}")
    states = [each for each in seen if isinstance(each, dict)]
    sums = [each for each in seen if isinstance(each, str) and each.startswith("$")]
    assert states[0] == states[1] == states[4]
    assert states[2] == states[3] != states[0]
    values = [int(text.split(" = ")[1]) for text in sums]
    assert values[0] == values[3] > values[1] == values[2]


def test_a_signal_stops_before_its_handler(tmp_path: Path) -> None:
    program = compiled(
        ["aarch64-linux-gnu-gcc", "-pthread", "-O1", "-g", "-static"], GUEST / "visited_threads.c"
    )
    steps = ["handle SIGUSR1 stop print pass", "continue", "stepi", "!state", "reverse-stepi", "stepi",
             "stepi", "!state", "continue"]  # fmt: skip
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    assert seen[1].startswith("SIGUSR1")
    assert [frame[0] for frame in seen[3]["stack"][:2]] == ["on_signal", None] or (
        seen[3]["stack"][0][0] == "on_signal"
    )
    assert seen[7]["stack"][0][0] == "on_signal"
    assert ended.status == 0


def test_back_from_a_signal_and_forward_to_it_again(tmp_path: Path) -> None:
    """One instruction back is the call that raised it; at the latest moment it is still to be delivered."""
    program = compiled(
        ["aarch64-linux-gnu-gcc", "-pthread", "-O1", "-g", "-static"], GUEST / "visited_threads.c"
    )
    steps = ["handle SIGUSR1 stop print pass", "continue", "!state", "reverse-stepi", "!state", "continue",
             "!state", "stepi", "!state", "continue"]  # fmt: skip
    seen, ended = visit(program, [str(program)], steps, tmp_path)
    assert seen[1].startswith("SIGUSR1")
    assert seen[5].startswith("SIGUSR1")
    assert seen[2] == seen[6] != seen[4]
    assert seen[4]["stack"][0][0] == seen[2]["stack"][0][0]
    assert seen[8]["stack"][0][0] == "on_signal"
    assert ended.status == 0


def test_history_begins_anew_where_the_program_was_changed(tmp_path: Path) -> None:
    """By a call or a variable: what follows is had again, and not what never was."""
    source = tmp_path / "adds.c"
    source.write_text(
        "#include <signal.h>\nvolatile int sum;\nstatic void on(int s) { sum += 1000; }\n"
        "__attribute__((noinline)) int add(int n) { sum += n; return sum; }\n"
        "int main(void) { signal(SIGUSR1, on); add(1); add(2); raise(SIGUSR1); add(3); return add(4); }\n"
    )
    program = either(source)
    steps = ["handle SIGUSR1 stop noprint nopass", "print add(7)", "set var sum = sum + 100", "reverse-stepi",
             "stepi", "reverse-stepi", "print sum", "reverse-stepi", "continue", "break add", "continue",
             "continue", "print sum", "reverse-stepi", "print sum", "reverse-continue", "reverse-continue",
             "print sum", "delete", "continue", "continue"]  # fmt: skip
    seen, ended = visit(program, ["--stop-at", f"{program}:add#2", str(program)], steps, tmp_path)
    assert seen[1] == "$1 = 8"
    assert "cannot go there: the program did not come here again; was it changed" in seen[3]
    assert seen[6] == "$2 = 108"
    assert "was changed here: what came before does not lead to what came after" in seen[7] + ended.said
    assert [seen[n].partition(" = ")[2] for n in (12, 14)] == ["113", "113"], seen
    assert ended.status == 117


def test_what_would_be_done_twice_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "writes.c"
    source.write_text(
        "#include <stdio.h>\n__attribute__((noinline)) int after(int n) { return putchar(n); }\n"
        'int main(void) { FILE *f = fopen("made", "w"); fputs("x", f); fclose(f); return after(65) - 65; }\n'
    )
    program = either(source)
    seen, ended = visit(
        program,
        ["--stop-at", f"{program}:after", str(program)],
        ["reverse-stepi", "!state", "continue"],
        tmp_path,
    )
    assert "cannot go there: the program has called openat" in seen[0]
    assert "No more reverse-execution history" in ended.said
    assert "received signal" not in ended.said
    assert seen[1]["stack"][0][0] == "after"
    assert ended.status == 0
    assert (tmp_path / "made").read_text() == "x"


def test_a_socket_that_is_not_connected_is_made_anew(tmp_path: Path) -> None:
    """As the C library does where it asks for a user's name, and no daemon of names is there."""
    source = tmp_path / "asks.c"
    source.write_text(
        "#include <sys/socket.h>\n#include <sys/un.h>\n#include <unistd.h>\n"
        "__attribute__((noinline)) int after(int n) { return n + 1; }\n"
        'int main(void) { struct sockaddr_un to = {AF_UNIX, "/not/there"};\n'
        " int s = socket(AF_UNIX, SOCK_STREAM, 0), r = connect(s, (void *)&to, sizeof(to));\n"
        " close(s); return after(r); }\n"
    )
    program = either(source)
    steps = ["print $x0", "reverse-stepi", "!state", "stepi", "print $x0", "continue", "continue"]
    seen, ended = visit(program, ["--stop-at", f"{program}:after", str(program)], steps, tmp_path)
    assert seen[2]["stack"][0][0] == "main"
    assert seen[0].partition(" = ")[2] == seen[4].partition(" = ")[2]
    assert ended.status == 0


def test_an_input_that_has_changed_is_noticed(tmp_path: Path) -> None:
    source, read = tmp_path / "reads.c", tmp_path / "read"
    source.write_text(
        "#include <fcntl.h>\n#include <unistd.h>\n"
        "__attribute__((noinline)) int after(int n) { return n + 1; }\n"
        "int main(int count, char **words) { char text[16]; int f = open(words[1], O_RDONLY);\n"
        " int n = read(f, text, 15); close(f); return after(n); }\n"
    )
    read.write_text("before")
    program = either(source)
    words = ["--stop-at", f"{program}:after", str(program), str(read)]
    steps = [f"shell echo -n after > {read}", "reverse-stepi", "!state", "continue"]
    seen, ended = visit(program, words, steps, tmp_path)
    assert "cannot go there: the program did not do the same again" in seen[1]
    assert seen[2]["stack"][0][0] == "after"
    assert ended.status == 7


def test_a_hit_that_never_comes_is_said(program: Path, tmp_path: Path) -> None:
    seen, ended = visit(program, ["--stop-at", f"{program}:parse#11", str(program)], [], tmp_path)
    assert seen == []
    assert "ended before hit 11" in ended.err
    assert "there were 10" in ended.err


@pytest.mark.parametrize("way", ["", "--engine py --mode trap"])
def test_a_watched_variable_stops_where_it_does_under_qemu_and_backwards_before_the_store(
    way: str, program: Path, undisturbed: Ended, tmp_path: Path
) -> None:
    watch = ["watch total", *["continue"] * 3]
    before = ["break *parse", "ignore 1 2", "continue", "delete", "set can-use-hw-watchpoints 0"]
    visit_qemu(program, before, watch, tmp_path)
    expected = values(tmp_path)
    words = [*way.split(), "--stop-at", "ev#3", "-e", PLACE.format(program), str(program)]
    back = [*["reverse-continue"] * 3, "x/i $pc", "delete", "continue", "continue"]
    seen, ended = visit(program, words, [*watch, *back], tmp_path)
    forwards, backwards = values(tmp_path)[:3], values(tmp_path)[3:]
    assert len(expected) == 3
    assert forwards == expected
    assert [(new, old) for old, new, _ in backwards] == [(old, new) for old, new, _ in expected[::-1]]
    assert "str\t" in seen[7]
    assert (ended.status, ended.out, ended.records) == (
        undisturbed.status, undisturbed.out, undisturbed.records
    )  # fmt: skip


def test_a_watch_is_kept_by_the_process_and_not_by_those_that_it_forks(tmp_path: Path) -> None:
    source = tmp_path / "forks.c"
    source.write_text(
        "#include <sys/wait.h>\n#include <unistd.h>\nvolatile long cell[2];\n"
        "int main(void) { int status; if (!fork()) { cell[1] = 4; cell[0] = 5; _exit(cell[0]); }\n"
        " wait(&status); cell[1] = 1; cell[0] = status >> 8; return cell[0] + cell[1]; }\n"
    )
    program = either(source)
    steps = ["watch cell[0]", "continue", "continue"]
    _, ended = visit(program, ["--stop-at", f"{program}:main", str(program)], steps, tmp_path)
    assert [(old, new) for old, new, _ in values(tmp_path)] == [(0, 5)]
    assert ended.status == 6


def test_gdb_is_told_of_the_root_that_the_program_has(program: Path, tmp_path: Path) -> None:
    """As an absolute path, and of the program's file in it."""
    root = tmp_path / "its root"
    root.mkdir()
    shutil.copy(program, root / "app")
    with started(["--sysroot", "its root", "--gdb", "unix:gdb", "/app"], tmp_path) as run:
        assert wait_until(lambda: "target remote" in (tmp_path / "err").read_text(), run)
        said = (tmp_path / "err").read_text().partition("gdb-multiarch ")[2]
    assert shlex.split(said)[:3] == [str(root / "app"), "-ex", f"set sysroot {root}"]
