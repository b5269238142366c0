"""``uprobe list -v``, ``list --vars`` and ``doctor FILE``: what the source says, and what was found of it."""

from __future__ import annotations

import json

import pytest

from tests.debuginfo.programs import SOURCES, built
from uprobe_core.cli import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(list(words))
    return capsys.readouterr().out


def test_verbose_shows_signature_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (SOURCES / "types.c").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if " parse(" in line)
    text = printed(capsys, "list", "-v", str(built("types.c", "-O2")), "parse")
    assert "int parse(char* s, options* o, int n, double w, _Bool on, char c)" in text
    assert f"types.c:{number}" in text


def test_verbose_shows_where_a_function_is_inlined(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "list", "-v", str(built("types.c", "-O2")), "scaled")
    assert text.count("int scaled(int value, int factor)") == 2
    assert text.count("inlined into main") == 2


def test_vars_are_what_has_a_name_at_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    program = built("types.c", "-O2")
    (place,) = json.loads(printed(capsys, "list", "--json", "--vars", f"{program}:turn"))["places"]
    found = {each["name"]: (each["kind"], each["type"]) for each in place["variables"]}
    parameters = {"p": "point", "o": "options", "k": "colour", "f": "flags"}
    assert found == {name: ("parameter", kind) for name, kind in parameters.items()} | {
        "q": ("local", "point")
    }


def test_doctor_says_what_debug_information_a_file_has(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "doctor", str(built("types.c", "-O1", "-gdwarf-4")))
    assert "DWARF 4" in text
    assert "units, in" in text
