"""Set-up files that grow: what they extend, variables, paths of their own, matrices, programs."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.cli import main
from uprobe_core.errors import ConfigError
from uprobe_core.setup.file import SetupFile, read_file
from uprobe_core.setup.matrix import Matrix, given_by_cell
from uprobe_core.setup.options import combine

LOOP = Path(__file__).parents[2] / "examples" / "loop"


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return str(path)


def read(path: Path, text: str, **variables: Any) -> SetupFile:
    return read_file(write(path, text), variables, {})


def good(path: Path, text: str, **variables: Any) -> dict[str, Any]:
    found = read(path, text, **variables)
    assert found.problems == []
    return dict(found.given)


def wrong(path: Path, text: str) -> str:
    return "\n".join(f"{problem} {problem.hint}" for problem in read(path, text).problems)


# --- extends ---------------------------------------------------------------------------------------------


def test_a_file_comes_on_top_of_what_it_extends(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", 'consumers = ["count"]\n[run]\nmode = "trap"\n[limits]\nseconds = 1\n')
    given = good(
        tmp_path / "own.toml", 'extends = "./base.toml"\nconsumers = ["hist:arg=a"]\n[limits]\nseconds = 2\n'
    )
    setup = combine(given)
    assert [use.name for use in setup.consumers] == ["count", "hist"]
    assert setup.mode.value == "trap"
    assert setup.limits.seconds == 2


def test_later_bases_beat_earlier_ones(tmp_path: Path) -> None:
    for seed in (1, 2):
        write(tmp_path / f"{seed}.toml", f"[target]\nseed = {seed}\n")
    assert good(tmp_path / "own.toml", 'extends = ["./1.toml", "./2.toml"]')["seed"] == 2


def test_a_file_that_extends_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", 'extends = "./b.toml"')
    assert "extends itself" in wrong(tmp_path / "b.toml", 'extends = "./a.toml"')


def test_a_base_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.toml"):
        read(tmp_path / "a.toml", 'extends = "./nope.toml"')


def test_a_mistake_in_a_base_names_the_base(tmp_path: Path) -> None:
    base = write(tmp_path / "base.toml", "[limits]\nsecond = 1\n")
    (problem,) = read(tmp_path / "own.toml", 'extends = "./base.toml"').problems
    assert problem.file == base


# --- variables -------------------------------------------------------------------------------------------

USE = '[variables]\nN = "file"\n[target]\nargv = ["./loop", "${N}", "x${N}y", "${M:-default}", "$retval"]\n'


@pytest.mark.parametrize(
    ("variables", "environment", "value"),
    [({"N": "told"}, {"N": "env"}, "told"), ({}, {"N": "env"}, "env"), ({}, {}, "file")],
)
def test_a_variable_is_what_is_told_then_the_environments_then_the_files(
    tmp_path: Path, variables: dict[str, Any], environment: dict[str, str], value: str
) -> None:
    argv = read_file(write(tmp_path / "a.toml", USE), variables, environment).given["argv"]
    assert argv[1:] == (value, f"x{value}y", "default", "$retval")


def test_a_variable_without_a_value_is_a_problem_that_says_where_to_give_it(tmp_path: Path) -> None:
    said = wrong(tmp_path / "a.toml", '[target]\ncwd = "${NOWHERE}"')
    assert "variable 'NOWHERE' has no value" in said
    assert "--var NOWHERE=VALUE" in said


def test_a_list_takes_the_place_of_an_item_that_is_only_its_variable(tmp_path: Path) -> None:
    given = good(tmp_path / "a.toml", '[target]\nargv = ["p", "${args}", "z"]', args=("x", "y"))
    assert given["argv"] == ("p", "x", "y", "z")


def test_the_command_line_gives_variables(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.toml", f'events = ["p:w {LOOP}:${{F}}"]\n')
    assert main(["check", "-c", path, "--var", "F=work", "--list", str(LOOP), "1"]) == 0
    assert "p:uprobes/w " in capfd.readouterr().out


# --- paths -----------------------------------------------------------------------------------------------

PATHS = """
    events-files = ["./a.txt"]
    events = ["p:w ./bin/app:main a=%x0", { place = "./bin/app:main" }, "p:x other:main", "p ./bin/app:f"]

    [target]
    argv = ["./bin/app", "./arg"]
    sysroot-read-only = false

    [output]
    file = "./out"
    report = "out.json"
