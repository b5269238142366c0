"""A program that cannot be run gives one clear error: 127 if it is not there, 126 for everything else."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from uprobe_unicorn import UnicornBackend

from tests.linux.guests import build, run
from tests.linux.run_guest import Nobody
from tests.programs import build_debian
from uprobe_core.backend import Target
from uprobe_core.errors import TargetError


def refusal(path: Path | str, root: Path) -> TargetError:
    """The error of opening *path*, which lies below the sysroot *root*."""
    name = "/" + str(Path(path).relative_to(root)) if str(path).startswith(str(root)) else str(path)
    with pytest.raises(TargetError) as caught:
        UnicornBackend().open(Target(argv=[name], sysroot=str(root)), Nobody())
    return caught.value


def executable(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def elf_header(machine: int = 183, kind: int = 2, bits: int = 2) -> bytes:
    ident = bytes([0x7F, 0x45, 0x4C, 0x46, bits, 1, 1]) + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)


def test_missing_program_is_127(tmp_path: Path) -> None:
    """As env and timeout have it."""
    error = refusal("/nothing", tmp_path)
    assert (error.exit_status, "no such program" in error.message) == (127, True)


def test_name_without_slash_is_looked_for_in_path(tmp_path: Path) -> None:
    """And not found there."""
    assert refusal("nothing", tmp_path).exit_status == 127


def test_folder_is_126(tmp_path: Path) -> None:
    """Named as what it is."""
    (tmp_path / "folder").mkdir()
    error = refusal(tmp_path / "folder", tmp_path)
    assert error.exit_status == 126
    assert "folder" in error.message


def test_file_without_execute_permission_is_126(tmp_path: Path) -> None:
    """Even for root, as on Linux."""
    (tmp_path / "plain").write_bytes(elf_header())
    assert "not executable" in refusal(tmp_path / "plain", tmp_path).message


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"hello\n", "not an ELF file"),
        (b"", "not an ELF file"),
        (b"\x7fELF\2\1\1", "truncated"),
        (elf_header(), "truncated"),
        (elf_header(machine=62), "x86-64"),
        (elf_header(machine=3, bits=1), "x86"),
        (elf_header(machine=40, bits=1), "32-bit ARM"),
        (elf_header(kind=1), "not an executable"),
        (elf_header() + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 0x1000, 0x1000, 0x1000), "truncated"),
        (elf_header() + struct.pack("<IIQQQQQQ", 1, 5, 8, 0x400000, 0, 16, 16, 0x1000), "impossible segment"),
        (elf_header() + struct.pack("<IIQQQQQQ", 1, 5, 0, 1 << 60, 0, 16, 16, 0x1000), "impossible segment"),
        (elf_header() + struct.pack("<IIQQQQQQ", 6, 5, 0, 0, 0, 16, 16, 8), "nothing to load"),
    ],
)
def test_what_is_not_an_arm64_program_is_126(tmp_path: Path, content: bytes, text: str) -> None:
    """The reason is in the message."""
    error = refusal(executable(tmp_path / "program", content), tmp_path)
    assert error.exit_status == 126
    assert text in error.message


def test_every_truncation_of_a_real_program_is_refused(tmp_path: Path) -> None:
    """Cut anywhere in its headers: never a crash of ours."""
    whole = build("start_state").read_bytes()
    for size in (1, 4, 20, 63, 64, 65, 100, 200, 300, 1000, 5000):
        assert refusal(executable(tmp_path / "program", whole[:size]), tmp_path).exit_status == 126


def test_interpreter_that_is_missing_is_reported(tmp_path: Path) -> None:
    """A script whose interpreter is not there."""
    assert refusal(executable(tmp_path / "script", b"#!/no/such -x\n"), tmp_path).exit_status in (126, 127)


def test_script_that_names_itself_ends(tmp_path: Path) -> None:
    """ELOOP after a few rounds."""
    assert refusal(executable(tmp_path / "script", b"#!/script\n"), tmp_path).exit_status == 126


def test_script_passes_interpreter_argument_and_path() -> None:
    """argv becomes interpreter, the one argument, the script, the rest."""
    program = build("start_state")
    script = program.parent / "a_script"
    executable(script, b"#! " + str(program).encode() + b" -x y \n")
    outcome = run(script, "more")
    assert outcome.stdout.startswith("argc 4,"), outcome.stderr


@pytest.mark.parametrize("script", [False, True])
def test_an_interpreter_that_is_not_there_is_named_with_where_to_get_it(tmp_path: Path, script: bool) -> None:
    flags = ("-O1", "-Wl,-I,/lib/ld-nowhere.so.1")
    content = b"#!/lib/ld-nowhere.so.1\n" if script else build_debian("indirect.c", *flags).read_bytes()
    error = refusal(executable(tmp_path / "program", content), tmp_path)
    assert "its interpreter /lib/ld-nowhere.so.1 is not there" in str(error)
    assert "--sysroot" in error.hint
    assert error.exit_status == 127
