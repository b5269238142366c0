"""What of an ELF file is loaded where: program headers, as far as a client has to know them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from uprobe_core.types import FileId, Mapping

__all__ = ("PAGE", "ElfError", "LoadedFile", "Segment")

PAGE = 0x1000
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_PHDR = 1, 2, 3, 4, 6
ET_EXEC = 2
_DT_STRTAB, _DT_SYMTAB = 5, 6
_SYMBOL_BYTES = 24
_MARK_BYTES = 256
"""Of each note and of the code at the entry point, at most so many tell a build from others."""


class ElfError(Exception):
    """The file is no 64-bit little-endian ELF program."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One program header (ELF-64 Object File Format, table 8)."""

    kind: int
    flags: int
    offset: int
    vaddr: int
    file_size: int
    memory_size: int


class LoadedFile:
    """A local file that stands for what a target has loaded.

    :param data: its bytes
    :ivar path: as the target names it
    """

    def __init__(self, data: bytes, identity: FileId, path: str) -> None:
        if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
            raise ElfError("no 64-bit little-endian ELF file")
        self._data, self.identity, self.path = data, identity, path
        self.type: int
        self.headers: int
        self.type, self.machine = struct.unpack_from("<HH", data, 16)
        (self.entry, self.headers) = struct.unpack_from("<QQ", data, 24)
        size, count = struct.unpack_from("<HH", data, 54)
        if size != 56 or self.headers + size * count > len(data):
            raise ElfError("its program headers are not there")
        self.segments = [self._segment(self.headers + n * size) for n in range(count)]

    def _segment(self, at: int) -> Segment:
        kind, flags, offset, vaddr, _, file_size, memory_size, _ = struct.unpack_from(
            "<IIQQQQQQ", self._data, at
        )
        return Segment(kind, flags, offset, vaddr, file_size, memory_size)

    @property
    def is_movable(self) -> bool:
        """Whether it is loaded wherever there is room."""
        return self.type != ET_EXEC

    @property
    def interpreter(self) -> str:
        """The path of PT_INTERP, "" without one."""
        for segment in self._of(PT_INTERP):
            text = self._data[segment.offset : segment.offset + segment.file_size]
            return text.rstrip(b"\0").decode("utf-8", "surrogateescape")
        return ""

    def _of(self, kind: int) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.kind == kind)

    @property
    def headers_vaddr(self) -> int | None:
        """Where its program headers are loaded, without the bias; AT_PHDR minus this is the bias."""
        for segment in self._of(PT_LOAD):
            if segment.offset <= self.headers < segment.offset + segment.file_size:
                return segment.vaddr + self.headers - segment.offset
        return None

    def dynamic(self) -> Segment | None:
        """The segment with the dynamic section."""
        return next(self._of(PT_DYNAMIC), None)

    def mappings(self, bias: int) -> list[Mapping]:
        """What of the file is mapped when it is loaded with *bias*, as elf_map in fs/binfmt_elf.c does it."""
        made = []
        for segment in self._of(PT_LOAD):
            if segment.file_size:
                low = segment.vaddr & -PAGE
                high = (segment.vaddr + segment.file_size + PAGE - 1) & -PAGE
                made.append(
                    Mapping(
                        low + bias,
                        high + bias,
                        bool(segment.flags & 4),
                        bool(segment.flags & 2),
                        bool(segment.flags & 1),
                        offset=segment.offset - (segment.vaddr - low),
                        file=self.identity,
                        path=self.path,
                    )
                )
        return made

    def end(self, bias: int) -> int:
        """The first address above everything that is loaded, page aligned."""
        return max((s.vaddr + s.memory_size + bias + PAGE - 1) & -PAGE for s in self._of(PT_LOAD))

    def symbol(self, name: bytes) -> int:
        """Where the dynamic symbol *name* is, without the bias, 0 if the file has none of that name."""
        tables = self._dynamic_tables()
        strings, symbols = tables.get(_DT_STRTAB), tables.get(_DT_SYMTAB)
        if strings is None or symbols is None:
            return 0
        at, text = self._offset(symbols), self._offset(strings)
        end = text if text > at else len(self._data)
        while at + _SYMBOL_BYTES <= end:
            index, _, _, section, value = struct.unpack_from("<IBBHQ", self._data, at)
            begin = text + index
            if section and self._data[begin : begin + len(name) + 1] == name + b"\0":
                return int(value)
            at += _SYMBOL_BYTES
        return 0

    def _dynamic_tables(self) -> dict[int, int]:
        segment = self.dynamic()
        if segment is None:
            return {}
        part = self._data[segment.offset : segment.offset + (segment.file_size & -16)]
        return {int(tag): int(value) for tag, value in struct.iter_unpack("<QQ", part)}

    def _offset(self, vaddr: int) -> int:
        """The file position of *vaddr*; beyond the end for one that is not in the file."""
        for segment in self._of(PT_LOAD):
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                return vaddr - segment.vaddr + segment.offset
        return len(self._data)

    def code(self) -> Iterator[tuple[int, bytes]]:
        """The bytes of each executable segment with their address, without the bias."""
        for segment in self._of(PT_LOAD):
            if segment.flags & 1:
                yield segment.vaddr, self._data[segment.offset : segment.offset + segment.file_size]

    def marks(self) -> Iterator[tuple[int, bytes]]:
        """Bytes that another build would not have, with their address, without the bias: notes, the entry."""
        places = [segment.vaddr for segment in self._of(PT_NOTE)]
        for vaddr in (*places, self.entry):
            for segment in self._of(PT_LOAD):
                left = segment.vaddr + segment.file_size - vaddr
                if vaddr >= segment.vaddr and left > 0 and not segment.flags & 2:
                    at = vaddr - segment.vaddr + segment.offset
                    yield vaddr, self._data[at : at + min(left, _MARK_BYTES)]
