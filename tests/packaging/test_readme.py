"""The README's promises that can be checked without a new environment."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.command import uprobe
from tests.warm_python import python

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """The set-up commands, each a single line."""
    return [line for line in README.splitlines() if line.startswith("python3 -m venv ")]


def test_there_are_two_set_up_commands_each_with_an_environment_of_its_own() -> None:
    one, two = commands()
    assert one.split()[3] != two.split()[3]
    assert "pytest" in two


def test_the_main_job_prints_what_the_readme_shows() -> None:
    command = shlex.split(commands()[0].split(" && ")[-1])
    done = uprobe(*command[1:], cwd=ROOT)
    assert done.stdout == "sum 7\n"
    shown = re.search(r"```\n( +loop-.*?)\n +\.\.\.\n```", README, re.DOTALL)
    assert shown is not None
    lines = [line for line in done.stderr.splitlines() if not line.startswith("#")]
    assert timeless(lines[: len(shown[1].splitlines())]) == timeless(shown[1].splitlines())


def timeless(lines: list[str]) -> list[str]:
    """Trace lines without their times: what work costs on the virtual clock is no promise."""
    return [re.sub(r"[0-9]+\.[0-9]{6}", "TIME", line) for line in lines]


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def more() -> list[str]:
    """The commands of the section that shows more."""
    (block,) = re.findall(r"## More\n.*?```sh\n(.*?)```", README, re.DOTALL)
    return [line.partition("#")[0].strip() for line in block.splitlines()]


@pytest.mark.parametrize("command", more())
def test_every_command_of_the_readme_works_in_examples(command: str) -> None:
    done = uprobe(*shlex.split(command)[1:])
    assert done.stdout + done.stderr
    if " ./loop 1000" in command:
        assert done.returncode == 1  # the program's own: it was called often
    else:
        assert done.returncode == 0, done.stderr


def test_the_python_example_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = python("-c", code, cwd=ROOT / "examples")
    assert done.stdout.startswith("sum 999250\n{'zero': 250, "), done.stderr