"""


def test_a_path_with_a_dot_is_relative_to_its_file_and_another_to_the_working_directory(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "deep"
    write(folder / "a.txt", "")
    write(folder / "bin" / "app", "")
    given = good(folder / "own.toml", PATHS)
    assert given["argv"] == (f"{folder}/bin/app", "./arg")
    assert given["output"] == f"{folder}/out"
    assert given["report"] == ("out.json",)
    app = f'"{folder}/bin/app"' if re.search(r"\s", str(folder)) else f"{folder}/bin/app"
    assert [line.text for line in given["events"] if hasattr(line, "text") and line.text] == [
        f"p:w {app}:main a=%x0",
        f"p {app}:main",
        "p:x other:main",
        f"p {app}:f",
    ]


def test_a_folder_with_white_space_is_put_in_quotation_marks(tmp_path: Path) -> None:
    write(tmp_path / "my app" / "app", "")
    given = good(
        tmp_path / "my app" / "own.toml", 'events = ["p:w ./app:main a=%x0", "p:v \\"./app\\":main"]'
    )
    assert [line.text for line in given["events"]] == [
        f'p:w "{tmp_path}/my app/app":main a=%x0',
        f'p:v "{tmp_path}/my app/app":main',
    ]


def test_a_path_to_what_is_not_beside_the_file_is_the_working_directorys(tmp_path: Path) -> None:
    given = good(tmp_path / "own.toml", 'events = ["p:w ./app:main"]\n[target]\nargv = ["./app"]\n')
    assert given["argv"] == ("./app",)
    assert given["events"][0].text == "p:w ./app:main"


@pytest.mark.parametrize("world", ['sysroot = "root"', 'cwd = "/w"'])
def test_a_program_with_a_world_of_its_own_is_told_its_paths_as_they_are(tmp_path: Path, world: str) -> None:
    given = good(tmp_path / "own.toml", f'events = ["p:w ./app:main"]\n[target]\n{world}\nargv = ["./app"]\n')
    assert given["argv"] == ("./app",)
    assert given["events"][0].text == "p:w ./app:main"


def test_the_examples_run_from_everywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert main(["run", "-c", str(LOOP.parent / "loop.toml")]) == 0
    finally:
        os.chdir(before)
    assert "work:" in capfd.readouterr().err


# --- some programs ---------------------------------------------------------------------------------------


def test_what_is_said_of_some_programs_is_on_top_for_them_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "a.toml", f'consumers = ["count"]\n[programs."*/loop"]\nevents = ["p:w {LOOP}:work"]\n'
    )
    assert main(["run", "-c", path, str(LOOP), "3"]) == 0
    assert "uprobes/w: count\n  3\n" in capfd.readouterr().err
    assert [*read_file(path, {}, {}).for_program("/bin/true")] == []


def test_a_mistake_in_what_is_said_of_a_program_is_named(tmp_path: Path) -> None:
    assert "[programs.x.limits] second" in wrong(tmp_path / "a.toml", "[programs.x.limits]\nsecond = 1\n")


# --- the matrix ------------------------------------------------------------------------------------------


def test_a_matrix_is_the_product_of_its_axes_the_last_one_fastest(tmp_path: Path) -> None:
    matrix = read(
        tmp_path / "a.toml", '[matrix]\nlevel = ["1", "2"]\nargs = [["a"], ["b", "c"]]\nseed = "0..2"'
    ).matrix
    assert len(matrix) == 12
    assert [matrix.cell(i) for i in (0, 1, 3, 11)] == [
        {"level": "1", "args": ("a",), "seed": 0},
        {"level": "1", "args": ("a",), "seed": 1},
        {"level": "1", "args": ("b", "c"), "seed": 0},
        {"level": "2", "args": ("b", "c"), "seed": 2},
    ]


@pytest.mark.parametrize("axis", ["[]", '"5..1"', '"a"', "3", "[[1]]", '[{ a = "b" }]'])
def test_an_axis_that_is_none_is_a_problem(tmp_path: Path, axis: str) -> None:
    assert "matrix.seed: must be" in wrong(tmp_path / "a.toml", f"[matrix]\nseed = {axis}")


def test_a_cell_names_program_arguments_and_options() -> None:
    cell = {"program": "b", "args": ("x",), "seed": 7, "mode": "trap", "level": "3"}
    given = given_by_cell(cell, ("a", "y"))
    assert given == {"argv": ("b", "x"), "seed": 7, "mode": combine({}).mode.__class__.TRAP}


def test_programs_of_a_matrix_are_relative_to_its_file(tmp_path: Path) -> None:
    write(tmp_path / "a", "")
    matrix = read(tmp_path / "a.toml", '[matrix]\nprogram = ["./a", "b"]').matrix
    assert matrix.axes["program"] == (f"{tmp_path}/a", "b")


def test_a_set_up_with_a_matrix_is_many_runs_and_no_single_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.toml", "[matrix]\nseed = '0..9'\n")
    assert main(["run", "-c", path, str(LOOP), "1"]) == 2
    assert "a matrix of seed" in capfd.readouterr().err


def test_no_axes_no_cells() -> None:
    assert len(Matrix({})) == 0
