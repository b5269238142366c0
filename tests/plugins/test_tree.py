"""The call tree: what a program tells of its own calls, one by one, and what its options leave of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from uprobe_writers.tree_nodes import Node
from uprobe_writers.tree_text import Look

import uprobe_core as up
from tests.programs import GUEST, build_debian, compiled, symbols, zig
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import EventLine, RunSetup

LINE = re.compile(r"^ *(?P<amount>\S.*?)? *│ (?P<indent> *)(?P<text>\S.*)$")


@pytest.fixture(scope="module")
def program() -> Path:
    return zig("tells_its_calls.c", "-finstrument-functions")


def tree(program: Path, out: Path, **options: Any) -> list[str]:
    """The lines of the tree of the program's functions that are instrumented."""
    own = ("main", "leaf", "odd", "even", "jumper", "outer", "twice")
    names = options.pop("functions", own)
    setup = RunSetup(argv=(str(program),), functions=tuple(names), output=str(out), **options)
    with up.Session.from_setup(setup) as session:
        session.run()
    return out.read_text(encoding="utf-8").splitlines()


def told(program: Path, output: str) -> list[tuple[str, str]]:
    """What the program told: (+ or -, function)."""
    names = {address: name for name, (address, _) in symbols(program).items() if name[:1] != "$"}
    return [(line[0], names[int(line[1:], 16)]) for line in output.split()]


def walked(lines: list[str]) -> Iterator[tuple[str, str]]:
    """What an unfolded tree says: (+ or -, function), no - for a call that did not return."""
    names: list[str] = []
    for line in lines[1:]:
        match = LINE.match(line)
        assert match, line
        text = match["text"]
        if text.startswith("}"):
            name = names.pop()
        else:
            name = text.partition("(")[0]
            yield "+", name
            if text.endswith("{"):
                names.append(name)
                continue
        if "did not return" not in text:
            yield "-", name


