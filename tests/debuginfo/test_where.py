"""Debug information wherever it lies, however it is written: the same names everywhere, or words why not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import uprobe
from tests.debuginfo.programs import built
from uprobe_core.cli import main

LINES = ("p:a {}:parse $args l=o->level", "p:b {}:scaled $args", "p:c {}:turn k=((options*)%x0)->level")


def programs(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What fetches the names of LINES in the program at *path*, without what is the file's own."""
    words = [word for line in LINES for word in ("-e", line.replace("{}", str(path)))]
    assert main(["check", "--explain", *words, str(path)]) == 0
    return capsys.readouterr().out.replace(str(path), "PROGRAM")


@pytest.mark.parametrize(
    "flags",
    [
        ("-gdwarf-4", "-fdebug-types-section"),
        ("-gdwarf-5", "-fdebug-types-section"),
        ("-gdwarf-5", "-gdwarf64"),
        ("-gdwarf-5", "-gz=zlib"),
        ("-gdwarf-4", "-gz=zlib-gnu"),
    ],
    ids=" ".join,
)
def test_names_are_the_same_however_they_are_written(
    flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    plain = built("types.c", "-O2", next((flag for flag in flags if flag.startswith("-gdwarf-")), ""))
    assert programs(built("types.c", "-O2", *flags), capsys) == programs(plain, capsys)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_names_are_the_same_after_dwz(
    version: int, shared: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("dwz") is None:
        pytest.skip("needs dwz")
    plain = built("types.c", "-O2", f"-gdwarf-{version}")
    path, other = tmp_path / "types", tmp_path / "other"
    for each in (path, other):
        shutil.copy(plain, each)
    words = ["-m", "shared.debug", "types", "other"] if shared else ["types"]
    subprocess.run(["dwz", *words], cwd=tmp_path, check=True)
    assert (tmp_path / "shared.debug").exists() == shared
    assert programs(path, capsys) == programs(plain, capsys)


@pytest.mark.parametrize("version", [4, 5])
def test_split_debug_information_is_refused_in_words(version: int) -> None:
    path = built("types.c", "-O1", f"-gdwarf-{version}", "-gsplit-dwarf")
    done = uprobe("check", "-e", f"p:a {path}:parse $args", str(path))
    assert done.returncode
    assert "the debug information is split off, in " in done.stdout + done.stderr
    assert "compile without -gsplit-dwarf" in done.stdout + done.stderr


def test_zstd_is_read_or_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, path = built("types.c", "-O2", "-gdwarf-5"), tmp_path / "types"
    words = ["aarch64-linux-gnu-objcopy", "--compress-debug-sections=zstd", str(plain), str(path)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs an objcopy with zstd")
    try:
        assert programs(path, capsys) == programs(plain, capsys)
    except (AssertionError, SystemExit):
        assert "zstd packs it" in uprobe("doctor", str(path)).stdout
