"""Guest programs of the benchmarks, compiled into a cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

__all__ = ("build", "file_offset", "symbols")

_FOLDER = os.path.join(os.path.dirname(__file__), "programs")


def build(name: str, folder: str | None = None) -> str:
    """The path of programs/NAME.c, compiled for arm64 and linked statically."""
    folder = folder or tempfile.mkdtemp(prefix="uprobe-bench-")
    target = os.path.join(folder, name)
    if shutil.which("aarch64-linux-gnu-gcc"):
        compiler = ["aarch64-linux-gnu-gcc"]
    else:
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
    source = os.path.join(_FOLDER, f"{name}.c")
    subprocess.run([*compiler, "-O2", "-static", "-pthread", "-o", target, source], check=True)
    return target


def symbols(path: str) -> dict[str, int]:
    """Addresses of the functions of an ELF file by name."""
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        return {s.name: s["st_value"] for s in table.iter_symbols() if s["st_info"]["type"] == "STT_FUNC"}


def file_offset(path: str, address: int) -> int:
    """Where the byte at *address* of an ELF file lies in it."""
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
                return int(address - segment["p_vaddr"] + segment["p_offset"])
    raise SystemExit(f"no segment of {path} has {address:#x}")
