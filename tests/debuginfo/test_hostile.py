"""Debug information with bytes changed is read, or refused in words; it costs no crash, no hang, no memory.

By hand, for many more: ``python -m tests.debuginfo.test_hostile COUNT SEED [PROGRAM [BESIDE]]``; with a file
that lies beside the program (.dwo, .dwp, what dwz shares), its bytes are changed and not the program's.
"""

from __future__ import annotations

import contextlib
import io
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.debuginfo.programs import built
from tests.events.support import ANYWHERE, ARCH, REGISTERS, vector
from uprobe_core.cli import main
from uprobe_core.errors import UprobeError
from uprobe_core.events.files import host_file
from uprobe_core.events.parse import Language
from uprobe_core.image.elf import ElfFile
from uprobe_core.image.resolver import ImageResolver

COUNT = 200
LINES = (
    "p {}:parse $args l=o->level t=o->next->name",
    "p {}:turn+8 $locals c=counter k=(options*)%x0",
    "p {}:scaled $args",
    "r {}:widen",
    "p {}:types.c:60",
    "p {}:parse:56",
    "p {}:types.c:60:3",
)


SECTIONS = (".debug_", ".zdebug_", ".gnu_debug", ".eh_frame")
COMMANDS = (
    ("list", "-v", "{}"),
    ("list", "-v", "{}", "scaled"),
    ("list", "--vars", "{}:parse"),
    ("list", "--vars", "{}:types.c:48"),
    ("list", "--vars", "{}:scaled"),
    ("check", "-e", "p {}:parse $args l=o->level", "-e", "r {}:turn", "{}"),
    ("check", "-e", "p {}:scaled $args", "-e", "p {}:parse:48", "{}"),
    ("doctor", "{}"),
)


def mutants(program: Path, count: int, seed: int) -> Iterator[bytes]:
    """*program* with bytes of its debug sections changed."""
    whole, rnd = program.read_bytes(), random.Random(seed)
    with ElfFile(program) as elf:
        spans = [(s.offset, s.size) for s in elf.sections if s.name.startswith(SECTIONS) and s.size > 8]
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(rnd.choice((1, 1, 2, 4, 16, 64))):
            start, size = rnd.choice(spans)
            at = start + rnd.randrange(size - 4)
            kind = rnd.randrange(4)
            if kind == 0:
                data[at] = rnd.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 1:
                data[at : at + 4] = rnd.randbytes(4)
            elif kind == 2:
                data[at] = rnd.randrange(256)
            else:
                other = start + rnd.randrange(size - 4)
                data[at : at + 4] = data[other : other + 4]
        yield bytes(data)


def read(path: Path, line: str) -> bool:
    """Whether *line*, with *path* in it, is understood; anything but UprobeError comes through."""
    resolver = ImageResolver(ARCH.architecture(), ARCH.marker_operand, host_file, (), ARCH.frame_rules)
    language = Language(ANYWHERE, REGISTERS, vector, ARCH.register_hint, resolver=resolver)
    try:
        return bool(language.parse(line.replace("{}", str(path))))
    except UprobeError:
        return False


def told(path: Path, words: Sequence[str]) -> str:
    """What the command *words* says on the error stream; anything but an exit comes through."""
    said = io.StringIO()
    out = contextlib.redirect_stdout(io.StringIO())
    with out, contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        main([word.replace("{}", str(path)) for word in words])
    return said.getvalue()


def hurt(folder: Path, count: int, seed: int) -> tuple[int, float]:
    """How many of *count* lines were understood, and how long the slowest took in processor seconds."""
    path, understood, slowest = folder / "mutant", 0, 0.0
    program = built("types.c", "-O2", ("-gdwarf-5", "-gdwarf-4")[seed % 2], "-shared", "-fPIC", "-nostdlib")
    for number, data in enumerate(mutants(program, count, seed)):
        path.write_bytes(data)
        start = time.process_time()
        understood += read(path, LINES[number % len(LINES)])
        slowest = max(slowest, time.process_time() - start)
    return understood, slowest


@pytest.mark.parametrize("seed", [4, 5])
def test_mutated_sections_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    understood, slowest = hurt(tmp_path, COUNT, seed)
    assert 0 < understood < COUNT
    assert slowest < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("flags", [("-gdwarf-4", "-fdebug-types-section"), ("-gdwarf-5",)], ids=" ".join)
def test_commands_never_blame_themselves_for_damage(flags: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "mutant"
    for number, data in enumerate(mutants(built("types.c", "-O2", *flags), COUNT // 4, 6)):
        path.write_bytes(data)
        assert "internal:" not in told(path, COMMANDS[number % len(COMMANDS)])


def _by_hand(count: int, seed: int, program: Path, beside: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(shutil.copy(program, Path(name, "mutant")))
        changed = path if beside is None else Path(name, beside.name)
        changed = changed.with_stem("mutant") if changed.suffix == ".dwp" else changed
        slowest = 0.0
        for number, data in enumerate(mutants(beside or program, count, seed)):
            changed.write_bytes(data)
            words, start = COMMANDS[number % len(COMMANDS)], time.process_time()
            said = told(path, words)
            slowest = max(slowest, time.process_time() - start)
            if "internal:" in said:
                print(number, words, said)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{count} done, slowest {slowest:.1f} s, {memory} MB")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        _by_hand(int(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:5]))
    else:
        with tempfile.TemporaryDirectory() as folder_name:
            print(hurt(Path(folder_name), int(sys.argv[1]), int(sys.argv[2])))
