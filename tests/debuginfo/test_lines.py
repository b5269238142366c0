"""Source lines of programs and of stripped ones whose debug information lies apart."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.events.support import ANYWHERE, ARCH, REGISTERS
from tests.programs import debian
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.lines import LineTable
from uprobe_core.event_model import EventSpec
from uprobe_core.events.files import host_file
from uprobe_core.events.parse import Language
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.image.resolver import ImageResolver

SOURCE = Path(__file__).parents[1] / "events" / "sources" / "markers.c"
OBJCOPY, OBJDUMP = "aarch64-linux-gnu-objcopy", "aarch64-linux-gnu-objdump"


def built(*flags: str) -> Path:
    """The program with markers, with debug information as *flags* ask for it."""
    words = " ".join(flags)
    return debian(f"aarch64-linux-gnu-gcc -g -static -no-pie -Wl,--build-id {words} -o markers {SOURCE}")


def statements(program: Path) -> set[tuple[int, int]]:
    """(line, address) of the file's statements, as objdump prints them."""
    done = subprocess.run([OBJDUMP, "-WL", program], capture_output=True, text=True, check=True)
    rows = re.findall(r"^markers\.c\s+(\d+)\s+(0x[0-9a-f]+).*\bx\b", done.stdout, re.M)
    return {(int(line), int(address, 16)) for line, address in rows}


@pytest.mark.parametrize(
    "flags",
    [("-O0", "-gdwarf-4"), ("-O2", "-gdwarf-5"), ("-O2", "-gdwarf-4", "-gz"), ("-O1", "-gdwarf-5", "-gz")],
    ids=" ".join,
)
def test_lines_are_those_that_objdump_prints(flags: tuple[str, ...]) -> None:
    program = built(*flags)
    with ElfImage(program) as image:
        table = LineTable(DebugInfo(image))
        found = {(line, address) for _, line, address in table.statements("markers.c") if line}
    assert found == statements(program)


def split(folder: Path) -> tuple[Path, str]:
    """The program stripped in *folder*, and the text of its debug file's path below /usr/lib/debug."""
    if shutil.which(OBJCOPY) is None:
        pytest.skip(f"needs {OBJCOPY}")
    whole, program = built("-O1"), folder / "markers"
    with ElfImage(whole) as image:
        name = f".build-id/{image.build_id[:2]}/{image.build_id[2:]}.debug"
    debug = folder / "debug" / name
    debug.parent.mkdir(parents=True)
    subprocess.run([OBJCOPY, "--only-keep-debug", whole, debug], check=True)
    subprocess.run([OBJCOPY, "--strip-all", whole, program], check=True)
    return program, name


def offsets(program: Path, target: str, *folders: Path | str) -> list[int]:
    resolver = ImageResolver(ARCH.architecture(), ARCH.marker_operand, host_file, [str(f) for f in folders])
    language = Language(ANYWHERE, REGISTERS, resolver=resolver)
    specs = language.parse(f"p {program}:{target}")
    return [spec.offset for spec in specs if isinstance(spec, EventSpec)]


@pytest.mark.parametrize("target", ["markers.c:28", "work"])
def test_a_stripped_program_has_the_lines_and_names_of_its_debug_file(target: str, tmp_path: Path) -> None:
    program, _ = split(tmp_path)
    assert offsets(program, target, tmp_path / "debug") == offsets(built("-O1"), target)


def test_a_stripped_program_has_the_names_that_it_carries_packed(tmp_path: Path) -> None:
    program, name = split(tmp_path)
    packed = tmp_path / "packed.xz"
    names = tmp_path / "names"
    subprocess.run([OBJCOPY, "-S", "--keep-symbol=work", tmp_path / "debug" / name, names], check=True)
    packed.write_bytes(lzma.compress(names.read_bytes()))
    subprocess.run([OBJCOPY, "--add-section", f".gnu_debugdata={packed}", program], check=True)
    assert offsets(program, "work") == offsets(built("-O1"), "work")
