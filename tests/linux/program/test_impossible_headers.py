"""Headers that point where no file can end: the file is refused, as a kernel refuses it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from uprobe_linux.program.elf_loader import ElfError, read_elf

LOOP = Path(__file__).parents[3] / "examples" / "loop"
PHOFF = 32
OFFSETS = pytest.mark.parametrize("offset", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1], ids=hex)


def refused(path: Path, data: bytes | bytearray) -> str:
    """Why *data* is no program."""
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(ElfError) as error:
            read_elf(fd)
    finally:
        os.close(fd)
    return error.value.text


@OFFSETS
def test_program_headers_behind_every_file_are_a_truncated_file(tmp_path: Path, offset: int) -> None:
    data = bytearray(LOOP.read_bytes())
    struct.pack_into("<Q", data, PHOFF, offset)
    assert refused(tmp_path / "program", data) == "truncated ELF file"


@OFFSETS
def test_an_interpreter_s_name_behind_every_file_is_a_bad_name(tmp_path: Path, offset: int) -> None:
    data = bytearray(LOOP.read_bytes())
    (phoff,) = struct.unpack_from("<Q", data, PHOFF)
    struct.pack_into("<IIQQQQ", data, phoff, 3, 4, offset, 0, 0, 20)  # PT_INTERP
    assert refused(tmp_path / "program", data) == "ELF file has a bad interpreter name"
