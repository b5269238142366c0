"""Programs with debug information, by Debian's cross compiler; without it their tests are skipped."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.programs import compiled, debian

SOURCES = Path(__file__).with_name("sources")


def built(source: str, *flags: str) -> Path:
    """*source*, static and with debug information."""
    words = " ".join(("-g", *flags))
    return debian(
        f"aarch64-linux-gnu-gcc {words} -static -o {source.partition('.')[0]} {SOURCES / source} -lm"
    )


def by_zig(source: str, level: str) -> Path:
    """The same by clang, for musl."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]
    return compiled([*command, "-g", level, "-fno-sanitize=all", "-w"], SOURCES / source)
