"""Paths that the CPU follows by itself, at and below what is mounted, lead to where Python finds them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from uprobe_linux.syscalls import own, table
from uprobe_unicorn import UnicornBackend

from tests.linux.guests import build
from tests.linux.run_guest import Nobody
from uprobe_core.backend import Target
from uprobe_core.target import Bind

pytest.importorskip("uprobe_unicorn.native._glue")
BY_PATH = ("newfstatat", "statfs", "openat")


class Places:
    """A tree of our own, with one folder mounted below another in it and the rest of it as it is."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: Any) -> None:
        self._folder, self._monkeypatch, self._output = tmp_path, monkeypatch, output
        self.in_python: Counter[str] = Counter()
        for name in ("root/mnt/plain", "root/mnt/deep", "inner/sub", "above/point", "below"):
            (tmp_path / name).mkdir(parents=True)
        for name in ("root/mnt/plain/file", "inner/sub/file", "inner/file", "above/file", "below/file"):
            (tmp_path / name).write_text(name)
        (tmp_path / "root/mnt/link").symlink_to("/mnt/deep")

    def seen(self, *paths: str) -> str:
        """What the guest prints of *paths*; how often Python was asked is counted."""
        self.in_python.clear()
        real = table.call

        def call(entry: Any, task: Any, arguments: tuple[int, ...]) -> int:
            self.in_python[entry.name] += 1
            return real(entry, task, arguments)

        self._monkeypatch.setattr(table, "call", call)
        binds = [
            Bind(str(build("places")), "/places"),
            Bind(str(self._folder / "inner"), "/mnt/deep/inner"),
            Bind(str(self._folder / "above"), "/srv"),
            Bind(str(self._folder / "below"), "/srv/point"),
        ]
        target = Target(argv=("/places", *paths), sysroot=str(self._folder / "root"), binds=binds)
        machine: Any = UnicornBackend().open(target, Nobody())
        try:
            if machine.cpu.calls is None:
                pytest.skip("no forms in C here")
            assert machine.run().shell_status == 0
        finally:
            machine.close()
            self._monkeypatch.setattr(table, "call", real)
        return str(self._output.readouterr().out)

    def seen_by_python(self, *paths: str) -> str:
        """The same where Python makes all calls."""
        with self._monkeypatch.context() as patch:
            patch.setattr(own, "FORMS", {})
            return self.seen(*paths)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Places:
    return Places(tmp_path, monkeypatch, capfd)


def test_what_is_mounted_deeper_is_found_without_python(places: Places) -> None:
    inner = "/mnt/deep/inner"
    paths = (inner, f"{inner}/", f"{inner}/sub", f"{inner}/sub/file", f"{inner}/none", "/srv/point/file")
    seen = places.seen(*paths)
    asked = {name: places.in_python[name] for name in BY_PATH}
    assert max(asked.values()) <= len(paths), "each path eight times; Python gives a new file its time"
    assert seen == places.seen_by_python(*paths)


@pytest.mark.parametrize(
    "path",
    [
        "/mnt",  # of the root's, with a mount below it
        "/mnt/deep",
        "/mnt/deep/none",
        "/mnt/deep/innermost",  # begins as the mount's name
        "/mnt//deep/inner/file",
        "/mnt/./deep/inner/file",
        "/mnt/deep/inner/../inner/file",
        "/mnt/link/inner/file",
        "/srv",  # mounted, with a mount below it
        "/srv/file",
        "/srv/point",
        "/srv/points",
        "/",
    ],
)
def test_other_ways_to_a_mount_lead_where_they_lead_in_python(places: Places, path: str) -> None:
    assert places.seen(path) == places.seen_by_python(path)
