"""Values of variables at places of a program: what our events fetch, beside what gdb shows there."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uprobe_core as up
from tests.events.support import ARCH
from tests.stacks.debugger import run_gdb
from uprobe_core.debuginfo.functions import functions_of
from uprobe_core.debuginfo.source import Source
from uprobe_core.errors import SpecError
from uprobe_core.events.files import host_file
from uprobe_core.events.trace_text import shown
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("Compared", "compare")

_SCRIPT = Path(__file__).with_name("gdb_values.py")
_ENUM = re.compile(r"#-?[0-9]+")
_WORD = re.compile(r"(?<![\w\"'<.])(?!true|false|optimized|out)[A-Z][A-Z_0-9|]*(?![\w=\"'])")
_STACK = re.compile(r"0x(?:55[0-9a-f]{8}|ffff[0-9a-f]{8})\b")
"""Addresses on the stack, which is elsewhere under the other emulator."""


class _First:
    """The text of the first hit's only argument."""

    name = "first"

    def __init__(self, found: dict[tuple[str, str], str], key: tuple[str, str]) -> None:
        self._found, self._key = found, key

    def handler(self, hit: Any) -> None:
        if self._key not in self._found:
            self._found[self._key] = shown(hit.event.spec.args[0], hit.values[0])


class Compared:
    """What was found; keys are (address, name)."""

    def __init__(self) -> None:
        self.ours: dict[tuple[str, str], str] = {}
        self.refused: dict[tuple[str, str], str] = {}
        self.gdb: dict[tuple[str, str], str] = {}

    def differences(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Where the two disagree, addresses on the stack and how enumerations are written left aside."""
        both = self.ours.keys() & self.gdb.keys()
        found = {key: (self.ours[key], self.gdb[key]) for key in both if not self.gdb[key].startswith("!")}
        return {key: pair for key, pair in found.items() if _plain(pair[0]) != _plain(pair[1])}


def _plain(text: str) -> str:
    text = _STACK.sub("STACK", text)
    return _WORD.sub("ENUM", _ENUM.sub("ENUM", text))


def compare(
    program: Path,
    functions: Sequence[str],
    many: int,
    folder: Path,
    skip: frozenset[str] = frozenset(),
    prologue: int = 0,
) -> Compared:
    """The variables at *many* places of *functions*, chosen by the program's name.

    :param skip: names of variables that are not set everywhere, and so hold what the stack holds
    :param prologue: bytes at the start of functions where nothing is in its place yet
    """
    found, places = Compared(), {}
    image = ElfImage(program)
    source, rules = Source(image, str(program), host_file), ARCH.frame_rules()
    assert source.found.info is not None
    known = [f for unit in source.found.info.units() for f in functions_of(unit) if f.name in functions]
    addresses = [at for each in known for start, end in each.ranges for at in range(start + prologue, end, 4)]
    random.Random(program.name).shuffle(addresses)
    with up.Session([str(program)], output="/dev/null") as session:
        for number, address in enumerate(addresses[:many]):
            offset = image.vaddr_to_offset(address)
            assert offset is not None
            named = source.names(offset, rules, lambda _path: None)
            assert named is not None
            names = [each.name for each in named.own if each.name not in skip]
            places[hex(address)] = names
            for at, name in enumerate(names):
                key = (hex(address), name)
                try:
                    line = f"p:v{number}_{at} {program}:*+{address:#x} v={name}"
                    session.probe(line, _First(found.ours, key))
                except SpecError as error:
                    found.refused[key] = str(error)
        session.run()
    stops = run_gdb(_SCRIPT, program, places, folder)
    found.gdb = {(place, name): text for place, values in stops.items() for name, text in values.items()}
    return found
