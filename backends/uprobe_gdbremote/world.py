"""What is mapped in a target: its program, its loader and libraries, areas of ours; and the core is told."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_core.types import Mapping
from uprobe_gdbremote.inject import find_svc
from uprobe_gdbremote.libraries import LinkMap, loader_stop

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.elf import LoadedFile
    from uprobe_gdbremote.files import LocalFiles
    from uprobe_gdbremote.maps import FileMap
    from uprobe_gdbremote.process import RemoteProcess

__all__ = ("World",)

_AT_PHDR, _AT_BASE, _AT_ENTRY, _AT_EXECFN = 3, 7, 9, 31


def auxiliary(data: bytes | None) -> dict[int, int]:
    """The auxiliary vector as a table."""
    pairs = struct.iter_unpack("<QQ", data[: len(data) & -16]) if data else ()
    return {int(tag): int(value) for tag, value in pairs if tag}


def _overlap(one: Mapping, other: Mapping) -> bool:
    return one.start < other.end and other.start < one.end


class World:
    """The mappings of *process*.

    :param files: local files by the target's paths
    """

    def __init__(
        self, client: Client, process: RemoteProcess, handler: ProbeHandler, files: LocalFiles
    ) -> None:
        self._client, self._process, self._handler = client, process, handler
        self._files = files
        self.auxv = auxiliary(client.object("auxv"))
        self._objects: dict[tuple[str, int], list[Mapping]] = {}
        self.mappings: list[Mapping] = []
        self.svc = 0
        self._links: LinkMap | None = None
        self._seen: list[Mapping] = []
        """What was found in the kernel's list only."""
        self.late: set[Mapping] = set()
        """What of it was found at some later time, so that hits there may be missing."""
        self._stop = 0
        """Where it is looked at what the loader has done."""

    def take_over(self, other: World) -> None:
        """Have what a fork has copied of *other*."""
        self._objects = {key: list(made) for key, made in other._objects.items()}
        self.mappings, self.svc, self._links = list(other.mappings), other.svc, other._links
        self._seen, self._stop = list(other._seen), other._stop
        if self._stop:
            self._process.points.make(self._stop).ours = self.look

    def load(self, program: LoadedFile) -> None:
        """*program* is what the target is about to run: tell of it and of its loader, and follow that."""
        bias = self._bias(program)
        self._compare(program, bias)
        self._add(program, bias)
        dynamic, interpreter = program.dynamic(), program.interpreter
        if dynamic is None or not interpreter:
            return
        self._links = LinkMap(self._client, dynamic.vaddr + bias, dynamic.memory_size)
        loader, base = self._files.load(interpreter), self.auxv.get(_AT_BASE, 0)
        stop = 0
        if loader is not None and base:
            self._add(loader, base)
            stop = loader_stop(loader)
            stop = stop and stop + base
        self._stop = stop or self.auxv.get(_AT_ENTRY, program.entry + bias)
        self._process.points.make(self._stop).ours = self.look
        self.look()

    def _bias(self, program: LoadedFile) -> int:
        headers = program.headers_vaddr
        if not program.is_movable:
            return 0
        if headers is None or _AT_PHDR not in self.auxv:
            raise BackendError(
                f"where {program.path} is loaded cannot be found out: the stub shows no auxiliary vector",
                hint="build the program with -no-pie, or use a stub that has qXfer:auxv",
            )
        return self.auxv[_AT_PHDR] - headers

    def _compare(self, program: LoadedFile, bias: int) -> None:
        """Refuse a local copy of another build: its addresses would be wrong.  Raises BackendError.

        What cannot be read says nothing: without a system it may be what an MMU that is off yet will show.
        """
        hint = "give a copy of the same build after --; it may have more symbols"
        if not self.auxv:
            hint += "; a program that loads itself there first has to have done so"
        for vaddr, expected in program.marks():
            found = self._client.read(vaddr + bias, len(expected))
            if found != expected[: len(found)]:
                where = self._client.channel.where
                raise BackendError(
                    f"{program.path} is not what {where} runs: bytes at {vaddr:#x} differ",
                    hint=hint,
                    slug="wrong-program",
                )

    def _add(self, file: LoadedFile, bias: int) -> None:
        key = (file.path, bias)
        if key in self._objects:
            return
        if not self.svc:
            self.svc = find_svc(file, bias, self._client)
        self._objects[key] = made = file.mappings(bias)
        self._had_seen(made)
        self.mappings = sorted((*self.mappings, *made), key=lambda mapping: mapping.start)
        for mapping in made:
            self._handler.on_mmap(self._process, mapping)

    def _had_seen(self, made: list[Mapping]) -> None:
        """*made* was found before the loader told of it: it has not been late."""
        for each in [seen for seen in self._seen if any(_overlap(seen, each) for each in made)]:
            self._seen.remove(each)
            self.mappings.remove(each)
            self.late.discard(each)

    def look(self) -> None:
        """The loader's list may have changed: tell of what came and went."""
        found = None if self._links is None else self._links.objects()
        if found is None:
            return
        now = set()
        for path, bias in found:
            file = self._files.load(path)
            if file is not None:
                known = self._known(file, bias)
                now.add(known or (file.path, bias))
                if known is None:
                    self._add(file, bias)
        self._drop(now)

    def _known(self, file: LoadedFile, bias: int) -> tuple[str, int] | None:
        """The key of what is loaded with *bias* already, whatever path it went by: the loader itself, say."""
        return next(
            (
                key
                for key, mappings in self._objects.items()
                if key[1] == bias and mappings and mappings[0].file == file.identity
            ),
            None,
        )

    def _drop(self, now: set[tuple[str, int]]) -> None:
        _program, *others = self._objects
        for key in others:
            if key not in now and self._objects[key] and not self._is_loader(key):
                for mapping in self._objects.pop(key):
                    self.mappings.remove(mapping)
                    self._handler.on_munmap(self._process, mapping.start, mapping.end)
                    self._process.points.forget(mapping.start, mapping.end)

    def compare(self, maps: list[FileMap]) -> list[Mapping]:
        """Tell of what is new in *maps*, which is returned, and of what was found here and is gone."""
        new = []
        found = [made for made in map(self._mapping, maps) if made is not None]
        for gone in [each for each in self._seen if each not in found]:
            self._seen.remove(gone)
            self.mappings.remove(gone)
            self._handler.on_munmap(self._process, gone.start, gone.end)
            self._process.points.forget(gone.start, gone.end)
        for made in found:
            if not any(_overlap(made, known) for known in self.mappings):
                new.append(made)
                self._seen.append(made)
                self.mappings = sorted((*self.mappings, made), key=lambda mapping: mapping.start)
                self._handler.on_mmap(self._process, made)
        return new

    def _mapping(self, line: FileMap) -> Mapping | None:
        """Code of a file that is here as well."""
        file = self._files.load(line.path) if line.flags[2] == "x" else None
        if file is None:
            return None
        readable, writable, executable = (flag != "-" for flag in line.flags[:3])
        return Mapping(
            line.start,
            line.end,
            readable,
            writable,
            executable,
            shared=line.flags[3] == "s",
            offset=line.offset,
            file=file.identity,
            path=line.path,
        )

    def _is_loader(self, key: tuple[str, int]) -> bool:
        return key[1] == self.auxv.get(_AT_BASE)

    def add_area(self, base: int, size: int) -> None:
        """Memory of ours."""
        area = Mapping(base, base + size, True, False, True, path="[uprobes]")
        self.mappings = sorted((*self.mappings, area), key=lambda mapping: mapping.start)
