"""``uprobe why`` and ``uprobe list``: places in a file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import LOOP, uprobe, uprobe_json


@pytest.fixture(scope="module")
def work() -> tuple[int, int, int]:
    """(address, size, file offset) of ``work``, as readelf tells."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("needs readelf (binutils), the reference for symbols")
    table = subprocess.run([readelf, "-sW", LOOP], capture_output=True, text=True, check=True).stdout
    (row,) = [line.split() for line in table.splitlines() if line.endswith(" work")]
    segments = subprocess.run([readelf, "-lW", LOOP], capture_output=True, text=True, check=True).stdout
    address = int(row[1], 16)
    for line in segments.splitlines():
        fields = line.split()
        if fields[:1] == ["LOAD"]:
            offset, vaddr, size = (int(fields[i], 16) for i in (1, 2, 4))
            if vaddr <= address < vaddr + size:
                return address, int(row[2]), address - vaddr + offset
    raise AssertionError("no segment holds work")


def test_list_agrees_with_readelf(work: tuple[int, int, int]) -> None:
    (found,) = uprobe_json("list", "./loop", "work")["functions"]
    assert (found["address"], found["size"], found["offset"]) == work


def test_list_matches_globs() -> None:
    names = [f["name"] for f in uprobe_json("list", "./loop", "str*")["functions"]]
    assert "strtol" in names
    assert all(name.startswith("str") for name in names)


def test_list_is_a_table_for_people(work: tuple[int, int, int]) -> None:
    done = uprobe("list", "./loop", "work")
    header, row = done.stdout.splitlines()
    assert header.split() == ["ADDRESS", "OFFSET", "SIZE", "NAME"]
    assert row.split() == [f"{work[0]:#x}", f"{work[2]:#x}", str(work[1]), "work"]


def test_list_says_when_nothing_matches() -> None:
    done = uprobe("list", "./loop", "zzz*")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nothing in ./loop matches 'zzz*'" in done.stderr


@pytest.mark.parametrize(
    "form", ["work+4", "{address:#x}", "off:{offset:#x}", "va:{address:#x}", "sym:work+0x4"]
)
def test_why_takes_every_form_of_a_place(work: tuple[int, int, int], form: str) -> None:
    place = form.format(address=work[0] + 4, offset=work[2] + 4)
    found = uprobe_json("why", "./loop", place)
    assert (found["address"], found["offset"]) == (work[0] + 4, work[2] + 4)
    assert (found["symbol"], found["symbol_offset"]) == ("work", 4)
    assert found["event"] == f"p ./loop:{work[2] + 4:#x}"


def test_why_shows_word_and_text_of_the_place_and_its_surroundings(work: tuple[int, int, int]) -> None:
    word = LOOP.read_bytes()[work[2] : work[2] + 4][::-1].hex()
    found = uprobe_json("why", "./loop", "work")
    assert found["word"] == word
    assert [line["address"] for line in found["around"]] == [work[0] + 4 * i for i in range(-4, 5)]
    assert found["text"] == next(line["text"] for line in found["around"] if line["address"] == work[0])


def test_why_gives_a_verdict_for_each_policy_or_for_the_one_asked_for() -> None:
    found = uprobe_json("why", "./loop", "work")["verdicts"]
    assert [v["policy"] for v in found] == ["kernel:7.3", "kernel:6.12", "kernel:6.1", "anywhere"]
    found = uprobe_json("why", "./loop", "work", "--policy", "kernel:6.1")["verdicts"]
    assert [v["policy"] for v in found] == ["kernel:6.1"]


def test_why_names_the_kernels_defect(tmp_path: Path) -> None:
    from uprobe_core.doctor.self_test import CODE_OFFSET, program

    image = bytearray(program())
    image[CODE_OFFSET : CODE_OFFSET + 4] = (0x5C000040).to_bytes(4, "little")  # ldr d0, literal
    path = tmp_path / "literal"
    path.write_bytes(image)
    text = uprobe("why", str(path), f"off:{CODE_OFFSET:#x}").stdout
    assert "defect of this kernel:" in text


def test_why_rejects_a_misaligned_address_under_every_policy(work: tuple[int, int, int]) -> None:
    found = uprobe_json("why", "./loop", f"{work[0] + 2:#x}")["verdicts"]
    assert {v["verdict"] for v in found} == {"reject"}


def test_why_suggests_the_nearest_symbol() -> None:
    done = uprobe("why", "./loop", "wrok")
    assert done.returncode == 125
    assert "no function wrok in ./loop" in done.stderr
    assert "did you mean work?" in done.stderr


def test_why_tells_a_file_offset_that_was_given_as_an_address(work: tuple[int, int, int]) -> None:
    done = uprobe("why", "./loop", f"{work[2]:#x}")
    assert done.returncode == 125
    assert f"write off:{work[2]:#x}" in done.stderr


@pytest.mark.parametrize("command", ["list", "why"])
@pytest.mark.parametrize(
    ("make", "status", "complaint"),
    [
        (None, 127, "no such file"),
        (b"", 126, "not an ELF file"),
        (b"#!/bin/sh\n", 126, "not an ELF file"),
        (b"\x7fELF\x02\x01\x01" + bytes(20), 126, "truncated"),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(60), 126, "x86-64"),
    ],
)
def test_a_file_that_is_no_arm64_program_is_one_clear_error(
    tmp_path: Path, command: str, make: bytes | None, status: int, complaint: str
) -> None:
    path = tmp_path / "file"
    if make is not None:
        path.write_bytes(make)
    done = uprobe(command, str(path), *(["main"] if command == "why" else []))
    assert done.returncode == status
    assert complaint in done.stderr
    assert done.stderr.startswith("uprobe: error: ")
    assert "Traceback" not in done.stderr
