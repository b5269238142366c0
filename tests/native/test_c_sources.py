"""The C sources keep the house rules: headers one way and one per file, sizes, who may know Python."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "uprobe_core/native/c"
UNICORN = ROOT / "backends/uprobe_unicorn/native"
FOLDERS = (ENGINE, ENGINE / "python", UNICORN / "glue", UNICORN / "calls", UNICORN / "tcg")
SOURCES = sorted(path for folder in FOLDERS for path in folder.glob("*.[ch]"))
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 50


def includes(path: Path) -> set[str]:
    """Names of our own headers that *path* includes."""
    return set(re.findall(r'^#include "(\S+)"', path.read_text(), re.MULTILINE))


def functions(path: Path) -> list[tuple[str, int]]:
    """(first line, lines) of each function in *path*, braces at the margin included."""
    found, first, start = [], "", 0
    for number, line in enumerate(path.read_text().splitlines()):
        if re.match(r"[A-Za-z].*\(", line):
            first, start = line, number
        if line == "}":
            found.append((first, number - start + 1))
    return found


def test_the_sources_are_found() -> None:
    assert {"engine.c", "module.c", "hooks.c", "shortcuts.c"} <= {path.name for path in SOURCES}


def test_headers_include_each_other_one_way_only() -> None:
    headers = {path.name: includes(path) for path in SOURCES if path.suffix == ".h"}
    assert len(headers) == len({path for path in SOURCES if path.suffix == ".h"}), "two have one name"
    assert set(TopologicalSorter(headers).static_order()) == set(headers)


def test_the_engine_includes_nothing_of_a_backend() -> None:
    own = {path.name for path in ENGINE.glob("*.h")}
    for path in ENGINE.glob("*.[ch]"):
        assert includes(path) <= own, path


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "module" not in path.name], ids=lambda p: p.name
)
def test_only_bindings_know_python(path: Path) -> None:
    assert "Python.h" not in path.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
    assert [entry for entry in functions(path) if entry[1] > MOST_LINES_OF_A_FUNCTION] == []


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.suffix == ".c" and "module" not in path.name],
    ids=lambda p: p.name,
)
def test_a_source_includes_its_own_header_first(path: Path) -> None:
    first = re.search(r'^#include "(\S+)"', path.read_text(), re.MULTILINE)
    assert first is not None
    assert first[1] == path.with_suffix(".h").name


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".c"], ids=lambda p: p.name)
def test_memory_comes_from_where_a_test_can_refuse_it(path: Path) -> None:
    assert re.findall(r"(?<![\w.>])(?:malloc|calloc|realloc|strdup)\(", path.read_text()) == []
