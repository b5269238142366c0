"""ELF files, read without a library: header, segments, sections, notes.

Every part of the core that looks into an ELF file does it through
:class:`ElfFile`.  Source: the System V ABI (gABI chapters 4 and 5).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from uprobe_core.architecture import Architecture
from uprobe_core.errors import TargetError
from uprobe_core.image.host_files import FileBytes, HeldBytes
from uprobe_core.image.unpacking import unpacked

__all__ = ("ElfFile", "Section", "Segment", "notes")

_MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S390", 40: "Arm (32 bit)"}
_MACHINES |= {62: "x86-64", 183: "AArch64", 243: "RISC-V", 258: "LoongArch"}
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_CHDR = struct.Struct("<IIQQ")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
SHT_NOBITS = 8
SHF_COMPRESSED = 0x800
_MAX_INFLATED = 1 << 28
"""Bytes of a section that is unpacked; what claims to be larger is taken for damaged."""
_MOST_BYTES = 1 << 30
"""Bytes of a part that is read at once; a file of holes may claim any size."""
_MOST_SECTIONS = 1 << 18
_MOST_NAMES = 1 << 28
_NOTE_BUILD_ID = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD segment; [vaddr, vaddr + file_size) shows [offset, offset + file_size) of the file.

    :param flags: PF_X 1, PF_W 2, PF_R 4
    """

    offset: int
    vaddr: int
    file_size: int
    memory_size: int
    flags: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; *vaddr* is 0 for what is not loaded."""

    name: str
    kind: int
    flags: int
    vaddr: int
    offset: int
    size: int
    link: int
    entry_size: int


class ElfFile:
    """One ELF file, 64 bit and little endian, open until :meth:`close` or the end of a ``with``.

    :param wanted: what it must be for, None: anything
    :param content: the file's bytes, if they are not those of *path*

    Raises TargetError when *path* is missing, no ELF file, cut short, or for another machine.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        wanted: Architecture | None = None,
        content: bytes | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self._data = _opened(self.path) if content is None else HeldBytes(content)
        try:
            self._header(wanted)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; idempotent."""
        self._data.close()

    # --- headers --------------------------------------------------------------------------------

    def _header(self, wanted: Architecture | None) -> None:
        data = self._data.at(0, 64)
        if data[:4] != b"\x7fELF":
            raise TargetError(f"not an ELF file: {self.path}{_what_else(data)}", slug="not-elf")
        if len(data) < _EHDR.size:
            raise self._truncated("the ELF header")
        fields = _EHDR.unpack_from(data)
        self.machine, self.entry = fields[2], fields[4]
        machine = struct.unpack_from(">H" if data[5] == 2 else "<H", data, 18)[0]
        required = None if wanted is None else wanted.elf_machine
        if data[4] != 2 or data[5] != 1 or required not in (None, machine):
            raise self._other_machine(machine, wanted, data[4])
        self.kind = fields[1]
        self._ph = (fields[5], fields[9], fields[10])
        self._sh = (fields[6], fields[11], fields[12], fields[13])

    def _other_machine(self, machine: int, wanted: Architecture | None, elf_class: int) -> TargetError:
        name = "64-bit little-endian" if wanted is None else wanted.name
        is_other = wanted is not None and wanted.elf_machine not in (None, machine)
        variant = "" if is_other else " in its 32-bit form" if elf_class != 2 else " in big endian"
        return TargetError(
            f"not {'an' if name[0] in 'aeiou' else 'a'} {name} program: {self.path} is for"
            f" {_MACHINES.get(machine, f'machine {machine}')}{variant}",
            hint=f"build it for {name}" + ("" if wanted is None else ", little endian, 64 bit"),
            slug="wrong-machine",
        )

    def _truncated(self, what: str) -> TargetError:
        return TargetError(
            f"truncated ELF file: {self.path} ends at {len(self._data)} bytes, before {what}",
            hint="copy the file again",
            slug="truncated-elf",
        )

    @cached_property
    def _program_headers(self) -> list[tuple[int, ...]]:
        start, size, count = self._ph
        if count and (size < _PHDR.size or start + size * count > len(self._data)):
            raise self._truncated("its program headers")
        data = self._data.at(start, size * count)
        return [_PHDR.unpack_from(data, i * size) for i in range(count)]

    def _part(self, start: int, size: int, what: str) -> bytes:
        """[start, start + size) of the file; TargetError where that is more than anybody can want."""
        if size > _MOST_BYTES:
            raise TargetError(
                f"{what} of {self.path} claims {size} bytes", hint="the file is damaged", slug="bad-section"
            )
        return self._data.at(start, size)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The loadable segments, in file order."""
        return tuple(
            Segment(offset=p[2], vaddr=p[3], file_size=p[5], memory_size=p[6], flags=p[1])
            for p in self._program_headers
            if p[0] == PT_LOAD
        )

    @cached_property
    def interpreter(self) -> str:
        """The guest path of the program's dynamic linker (PT_INTERP), "" if it has none."""
        return self._content(PT_INTERP).partition(b"\0")[0].decode(errors="surrogateescape")

    @cached_property
    def dynamic(self) -> bytes:
        """The entries of PT_DYNAMIC, 16 bytes each; empty in a static file."""
        return self._content(PT_DYNAMIC)

    def _content(self, kind: int) -> bytes:
        """What the first program header of *kind* covers in the file."""
        found = next((p for p in self._program_headers if p[0] == kind), None)
        return b"" if found is None else self._part(found[2], found[5], "a program header")

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The sections; empty in a file whose section headers were stripped."""
        start, size, count, names = self._sh
        if not start:
            return ()
        if size < _SHDR.size or start + size * max(count, 1) > len(self._data):
            raise self._truncated("its section headers")
        first = _SHDR.unpack(self._data.at(start, _SHDR.size))
        count, names = count or first[5], first[6] if names == 0xFFFF else names
        if start + size * count > len(self._data) or count > _MOST_SECTIONS:
            raise self._truncated(f"its {count} section headers")
        data = self._data.at(start, size * count)
        raw = [_SHDR.unpack_from(data, i * size) for i in range(count)]
        table = self._data.at(raw[names][4], min(raw[names][5], _MOST_NAMES)) if names < count else b""
        return tuple(Section(_name(table, s[0]), s[1], s[2], s[3], s[4], s[5], s[6], s[9]) for s in raw)

    def section(self, name: str) -> Section | None:
        """The first section called *name*, None if there is none."""
        return next((s for s in self.sections if s.name == name), None)

    def bytes_of(self, section: Section) -> bytes:
        """The content of *section*; raises TargetError if it lies outside the file."""
        if section.kind == SHT_NOBITS:
            return b""
        if section.offset + section.size > len(self._data):
            raise self._truncated(f"section {section.name}")
        data = self._part(section.offset, section.size, f"section {section.name}")
        return self._inflated(section, data) if section.flags & SHF_COMPRESSED else data

    def _inflated(self, section: Section, data: bytes) -> bytes:
        """The content of a compressed section, as large as its header promises at most."""
        try:
            kind, _, size, _ = _CHDR.unpack_from(data)
            if size > _MAX_INFLATED:
                raise ValueError(f"it says that it has {size} bytes")
            return unpacked(kind, data[_CHDR.size :], size)
        except (struct.error, ValueError) as error:
            raise TargetError(
                f"cannot unpack section {section.name} of {self.path}: {error}",
                hint="objcopy --decompress-debug-sections makes a file that can be read",
                slug="bad-section",
            ) from None

    @cached_property
    def build_id(self) -> str:
        """The build's identity in hexadecimal, "" without one."""
        note = self.section(".note.gnu.build-id")
        try:
            found = list(notes(self.bytes_of(note))) if note is not None else []
        except ValueError:
            return ""
        ids = [data for owner, kind, data in found if owner == b"GNU\0" and kind == _NOTE_BUILD_ID]
        return ids[0].hex() if ids else ""

    def read(self, vaddr: int, size: int) -> bytes:
        """Up to *size* bytes of the file at *vaddr*; fewer where a segment's file part ends."""
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                at = vaddr - segment.vaddr + segment.offset
                return self._part(at, min(size, segment.vaddr + segment.file_size - vaddr), "a segment")
        return b""

    # --- addresses ------------------------------------------------------------------------------

    def vaddr_to_offset(self, vaddr: int) -> int | None:
        """The file offset that *vaddr* shows, None if no segment shows a byte of the file there."""
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                return vaddr - segment.vaddr + segment.offset
        return None

    @cached_property
    def _code_first(self) -> list[Segment]:
        return sorted(self.segments, key=lambda segment: not segment.flags & 1)

    def offset_to_vaddr(self, offset: int) -> int | None:
        """The virtual address at which *offset* is loaded (executable segments first), or None."""
        for segment in self._code_first:
            if segment.offset <= offset < segment.offset + segment.file_size:
                return offset - segment.offset + segment.vaddr
        return None


def notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """(owner, type, content) of each note in the section *data*; raises ValueError where one is cut short."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, at)
        start = at + 12 + (name_size + 3 & ~3)
        if start + size > len(data):
            raise ValueError(f"a note of {size} bytes at {at} ends after its section")
        yield data[at + 12 : at + 12 + name_size], kind, data[start : start + size]
        at = start + (size + 3 & ~3)


def _name(table: bytes, at: int) -> str:
    """The string at *at* of a string table, "" where it has none."""
    end = table.find(b"\0", at)
    return table[at : max(end, at)].decode("utf-8", "surrogateescape")


def _opened(path: str) -> FileBytes:
    """The file's bytes; raises TargetError."""
    try:
        return FileBytes(path)
    except FileNotFoundError:
        raise TargetError(f"no such file: {path}", exit_status=127, slug="not-found") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TargetError(f"cannot read {path}: {str(reason).lower()}", slug="unreadable") from None


def _what_else(head: bytes) -> str:
    """What a file that is no ELF file seems to be, for the message."""
    if not head:
        return " (it is empty)"
    if head.startswith(b"#!"):
        return f" (a script for {head[2:].split(chr(10).encode())[0].strip().decode('utf-8', 'replace')})"
    if head.startswith(b"MZ"):
        return " (a Windows program)"
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xca\xfe\xba\xbe"):
        return " (a macOS program)"
    return ""
