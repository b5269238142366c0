"""Fake distributions: a folder on sys.path with dist-info and modules, no installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.discovery.plugin_sources import Install
from uprobe_core.discovery.called import LOAD_SWITCH


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(name, group, {entry: target}, {module: source})`` makes a distribution importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(LOAD_SWITCH, raising=False)
    before = set(sys.modules)

    def make(name: str, group: str, points: dict[str, str], modules: dict[str, str]) -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{entry} = {target}\n" for entry, target in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        for module, source in modules.items():
            (tmp_path / f"{module}.py").write_text(source)

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("third_"):
            del sys.modules[name]
