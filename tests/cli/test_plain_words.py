"""What is read without argparse is what argparse reads, and the rest is left to it."""

from __future__ import annotations

import random
from typing import NoReturn

import pytest

from uprobe_core.cli import _joined, build_parser
from uprobe_core.cli.plain_words import read_plainly

WORDS = (
    *("-e", "p:a ./b:c", "--event=p ./b:c", "--event", "-C", "count", "-o", "--mode", "trap", "--mode=jump"),
    *("--mode=wrong", "wrong", "-S", "--strict", "--strict=1", "--timeout", "5", "-5", "--timeout=", "", "-"),
    *("--", "--", "./prog", "./prog", "-x", "--unknown", "-Cx", "-e=p", "--sysroot=/a=b:ro", "-:work", "-h"),
    *("--debug", "--debug=hits", "--env", "A=-1", "--returns", "watch", "--", "a b", "-a b", "--eve", "-SS"),
)


def refuse(text: str) -> NoReturn:
    raise AssertionError(text)


def argparses(arguments: list[str]) -> object:
    """What argparse gathers of *arguments*; None if it ends instead."""
    try:
        args = PARSER.parse_args(_joined(arguments, PARSER))
    except SystemExit:
        return None
    return args.given, args.program[1:] if args.program[:1] == ["--"] else args.program, args.debug


PARSER = build_parser("run")


def test_lines_of_any_words_are_read_alike(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = random.Random(1)
    plain = 0
    for _ in range(1500):
        arguments = chosen.choices(WORDS, k=chosen.randint(0, 7))
        found = read_plainly(arguments, refuse)
        if found is not None:
            plain += 1
            assert (found.given, found.program, found.debug) == argparses(arguments), arguments
    capsys.readouterr()
    assert plain > 300


@pytest.mark.parametrize("flag", ["--help", "--debug", "--even", "-Cx", "--mode=wrong", "-x", "--strict=1"])
def test_what_is_not_ordinary_is_left_to_argparse(flag: str) -> None:
    assert read_plainly([flag, "./prog"], refuse) is None


def test_options_behind_the_program_are_the_programs() -> None:
    found = read_plainly(["-S", "./prog", "--help", "--", "-x"], refuse)
    assert found is not None
    assert found.program == ["./prog", "--help", "--", "-x"]
