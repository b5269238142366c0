"""Guest programs, compiled by the test run and kept under .cache/ for the next one.

Two compilers: PyPI's ``ziglang`` (pip is all it takes) for our own programs,
and Debian's cross compiler for the recorded kernel cases, whose offsets are
those of its output.  A program's key is its source, its flags and its
compiler, so an edit builds again and nothing else does.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "guest"
GUEST = ROOT / "tests" / "guest"
CASES = ROOT / "tests" / "data" / "kernel" / "cases"
DEBIAN_GCC = "aarch64-linux-gnu-gcc"
DEBIAN_GPP = "aarch64-linux-gnu-g++"
GUEST_TARGET = "aarch64-linux-musl"
FRAME_POINTERS = ("-Xclang", "-mframe-pointer=all")
UNOPTIMISED = ("-Xclang", "-O0")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One builder at a time, over all workers of a test run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _key(texts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()[:16]


def _build(
    command: Sequence[str], sources: Sequence[Path], name: str, compiler: str, cwd: Path | None = None
) -> Path:
    """Run *command* plus ``-o FILE`` in *cwd* unless its result is there already; returns the file."""
    key = _key([compiler.encode(), *(arg.encode() for arg in command), *(s.read_bytes() for s in sources)])
    target = CACHE / key / name
    if not target.exists():
        with _locked(CACHE / f"{key}.lock"):
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                fresh = target.with_name(f".{name}.{os.getpid()}")
                words = [*command, "-o", str(fresh)]
                done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.fail(f"{' '.join(command)} failed:\n{done.stderr}", pytrace=False)
                fresh.rename(target)
    return target


@lru_cache
def _zig_version() -> str:
    from importlib.metadata import version

    return f"zig {version('ziglang')}"


def zig_flags(target: str = GUEST_TARGET) -> tuple[str, ...]:
    """What all programs are compiled with.

    zig compiles its C library for each target and level of optimisation, with symbols and without, with
    frame pointers and without: a minute of processor time each, on an empty machine.  So there is one for
    each target; what is for the program alone is said to clang alone (FRAME_POINTERS, UNOPTIMISED).
    """
    return ("-target", target, "-static", "-O1", "-fno-sanitize=all", "-fomit-frame-pointer")


def zig(source: str, *flags: str) -> Path:
    """``tests/guest/SOURCE`` as a static aarch64 musl program."""
    path = GUEST / source
    command = [sys.executable, "-m", "ziglang", "cc", *zig_flags(), "-g0", *flags, str(path)]
    headers = sorted(GUEST.glob("*.h"))
    return _build(command, [path, *headers], path.stem, _zig_version())


def cpp(source: str, *flags: str) -> Path:
    """``tests/guest/SOURCE`` in C++, static: by Debian's compiler if it is there, else zig.

    zig compiles its C++ library first, once for each level of optimisation: two minutes of processor time.
    """
    path = GUEST / source
    flags = flags or ("-O1", "-g0")
    if shutil.which(DEBIAN_GPP) is not None:
        return _build([DEBIAN_GPP, "-static", *flags, str(path)], [path], path.stem, _debian_version())
    target = ["-target", "aarch64-linux-musl", "-static", "-fno-sanitize=all"]
    command = [sys.executable, "-m", "ziglang", "c++", *target, *flags, str(path)]
    return _build(command, [path], path.stem, _zig_version())


@lru_cache
def _debian_version() -> str:
    if shutil.which(DEBIAN_GCC) is None:
        pytest.skip(f"needs Debian's {DEBIAN_GCC} (package gcc-aarch64-linux-gnu)")
    done = subprocess.run([DEBIAN_GCC, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def debian(compile_line: str) -> Path:
    """A recorded case, compiled as its case.json says; skips where the compiler is not installed.

    The line reads ``aarch64-linux-gnu-gcc FLAGS -o NAME cases/NAME.c``.
    """
    version = _debian_version()
    words = compile_line.split()
    at = words.index("-o")
    name = words[at + 1]
    del words[at : at + 2]
    command = [str(CASES / Path(w).name) if w.startswith("cases/") else w for w in words]
    source = next(Path(w) for w in command if w.endswith(".c"))
    return _build(command, [source, CASES / "case.h"], name, version)


def either(source: Path) -> Path:
    """*source*, static and with debug information: Debian's compiler if it is there, else zig."""
    if shutil.which(DEBIAN_GCC) is not None:
        flags = ["-pthread", "-static", "-O1", "-g"]
        return _build([DEBIAN_GCC, *flags, str(source)], [source], source.stem, _debian_version())
    command = [sys.executable, "-m", "ziglang", "cc", *zig_flags(), "-g", str(source)]
    return _build(command, [source], source.stem, _zig_version())


def compiled(command: Sequence[str], source: Path) -> Path:
    """*source* by the compiler and with the flags of *command*, which is installed."""
    return _build([*command, str(source)], [source], source.stem, _debian_version())


def compiled_in(folder: Path, command: Sequence[str], sources: Sequence[Path], name: str) -> Path:
    """What *command*, which names *sources* by paths below *folder*, makes of them there.

    The command's first word is Debian's compiler, or Python for ``python -m ziglang``.
    """
    compiler = _zig_version() if command[0] == sys.executable else _debian_version()
    return _build(command, sources, name, compiler, folder)


def build_debian(source: str, *flags: str) -> Path:
    """``tests/guest/SOURCE`` by Debian's cross compiler; skips where it is not installed."""
    path = GUEST / source
    command = [DEBIAN_GCC, "-g0", *flags, str(path)]
    return _build(command, [path], path.stem, _debian_version())


@lru_cache
def symbols(program: Path) -> dict[str, tuple[int, int]]:
    """Name -> (virtual address, file offset) of every defined symbol; read with pyelftools."""
    from elftools.elf.elffile import ELFFile

    with program.open("rb") as stream:
        elf = ELFFile(stream)
        loads = [s.header for s in elf.iter_segments("PT_LOAD")]
        found = {}
        table: Any = elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            address = symbol["st_value"]
            for load in loads:
                if symbol.name and load.p_vaddr <= address < load.p_vaddr + load.p_memsz:
                    found[symbol.name] = (address, address - load.p_vaddr + load.p_offset)
    return found


_PLACE = re.compile(r"\{(/[^:@{}]+)([:@])([A-Za-z_.$][\w.$]*)((?:[+-](?:0x)?[0-9a-fA-F]+)?)\}")


def expand(template: str, program: Path) -> str:
    """A recorded template line: ``{PATH:SYM+N}`` becomes a file offset, ``{PATH@SYM+N}`` an address."""

    def place(match: re.Match[str]) -> str:
        address, offset = symbols(program)[match[3]]
        return hex((offset if match[2] == ":" else address) + int(match[4] or "0", 0))

    return _PLACE.sub(place, template)
