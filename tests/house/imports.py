"""Which file imports which, by the sources: type-checking imports and those inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.programs import ROOT

__all__ = ("arrows", "circles", "modules")

ROOMS = (".", "backends", "decoders", "plugins")


def modules() -> dict[str, Path]:
    """Every module of the project's packages, by its dotted name."""
    found: dict[str, Path] = {}
    for room in ROOMS:
        for file in (ROOT / room).glob("uprobe_*/**/*.py"):
            parts = file.relative_to(ROOT / room).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def arrows(files: dict[str, Path]) -> dict[str, set[str]]:
    """For each module the modules among *files* that it names in an import."""
    return {module: set(_imported(module, file, files)) for module, file in files.items()}


def _imported(module: str, file: Path, files: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [
                each if (each := f"{node.module}.{alias.name}") in files else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name for name in names if name in files and name != module)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other (strongly connected components of more than one)."""
    reach = {module: _reachable(module, graph) for module in graph}
    groups = {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in graph
        if module in reach[module]
    }
    return sorted(sorted(group) for group in groups)


def _reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += graph[module]
    return seen
