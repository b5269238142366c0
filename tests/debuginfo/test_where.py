"""Debug information wherever it lies, however it is written: the same names everywhere, or words why not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import uprobe
from tests.debuginfo.programs import SOURCES, built
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


def split(folder: Path, version: int, *flags: str) -> Path:
    """A program of two units in *folder*, whose debug information is split off with such *flags*."""
    if shutil.which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("needs aarch64-linux-gnu-gcc")
    (folder / "other.c").write_text(
        "struct other { int x; } other = {5};\nint get(void) { return other.x; }\n"
    )
    shutil.copy(SOURCES / "types.c", folder)
    command = ["aarch64-linux-gnu-gcc", "-O1", "-g", f"-gdwarf-{version}", *flags, "-c", "other.c", "types.c"]
    subprocess.run(command, cwd=folder, check=True)
    link = ["aarch64-linux-gnu-gcc", "-static", "other.o", "types.o", "-lm", "-o", "types"]
    subprocess.run(link, cwd=folder, check=True)
    return folder / "types"


@pytest.mark.parametrize("version", [pytest.param(4, marks=pytest.mark.thorough), 5])
def test_names_are_the_same_split_off(
    version: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / name for name in ("plain", "split", "away", "debug")]
    for each in folders:
        each.mkdir()
    plain = split(folders[0], version)
    path = split(folders[1], version, "-gsplit-dwarf", "-fdebug-types-section")
    wanted = programs(plain, capsys)
    assert programs(path, capsys) == wanted
    alone = Path(shutil.copy(path, folders[2]))
    for each in folders[1].glob("*.dwo"):
        each.rename(folders[3] / each.name)
    done = uprobe("check", "-e", f"p:a {alone}:parse $args", str(alone))
    assert done.returncode
    assert "is split off, in types.dwo or a .dwp file, and" in done.stdout + done.stderr
    assert "split off" in uprobe("doctor", str(alone)).stdout
    words = ("--debug-dir", str(folders[3]), "-e", f"p:a {alone}:parse $args", str(alone))
    assert uprobe("check", *words).returncode == 0
    for each in folders[3].glob("*.dwo"):
        each.rename(folders[2] / each.name)
    assert programs(alone, capsys) == wanted
    line = f"p:a {alone}:get x=other.x y=((large*)%x0)->words[0]"  # the type is the other unit's
    assert uprobe("check", "-e", line, str(alone)).returncode == 0


@pytest.mark.thorough
def test_names_are_the_same_packed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("dwp") is None:
        pytest.skip("needs dwp")
    (tmp_path / "plain").mkdir()
    path = split(tmp_path, 4, "-gsplit-dwarf", "-fdebug-types-section")
    subprocess.run(["dwp", "-e", "types", "-o", "types.dwp"], cwd=tmp_path, check=True, timeout=60)
    for each in tmp_path.glob("*.dwo"):
        each.unlink()
    assert programs(path, capsys) == programs(split(tmp_path / "plain", 4), capsys)


def test_the_rest_of_another_build_is_not_taken(tmp_path: Path) -> None:
    path = split(tmp_path, 5, "-gsplit-dwarf")
    shutil.copy(tmp_path / "other.dwo", tmp_path / "types.dwo")
    done = uprobe("check", "-e", f"p:a {path}:parse $args", str(path))
    assert done.returncode
    assert "that of this build is not found" in done.stdout + done.stderr


def test_zstd_is_read_or_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, path = built("types.c", "-O2", "-gdwarf-5"), tmp_path / "types"
    words = ["aarch64-linux-gnu-objcopy", "--compress-debug-sections=zstd", str(plain), str(path)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs an objcopy with zstd")
    try:
        assert programs(path, capsys) == programs(plain, capsys)
    except (AssertionError, SystemExit):
        assert "zstd packs it" in uprobe("doctor", str(path)).stdout


def test_a_debug_file_is_found_for_a_program_with_a_relative_name(tmp_path: Path) -> None:
    whole, folder = built("types.c", "-O2"), tmp_path / "debug"
    apart = folder / f"{tmp_path}/types.debug".lstrip("/")
    apart.parent.mkdir(parents=True)
    objcopy = "aarch64-linux-gnu-objcopy"
    subprocess.run([objcopy, "--only-keep-debug", str(whole), str(apart)], check=True)
    link = f"--add-gnu-debuglink={apart}"
    words = ["--strip-all", "--remove-section=.note.gnu.build-id", link, str(whole), str(tmp_path / "types")]
    subprocess.run([objcopy, *words], check=True)
    line = ("-e", "p:a ./types:parse $args", "./types")
    assert uprobe("check", "--debug-dir", str(folder), *line, cwd=tmp_path).returncode == 0
    with apart.open("ab") as file:
        file.write(b"x")  # the checksum is another
    done = uprobe("check", "--debug-dir", str(folder), *line, cwd=tmp_path)
    assert "the file has no symbols" in done.stdout + done.stderr
    said = uprobe("doctor", "--debug-dir", str(folder), "types", cwd=tmp_path).stdout
    assert "types.debug, which the file names, is not found, or is of another build" in said
