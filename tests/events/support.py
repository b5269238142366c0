"""A language with the arm64 names, on files that exist only here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from uprobe_arm64 import Arm64Arch

from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.files import FileStatus
from uprobe_core.events.parse import Language
from uprobe_core.events.reading import SourceLine
from uprobe_core.events.table import EventTable
from uprobe_core.types import Access, MemoryFault, Policy

DATA = Path(__file__).parents[1] / "data" / "kernel"
KERNEL = Policy("kernel", "6.12")
ANYWHERE = Policy()
ARCH = Arm64Arch()
REGISTERS = ARCH.architecture().registers


def vector(name: str) -> tuple[int, int] | None:
    """``d0`` and ``s0`` to 31."""
    size = {"d": 8, "s": 4}.get(name[:1])
    number = int(name[1:]) if name[1:].isdecimal() else 32
    return (number, size) if size and number < 32 else None


class Tree:
    """A FileCheck over a few paths: *regular* files, *other* things, *links*."""

    def __init__(
        self, regular: list[str], other: list[str] | None = None, links: dict[str, str] | None = None
    ) -> None:
        self.regular, self.other, self.links = set(regular), set(other or []), links or {}

    def __call__(self, path: str) -> FileStatus:
        whole = "/" + "/".join(self._parts(path if path.startswith("/") else f"/tmp/{path}"))
        if any(len(part) > 255 for part in path.split("/")):
            return FileStatus("ENAMETOOLONG")
        whole = self.links.get(whole, whole)
        if whole in self.regular:
            return FileStatus("ENOTDIR" if path.endswith("/") else "", size=70000, identity=whole)
        if any(whole.startswith(file + "/") for file in self.regular):
            return FileStatus("ENOTDIR")
        return FileStatus(regular=False) if whole in self.other else FileStatus("ENOENT")

    @staticmethod
    def _parts(path: str) -> list[str]:
        parts: list[str] = []
        for part in path.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in {"", "."}:
                parts.append(part)
        return parts


def load(name: str) -> Any:
    """A recorded file."""
    return json.loads((DATA / name).read_text())


def make_language(policy: Policy = KERNEL, tree: Tree | None = None) -> Language:
    """The language that the tests speak."""
    return Language(
        policy,
        REGISTERS,
        vectors=vector,
        hint=ARCH.register_hint,
        file_check=tree or Tree(["/root/loops", "/bin/a"], ["/", "/root", "/bin"]),
    )


def parse_one(line: str, policy: Policy = KERNEL) -> EventSpec:
    """The one event that *line* defines."""
    (spec,) = make_language(policy).parse(line)
    assert isinstance(spec, EventSpec)
    return spec


def refusal(line: str, policy: Policy = KERNEL) -> SpecError:
    """The error that *line* gives."""
    with pytest.raises(SpecError) as caught:
        make_language(policy).parse(line)
    return caught.value


class Memory:
    """Guest memory of a few ranges; everything else faults at its first byte."""

    def __init__(self, ranges: dict[int, bytes]) -> None:
        self.ranges = ranges

    def read(self, address: int, size: int) -> bytes:
        for start, data in self.ranges.items():
            if start <= address < start + len(data):
                if address + size > start + len(data):
                    raise MemoryFault(start + len(data), Access.READ)
                return data[address - start : address - start + size]
        raise MemoryFault(address, Access.READ)

    def write(self, address: int, data: bytes) -> None:
        raise MemoryFault(address, Access.WRITE)


class Registers:
    """A register file of a few values, 0 elsewhere."""

    def __init__(self, values: dict[int, int] | None = None, vectors: dict[int, int] | None = None) -> None:
        self.values, self.vectors = values or {}, vectors or {}

    def get_reg(self, index: int) -> int:
        return self.values.get(index, 0) % (1 << 64)

    def set_reg(self, index: int, value: int) -> None:
        self.values[index] = value % (1 << 64)

    def get_vec(self, index: int) -> int:
        return self.vectors.get(index, 0)

    def set_vec(self, index: int, value: int) -> None:
        self.vectors[index] = value

    def cpu(self) -> int:
        return 1


class FakeHit:
    """A hit made of plain values; a FetchSource."""

    function: int | None = None
    return_address = 0
    registers = REGISTERS
    tid = 540
    values: tuple[Any, ...] = ()

    def __init__(self, registers: Registers | None = None, memory: dict[int, bytes] | None = None) -> None:
        self.task = registers or Registers()
        self.process = Memory(memory or {})
        self.comm = "prog"
        self.address, self.probe_offset = 0x4006D4, 0x6D4
        self.entry_values: tuple[Any, ...] = ()
        self.latency_ns = self.insns = self.jumps = 0


def refusals(table: EventTable, lines: Iterable[SourceLine]) -> list[tuple[int, int, str]]:
    """(line, column, slug) of each line that *table* refuses, counted from 1; column 0 is none."""
    found = []
    for line in lines:
        try:
            table.write(line.text)
        except SpecError as error:
            place = (line.number, 0) if error.caret is None else line.position(error.caret)
            found.append((*place, error.slug))
    return found
