"""The house holds: no import circle between files, and what outsiders may import lies at the top."""

from __future__ import annotations

from tests.house.imports import arrows, circles, modules


def test_a_circle_is_found_wherever_it_closes() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c"]]


def test_no_file_reaches_itself_through_its_imports() -> None:
    assert circles(arrows(modules())) == []


def test_every_module_is_looked_at() -> None:
    found = modules()
    assert {"uprobe_core", "uprobe_core.session.session", "uprobe_linux.machine", "uprobe_arm64.arch"} <= set(
        found
    )
