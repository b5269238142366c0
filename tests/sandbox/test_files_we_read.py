"""Files that we are given to read: whatever they are, there is an answer, and it comes soon."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.warm_python import ROOT, python

DIGITS = "1" * 5000


def uprobe(*words: str, cwd: Path) -> tuple[int, str]:
    """Status and standard error of ``uprobe WORDS``."""
    done = python("-m", "uprobe_core.cli", *words, cwd=cwd, timeout=30)
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "."])
@pytest.mark.parametrize(
    "words",
    [("list", "{}"), ("why", "{}", "0x10"), ("check", "-f", "{}"), ("check", "-c", "{}"), ("run", "{}")],
    ids=" ".join,
)
def test_what_is_no_file_is_refused_in_words(folder: Path, words: Sequence[str], name: str) -> None:
    status, err = uprobe(*(word.format(name) for word in words), cwd=folder)
    assert status in (125, 126, 127)
    assert "uprobe: error:" in err
    assert "internal" not in err


def test_a_pipe_that_somebody_opened_is_read(tmp_path: Path) -> None:
    done = python("-m", "uprobe_core.cli", "check", "-f", "/dev/stdin", stdin="# nothing\n", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok: 0 locations\n")


@pytest.mark.parametrize(
    "text",
    [
        f"[limits]\nseconds = {DIGITS}\n",
        "[limits]\nseconds = 1e300\n",
        "[limits]\nseconds = inf\n",
        f"[limits]\nmemory = {DIGITS}\n",
        "a = " + "[" * 100_000,
    ],
    ids=["digits", "1e300", "inf", "bytes", "nested"],
)
def test_a_setup_file_of_monsters_is_a_wrong_setup_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "monster.toml").write_text(text)
    status, err = uprobe("check", "-c", "monster.toml", cwd=tmp_path)
    assert status == 125
    assert "monster.toml" in err
    assert "internal" not in err


def test_a_place_with_a_number_of_thousands_of_digits_is_a_wrong_place(tmp_path: Path) -> None:
    status, err = uprobe("why", str(ROOT / "examples" / "loop"), f"main+{DIGITS}", cwd=tmp_path)
    assert (status, "is not a number" in err) == (2, True)


@pytest.mark.parametrize("option", ["-o", "--report", "--profile"])
@pytest.mark.parametrize("name", ["planted", "folder/file"])
def test_a_link_that_a_program_may_have_planted_is_not_followed(
    tmp_path: Path, option: str, name: str
) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "planted").symlink_to(tmp_path / "victim")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    status, err = uprobe("run", option, name, "--", "./program", cwd=tmp_path)
    assert status != 0
    assert "is a link to" in err
    assert (tmp_path / "victim").read_text() == "precious"
    assert list((tmp_path / "elsewhere").iterdir()) == []
