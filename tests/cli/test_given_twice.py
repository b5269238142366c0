"""Options that are given twice: lists are added up, what is replaced is said, what cannot be is refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from tests.cli.command import LOOP, uprobe
from uprobe_core.cli import build_parser, main
from uprobe_core.cli.gathering import gather, is_asked_for
from uprobe_core.errors import UsageError
from uprobe_core.option import Option, flags_of
from uprobe_core.setup.options import OPTIONS

VALUES = ("1", "2", "1M", "2M", "1us", "2us", "kernel", "anywhere")


def takes_one(row: Option) -> bool:
    return is_asked_for(row) and not row.is_switch and not row.kind.adds


def two_values(row: Option) -> tuple[str, str]:
    """Texts of the flag that mean different things."""
    found = {}
    for text in row.kind.words or VALUES:
        try:
            found[repr(row.given(text))] = text
        except (ValueError, UsageError):
            continue
    one, other, *_ = found.values()
    return one, other


def parsed(*words: str) -> argparse.Namespace:
    return build_parser("run").parse_args(words)


@pytest.mark.parametrize("row", [row for row in OPTIONS if takes_one(row)], ids=lambda row: row.name)
def test_of_an_option_with_one_value_the_last_one_holds_and_that_is_said(
    row: Option, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = flags_of(row)[0][-1]
    one, other = two_values(row)
    assert gather(parsed(flag, one, flag, other)) == gather(parsed(flag, other))
    assert f"uprobe: warning: {flag} {other} takes the place of {flag} {one}" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--env", "--var"])
def test_so_is_another_value_of_a_variable(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    gather(parsed(flag, "A=1", flag, "B=1", flag, "A=2"))
    said = f"uprobe: warning: {flag} A=2 takes the place of {flag} A=1\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("flag", "one", "other"),
    [("--filter", "work:a > 1", "work:a > 2"), ("--bind", "/a:/w", "/b:/w")],
)
def test_what_is_meant_to_hold_together_is_refused(
    flag: str, one: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", flag, one, flag, other, "--", str(LOOP), "2"]) == 2
    assert f"{flag} {one} and {flag} {other} cannot both hold" in capsys.readouterr().err


def test_the_same_value_may_be_said_again(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    done = uprobe(
        "run", "-S", "-S", "-o", out, "-o", out, "--env", "A=1", "--env", "A=1", "--", str(LOOP), "2"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_each_report_is_written(tmp_path: Path) -> None:
    reports = [tmp_path / f"report.{end}" for end in ("html", "md", "json")]
    words = [word for path in reports for word in ("--report", str(path))]
    done = uprobe("run", "-F", "work", "-C", "count", *words, "--", str(LOOP), "2")
    assert (done.returncode, done.stdout) == (0, "sum 3\n")
    page, markdown, document = (path.read_text() for path in reports)
    assert page.startswith("<!doctype html>")
    assert "## count" in markdown
    assert json.loads(document)["consumers"][0]["found"]["events"] == {"loop/work": 2}


@pytest.mark.parametrize("report", ['"./a.json"', '["./a.json", "./b.markdown"]'])
def test_a_file_names_one_report_or_a_list_and_the_command_line_adds_its_own(
    report: str, tmp_path: Path
) -> None:
    setup = tmp_path / "setup.toml"
    setup.write_text(f"[functions]\nmatch = ['work']\n[output]\nreport = {report}\nfile = './out'\n")
    done = uprobe("run", "-c", str(setup), "--report", str(tmp_path / "c.json"), "--", str(LOOP), "2")
    assert (done.returncode, done.stderr) == (0, "")
    written = {path.name for path in tmp_path.iterdir()} - {"setup.toml", "out"}
    assert written == {"a.json", "c.json"} | ({"b.markdown"} if "b.markdown" in report else set())


@pytest.mark.parametrize("other", ["--report", "--profile", "--junit-xml"])
def test_one_file_for_two_options_is_refused_before_it_is_touched(other: str, tmp_path: Path) -> None:
    path = tmp_path / "both.json"
    path.write_text("kept")
    done = uprobe("run", "-F", "work", "-o", str(path), other, f"{path.parent}/./both.json", "--", str(LOOP))
    assert done.returncode == 2
    assert "are one file" in done.stderr
    assert path.read_text() == "kept"
