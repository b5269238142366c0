"""Who types another tool's command or option is told what it is here."""

from __future__ import annotations

import re

import pytest

from uprobe_core.cli import COMMANDS, habits, main
from uprobe_core.option import flags_of
from uprobe_core.setup.options import OPTIONS


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("trace", "./app"), "hint: uprobe run -F PATTERN -- PROGRAM; commands: "),
        (("strace", "ls"), "hint: uprobe run -S -- PROGRAM; "),
        (("diff", "a", "b"), "hint: uprobe compare ONE OTHER; "),
        (("-F", "libc", "ls"), "hint: no command is given: uprobe run -F ... -- PROGRAM\n"),
        (("-p", "12"), "hint: uprobe attach PID enters a run that was started with --control auto\n"),
        (("run", "-p", "12"), "hint: uprobe attach PID enters "),
        (
            ("run", "-f", "-e", "trace=open", "ls"),
            "hint: forked processes are followed without being asked; ",
        ),
        (("run", "--function", "x", "ls"), "hint: did you mean --functions?\n"),
    ],
)
def test_it_is_named(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str) -> None:
    assert hint in said(capsys, *words)


def test_an_option_that_nobody_has_is_an_error_without_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "run", "--zzz", "ls").endswith("error: unrecognized arguments: --zzz\n")


def test_hints_speak_of_options_that_there_are() -> None:
    texts = [habits.of_command(word) for word in (*habits._COMMANDS, *habits._OTHER_COMMANDS)]
    texts += habits._BY_FLAG.values()
    known = {flag for row in OPTIONS for flag in flags_of(row)[0]} | {"--version", "--help", "--"}
    for text in texts:
        assert set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text)) <= known, text
        assert set(re.findall(r"uprobe ([a-z]+)\b", text)) <= set(COMMANDS), text


def test_no_command_of_ours_is_called_as_another_tools() -> None:
    assert not {*habits._COMMANDS, *habits._OTHER_COMMANDS} & set(COMMANDS)