def test_it_agrees_call_by_call_with_what_the_program_tells(
    program: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = tree(program, tmp_path / "out", format="tree:fold=no")
    expected = told(program, capfd.readouterr().out)
    assert expected[:2] == [("+", "main"), ("+", "leaf")]
    # main tells of its calls before it returns itself.
    assert list(walked(lines)) == [*expected, ("-", "main")]


def test_both_engines_give_the_same_bytes(program: Path, tmp_path: Path) -> None:
    runs = [tree(program, tmp_path / engine, engine=engine) for engine in ("c", "py")]
    assert runs[0] == runs[1]


def expanded(lines: list[str]) -> int:
    """The calls of a folded tree: each stands for as many as it and what it is in say."""
    pending: list[list[int]] = [[]]
    for line in lines[1:]:
        text = LINE.match(line)["text"]  # type: ignore[index]
        number = int(re.search(r"\u00d7 (\d+)$", text)[1]) if "\u00d7" in text else 1  # type: ignore[index]
        if text.endswith("{"):
            pending.append([])
        elif text.startswith("}"):
            inside = pending.pop()
            pending[-1].append(number * (1 + sum(inside)))
        else:
            pending[-1].append(number)
    return sum(pending[0])


def test_folded_calls_stand_for_as_many_as_there_were(
    program: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = tree(program, tmp_path / "out")
    calls = [what for what, _ in told(program, capfd.readouterr().out)].count("+")
    assert expanded(lines) == calls
    assert sum("\u00d7" in line for line in lines) >= 3


def test_calls_in_a_row_that_look_the_same_are_one_line(program: Path, tmp_path: Path) -> None:
    lines = tree(program, tmp_path / "out", functions=("main", "leaf", "twice"))
    assert [re.sub(r"^.*│ ", "", line) for line in lines[1:6]] == [
        "main() {",
        "  leaf()  \u00d7 5",
        "  twice() {",
        "    leaf()  \u00d7 2",
        "  }  /* twice */  \u00d7 3",
    ]


def test_depth_leaves_out_what_is_nested_deeper(program: Path, tmp_path: Path) -> None:
    lines = tree(program, tmp_path / "out", depth=2, format="tree:fold=no")
    assert {LINE.match(line)["indent"] for line in lines[1:]} == {"", "  "}  # type: ignore[index]


def test_tree_of_shows_the_calls_of_one_function_with_what_is_in_them(program: Path, tmp_path: Path) -> None:
    lines = tree(program, tmp_path / "out", tree_of="outer", format="tree:fold=no")
    top = [LINE.match(line)["text"] for line in lines[1:] if LINE.match(line)["indent"] == ""]  # type: ignore[index]
    assert top == ["outer() {", "}  /* outer */"] * 2
    assert not any("twice" in line for line in lines)


def test_min_time_leaves_out_what_was_shorter(program: Path, tmp_path: Path) -> None:
    every = tree(program, tmp_path / "every", format="tree:fold=no,unit=time")
    some = tree(program, tmp_path / "some", format="tree:fold=no", min_time=200)
    times = [LINE.match(line)["amount"] for line in some[1:]]  # type: ignore[index]
    assert 1 < len(some) < len(every)
    assert not any(time and time.endswith(" ns") and int(time[:-3]) < 200 for time in times)


def test_instructions_can_stand_in_place_of_the_time(program: Path, tmp_path: Path) -> None:
    """On the virtual clock they are the same where no system call is made."""
    took = tree(program, tmp_path / "time", functions=("leaf",), format="tree:fold=no")
    insns = tree(program, tmp_path / "insns", functions=("leaf",), format="tree:fold=no,unit=insns")
    assert [line.replace(" ns", "   ").split()[0] for line in took[1:]] == [
        line.split()[0] for line in insns[1:]
    ]


def test_a_tree_that_is_longer_than_what_waits_comes_out_whole(
    program: Path, monkeypatch: Any, tmp_path: Path
) -> None:
    whole = tree(program, tmp_path / "whole", format="tree:fold=no")
    monkeypatch.setattr("uprobe_writers.tree._MOST", 3)
    assert tree(program, tmp_path / "parts", format="tree:fold=no") == whole


@pytest.mark.parametrize("text", ["tree:unit=weeks", "tree:depth=-1", "tree:speed=1", "csv:depth=1"])
def test_an_option_that_the_format_cannot_have_is_refused(program: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        tree(program, tmp_path / "out", format=text)
    assert caught.value.slug == "bad-option"


def test_colours_change_no_text(program: Path, tmp_path: Path) -> None:
    plain = tree(program, tmp_path / "plain")
    painted = tree(program, tmp_path / "painted", format="tree:color=always")
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == plain


def test_a_call_on_another_stack_has_a_line_when_it_returns_after_all(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O1"], GUEST / "switches.c")
    setup = RunSetup(
        argv=(str(program), "switch"),
        functions=("switches", "body", "leaf"),
        output=str(tmp_path / "out"),
        format="tree",
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    lines = (tmp_path / "out").read_text(encoding="utf-8").splitlines()[1:]
    texts = [line.partition("│")[2][1:] for line in lines]
    late = "  body()  returned on another stack"
    first = ["  body() {", "    leaf()", "  }  /* body */  did not return"]
    assert texts == ["switches() {", *first, "  leaf()  \u00d7 2", late, "  leaf()", "}  /* switches */"]
    assert lines[texts.index(late)].split("│")[0].strip()


def texts(program: Path, out: Path, *names: str, **options: Any) -> list[str]:
    """What stands behind the first column, without the line of the task."""
    return [line.partition("│ ")[2] for line in tree(program, out, functions=names, **options)[1:]]


def test_several_events_of_a_function_are_one_call_with_the_arguments_of_all(
    program: Path, tmp_path: Path
) -> None:
    lines = (f"p:mine {program}:twice n=%x0:u64", f"r:back {program}:twice more=$retval:u64")
    events = tuple(EventLine(line, "-e") for line in lines)
    for engine in ("c", "py"):
        found = texts(program, tmp_path / engine, "twice", "leaf", events=events, engine=engine, clock="host")
        calls = [line for line in found if not line.startswith(" ")]
        assert calls[0] == "leaf()  \u00d7 5"
        assert re.fullmatch(r"twice\((n=\d+|…)\) \{", calls[1])
        assert re.match(r"\} = (\d+|…)  /\* twice", calls[2])
        assert not any("did not return" in line for line in found)


def test_events_of_a_hit_are_one_call_however_long_python_takes_from_one_to_the_next(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (f"p:mine {program}:twice n=%x0:u64", f"r:back {program}:twice more=$retval:u64")
    asked = {"events": tuple(EventLine(line, "-e") for line in lines), "clock": "host"}
    expected = texts(program, tmp_path / "c", "twice", "leaf", engine="c", format="tree:fold=no", **asked)
    slow = count(step=2_000_000)
    monkeypatch.setattr("uprobe_linux.processes.task.LinuxTask.clock", lambda _task: next(slow))
    found = texts(program, tmp_path / "py", "twice", "leaf", engine="py", format="tree:fold=no", **asked)
    assert found == expected
    assert sum(line.startswith("twice(") for line in found) == 3


def test_an_indirect_function_and_what_it_is_are_one_call(tmp_path: Path) -> None:
    program = build_debian("indirect.c", "-static", "-O1")
    assert texts(program, tmp_path / "out", "work", "work_a", "main") == [
        "main() {",
        "  work()  \u00d7 7",
        "}  /* main */",
    ]


def test_a_return_alone_shows_its_values_as_results(program: Path, tmp_path: Path) -> None:
    events = (EventLine(f"r:back {program}:twice rv=$retval:u64 n=$arg1:u64", "-e"),)
    found = texts(program, tmp_path / "out", events=events, format="tree:fold=no")
    assert found
    assert all(re.fullmatch(r"twice\(\) = rv=\d+, n=\d+", line) for line in found)


def test_a_child_is_in_the_calls_that_it_was_forked_in(tmp_path: Path) -> None:
    program = compiled(["aarch64-linux-gnu-gcc", "-static", "-O1"], GUEST / "forks_inside.c")
    found = texts(program, tmp_path / "out", "outer", "forker", "leaf", "child_begins")
    at = found.index("outer() {", found.index("}  /* outer */"))
    assert found[at : at + 7] == [
        "outer() {",
        "  forker() {",
        "    child_begins()",
        "    leaf()  \u00d7 2",
        "  }  /* forker */  entered before the fork",
        "}  /* outer */  entered before the fork",
        "leaf()",
    ]


@pytest.mark.parametrize(("amount", "style"), [(999_999, "  1.000 ms"), (1_000_000, "\x1b[1;31m")])
def test_a_call_of_a_millisecond_is_red(amount: int, style: str) -> None:
    node = Node("f")
    node.close(amount)
    assert "".join(Look("time", color=True).line(node, 0, "leaf")).startswith(style)
