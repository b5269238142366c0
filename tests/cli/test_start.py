"""Starting up: what is imported, what help says, and what wrong usage gets."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import uprobe
from uprobe_core.cli import COMMANDS, build_parser, main

LOOP = Path(__file__).parents[2] / "examples" / "loop"
HEAVY = {
    "unicorn",
    "capstone",
    "pypcode",
    "elftools",
    "stevedore",
    "pluggy",
    "rich",
    "importlib.metadata",
    "json",
}


def imported(*command: str) -> set[str]:
    """The modules that a Python command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True
    )
    return {
        line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }


@pytest.mark.parametrize(
    "argv",
    [
        ["-c", "import uprobe_core"],
        ["-m", "uprobe_core.cli", "--help"],
        ["-m", "uprobe_core.cli", "--version"],
        *(["-m", "uprobe_core.cli", name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_importing_and_asking_for_help_load_nothing_heavy(argv: list[str]) -> None:
    # json comes with the editable install's finder on some set-ups; our own code must not be its reason.
    assert not imported(*argv) & (HEAVY - imported("-c", "pass"))


def test_a_run_loads_nothing_that_it_does_not_need() -> None:
    """Each of these takes as long as tens of modules of ours."""
    command = ("-m", "uprobe_core.cli", "run", "-e", f"p {LOOP}:main", str(LOOP), "0")
    others = {"inspect", "tempfile", "shutil", "pathlib", "subprocess", "urllib.parse"} | {
        "uprobe_core.stacks.user_stacks"
    }
    assert not imported(*command) & ((HEAVY | others) - imported("-c", "pass"))


@pytest.mark.parametrize(
    ("words", "most"), [((), 237), (("-e", f"p {LOOP}:main"), 296)], ids=["plain", "probe"]
)
def test_a_run_loads_no_more_of_us_than_it_did(words: tuple[str, ...], most: int) -> None:
    """A module is a quarter of a millisecond: what few runs need is imported where it is used."""
    ours = {
        name
        for name in imported("-m", "uprobe_core.cli", "run", *words, str(LOOP), "0")
        if name[:7] == "uprobe_"
    }
    assert len(ours) <= most, sorted(ours)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    text = build_parser(name).format_help()
    assert "example" in text
    assert f"uprobe {name}" in text


def test_help_lists_every_command_with_what_it_does() -> None:
    text = uprobe("--help").stdout
    for name, summary in COMMANDS.items():
        assert f"  {name}" in text
        assert summary in " ".join(text.split())


def test_no_command_is_wrong_usage() -> None:
    done = uprobe()
    assert done.returncode == 2
    assert "usage: uprobe COMMAND" in done.stderr


def test_an_unknown_command_gets_the_nearest_one() -> None:
    done = uprobe("clasify")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "uprobe: error: no command is called 'clasify'"
    assert "did you mean 'classify'?" in done.stderr


@pytest.mark.parametrize("argv", ["run", "run --nope", "run --mode x a", "why", "check"])
def test_wrong_usage_is_2_with_the_usage_line(argv: str) -> None:
    done = uprobe(*argv.split())
    assert done.returncode == 2
    assert done.stderr.startswith("usage: uprobe")
    assert "Traceback" not in done.stderr


def test_options_are_not_abbreviated() -> None:
    assert uprobe("list", "./loop", "--js").returncode == 2


def test_the_version_is_the_packages() -> None:
    from uprobe_core import __version__

    assert uprobe("--version").stdout == f"uprobe {__version__}\n"


def test_main_may_be_called_again_after_any_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The modules of the commands are attributes of the package by then, ``list`` among them."""
    for name in COMMANDS:
        importlib.import_module(f"uprobe_core.cli.{name.replace('-', '_')}")
    assert main(["why", "nowhere", "0"]) == 127
    assert "nowhere" in capsys.readouterr().err
