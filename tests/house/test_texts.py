"""What the texts for contributors name is there: documents, tasks, folders of tests, hooks."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.programs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TASKS = PROJECT["tool"]["poe"]["tasks"]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SOURCES = [
    path
    for pattern in ("*.md", "*/**/*.md", "*/**/*.py", "*/**/*.c", "*/**/*.h")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts) and "build" not in path.parts
]


def test_every_document_that_a_text_names_is_in_the_repository() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        if path.name != "test_texts.py"
        for name in re.findall(r"(?<![\w*./-])(?:\.\./)?([\w/.-]*\w\.md)\b", path.read_text())
        if not any((base / name).exists() for base in (ROOT, ROOT / "docs", path.parent))
    ]
    assert not missing


def test_the_tasks_of_contributing_are_those_that_there_are() -> None:
    table = CONTRIBUTING.partition("## Tasks")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(TASKS)


def test_every_task_of_a_sequence_is_there() -> None:
    named = {name for task in TASKS.values() for name in task.get("sequence", ())}
    assert named <= set(TASKS)


def test_everything_is_all_tasks_that_look_for_mistakes() -> None:
    """No kind of check is only known to CI."""
    asking = {name for name, task in TASKS.items() if "pytest" in task.get("cmd", "")}
    looking = asking | {"lint", "site"}
    assert set(TASKS["all"]["sequence"][:-1]) | set(TASKS["rest"]["sequence"]) == looking


def test_what_is_done_at_a_commit_is_our_own_tools_and_downloads_nothing() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}
    assert set(re.findall(r"language: (\S+)", text)) == {"system"}
    tools = re.findall(r"entry: \.venv-dev/bin/(\S+)", text)
    assert sorted(set(tools)) == ["lint-imports", "mypy", "ruff"]


@pytest.mark.parametrize("page", ["docs/testing.md", "CONTRIBUTING.md"])
def test_folders_of_tests_that_a_page_names_are_there(page: str) -> None:
    for name in re.findall(r"`(tests/[\w/.]+)`", (ROOT / page).read_text()):
        assert (ROOT / name).exists(), name
