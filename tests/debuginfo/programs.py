"""Programs with debug information, by Debian's cross compiler; without it their tests are skipped."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from tests.programs import compiled, debian, zig_flags

SOURCES = Path(__file__).with_name("sources")


def built(source: str, *flags: str) -> Path:
    """*source*, static and with debug information."""
    words = " ".join(("-g", *flags))
    return debian(
        f"aarch64-linux-gnu-gcc {words} -static -o {source.partition('.')[0]} {SOURCES / source} -lm"
    )


def by_zig(source: str, *flags: str) -> Path:
    """The same by clang, for musl."""
    command = [sys.executable, "-m", "ziglang", "cc", *zig_flags()]
    return compiled([*command, "-g", *flags, "-w"], SOURCES / source)


def hits_of(program: Path, lines: Iterable[str]) -> dict[str, list[str]]:
    """The arguments of the hits of each line, in which {} is the program."""
    import uprobe_core as up
    from tests.debuginfo.test_names import AtReturn, Texts

    found: dict[str, list[str]] = {}
    with up.Session([str(program)], output="/dev/null") as session:
        for number, line in enumerate(lines):
            kind, rest = line.replace("{}", str(program)).split(" ", 1)
            consumer = (AtReturn if kind == "r" else Texts)(found.setdefault(line, []))
            session.probe(f"{kind}:e{number} {rest}", consumer)
        session.run()
    return found
