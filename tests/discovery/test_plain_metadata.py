"""Entry points read without importlib.metadata are those that it finds."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import Distribution, DistributionFinder, entry_points
from pathlib import Path

import pytest

from tests.discovery.plugin_sources import GOOD_DECODER, Install
from uprobe_core.discovery.entries import Kind, entries
from uprobe_core.discovery.load import load_decoder
from uprobe_core.discovery.plain_metadata import plain_points

GROUP = "uprobe.decoders"


def of_python() -> list[tuple[str, str, str]]:
    points = entry_points(group=GROUP)
    return sorted(
        (p.name, p.value, f"{p.dist.metadata['Name']} {p.dist.version}") for p in points if p.dist is not None
    )


def of_ours() -> list[tuple[str, str, str]]:
    points = plain_points(GROUP)
    assert points is not None
    return sorted((point.name, point.value, point.distribution) for point in points)


def test_what_is_installed_here_is_what_python_finds() -> None:
    assert of_ours() == of_python()


def test_a_package_twice_on_the_path_counts_once_whatever_it_is_spelled_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name in (("a", "Third.Party"), ("b", "third_party")):
        info = tmp_path / folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nName: no\n")
        (info / "entry_points.txt").write_text(
            f"[console_scripts]\nx = y:z\n\n[{GROUP}]\n# none = of:these\n {folder}=m : C.D [extra]\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert of_ours() == of_python()
    assert ("b", "m : C.D [extra]", "third_party 1.0") in of_ours()


def test_a_package_that_was_installed_meanwhile_is_seen(install: Install) -> None:
    before = of_ours()
    install("third", GROUP, {"third": "third_dec:D"}, {"third_dec": GOOD_DECODER})
    assert set(of_ours()) - set(before) == {("third", "third_dec:D", "third 1.0")}


def test_an_archive_on_the_path_is_left_to_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "third.zip", "w") as archive:
        archive.writestr("third-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
        archive.writestr("third-1.0.dist-info/entry_points.txt", f"[{GROUP}]\nzipped = third_zip:D\n")
        archive.writestr("third_zip.py", GOOD_DECODER)
    monkeypatch.syspath_prepend(str(tmp_path / "third.zip"))
    assert plain_points(GROUP) is None
    assert "zipped" in [entry.name for entry in entries(Kind.DECODER)]
    assert load_decoder("zipped").decode(b"", 0) is None
    sys.modules.pop("third_zip")


def test_a_finder_of_somebody_elses_is_left_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder(DistributionFinder):
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, _context: object = None) -> list[Distribution]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert plain_points(GROUP) is None
    assert entries(Kind.DECODER)
