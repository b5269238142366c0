"""Functions and addresses of an arm64 ELF file, read without a library.

Symbol tables are unpacked in one sweep, because ``uprobe run`` resolves a
symbol before the program starts and users wait for it.  Source: the System V
ABI (gABI chapters 4 and 5) and the ELF for the Arm 64-bit Architecture ABI.
"""

from __future__ import annotations

import bisect
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from uprobe_core.errors import TargetError

__all__ = ("ElfImage", "Section", "Segment", "Symbol")

EM_AARCH64 = 183
_MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC64", 22: "S390", 40: "Arm (32 bit)"}
_MACHINES |= {62: "x86-64", 183: "AArch64", 243: "RISC-V", 258: "LoongArch"}
_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_DYN = struct.Struct("<qQ")
PT_LOAD, PT_DYNAMIC = 1, 2
SHT_SYMTAB, SHT_DYNSYM, SHT_NOBITS = 2, 11, 8
STT_OBJECT, STT_FUNC, STT_TLS, STT_IFUNC = 1, 2, 6, 10


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


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol with a place in the file.

    :param vaddr: virtual address in the file's own numbering (no load bias)
    :param offset: file offset, bytes
    :param size: bytes, 0 when the file does not say
    """

    name: str
    vaddr: int
    offset: int
    size: int


class ElfImage:
    """One arm64 ELF file, open for reading until :meth:`close` or the end of a ``with``.

    Raises TargetError when *path* is missing, no ELF file, cut short, or for another machine.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._data = _map_file(self.path)
        self._header()

    def __enter__(self) -> ElfImage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the mapping of the file back; idempotent."""
        if isinstance(self._data, mmap.mmap):
            self._data.close()

    # --- headers --------------------------------------------------------------------------------

    def _header(self) -> None:
        data = self._data
        if data[:4] != b"\x7fELF":
            raise TargetError(f"not an ELF file: {self.path}{_what_else(data[:64])}", slug="not-elf")
        if len(data) < _EHDR.size:
            raise self._truncated("the ELF header")
        fields = _EHDR.unpack_from(data)
        self.machine, self.entry = fields[2], fields[4]
        machine = struct.unpack_from(">H" if data[5] == 2 else "<H", data, 18)[0]
        if data[4] != 2 or data[5] != 1 or machine != EM_AARCH64:
            raise TargetError(
                f"not an arm64 program: {self.path} is for {_MACHINES.get(machine, f'machine {machine}')}"
                + _variant(data[4], data[5], machine),
                hint="build it for aarch64, little endian, 64 bit",
                slug="wrong-machine",
            )
        self.kind = fields[1]
        self._ph = (fields[5], fields[9], fields[10])
        self._sh = (fields[6], fields[11], fields[12], fields[13])

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
        return [_PHDR.unpack_from(self._data, start + i * size) for i in range(count)]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The loadable segments, in file order."""
        return tuple(
            Segment(offset=p[2], vaddr=p[3], file_size=p[5], memory_size=p[6], flags=p[1])
            for p in self._program_headers
            if p[0] == PT_LOAD
        )

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The sections; empty in a file whose section headers were stripped."""
        start, size, count, names = self._sh
        if not start:
            return ()
        if size < _SHDR.size or start + size * max(count, 1) > len(self._data):
            raise self._truncated("its section headers")
        first = _SHDR.unpack_from(self._data, start)
        count, names = count or first[5], first[6] if names == 0xFFFF else names
        if start + size * count > len(self._data):
            raise self._truncated("its section headers")
        raw = [_SHDR.unpack_from(self._data, start + i * size) for i in range(count)]
        table = raw[names] if names < count else None
        return tuple(Section(self._name(table, s[0]), s[1], s[2], s[3], s[4], s[5], s[6], s[9]) for s in raw)

    def _name(self, table: tuple[int, ...] | None, at: int) -> str:
        if table is None:
            return ""
        start = table[4] + at
        end = self._data.find(b"\0", start, table[4] + table[5])
        return self._data[start : max(end, start)].decode("utf-8", "surrogateescape")

    def section(self, name: str) -> Section | None:
        """The first section called *name*, None if there is none."""
        return next((s for s in self.sections if s.name == name), None)

    def bytes_of(self, section: Section) -> bytes:
        """The content of *section*; raises TargetError if it lies outside the file."""
        if section.kind == SHT_NOBITS:
            return b""
        if section.offset + section.size > len(self._data):
            raise self._truncated(f"section {section.name}")
        return self._data[section.offset : section.offset + section.size]

    def read(self, vaddr: int, size: int) -> bytes:
        """Up to *size* bytes of the file at *vaddr*; fewer where a segment's file part ends."""
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                at = vaddr - segment.vaddr + segment.offset
                return self._data[at : at + min(size, segment.vaddr + segment.file_size - vaddr)]
        return b""

    # --- addresses ------------------------------------------------------------------------------

    def vaddr_to_offset(self, vaddr: int) -> int | None:
        """The file offset that *vaddr* shows, None if no segment shows a byte of the file there."""
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.file_size:
                return vaddr - segment.vaddr + segment.offset
        return None

    def offset_to_vaddr(self, offset: int) -> int | None:
        """The virtual address at which *offset* is loaded (executable segments first), or None."""
        for segment in sorted(self.segments, key=lambda s: not s.flags & 1):
            if segment.offset <= offset < segment.offset + segment.file_size:
                return offset - segment.offset + segment.vaddr
        return None

    # --- symbols --------------------------------------------------------------------------------

    def _tables(self) -> list[Section]:
        kinds = {s.kind: s for s in self.sections if s.kind in (SHT_SYMTAB, SHT_DYNSYM)}
        return [kinds[k] for k in (SHT_SYMTAB, SHT_DYNSYM) if k in kinds]

    def _raw_symbols(self) -> Iterator[tuple[str, int, int, int]]:
        """(name, type, value, size) of the defined symbols of both tables."""
        for table in self._tables():
            symbols = self.bytes_of(table)
            strings = self.bytes_of(self.sections[table.link]) if table.link < len(self.sections) else b""
            for name, info, _, index, value, size in _SYM.iter_unpack(symbols[: len(symbols) // 24 * 24]):
                if not index or not name or info & 15 not in _PLACED:
                    continue
                end = strings.find(b"\0", name)
                yield strings[name:end].decode("utf-8", "surrogateescape"), info & 15, value, size

    @cached_property
    def _functions(self) -> dict[str, Symbol]:
        return self._placed((STT_FUNC, STT_IFUNC))

    @cached_property
    def _objects(self) -> dict[str, Symbol]:
        found: dict[str, Symbol] = {}
        for name, kind, value, size in self._raw_symbols():
            if kind in (0, STT_OBJECT) and name not in found:
                found[name] = Symbol(name, value, self.vaddr_to_offset(value) or 0, size)
        return found

    def _placed(self, kinds: tuple[int, ...]) -> dict[str, Symbol]:
        found: dict[str, Symbol] = {}
        for name, kind, value, size in self._raw_symbols():
            if name in found or name[:1] == "$":
                continue
            if kind not in kinds and not (kind == 0 and self._is_code(value)):
                continue
            offset = self.vaddr_to_offset(value)
            if offset is not None:
                found[name] = Symbol(name, value, offset, size)
        return found

    def _is_code(self, vaddr: int) -> bool:
        return any(s.flags & 1 and s.vaddr <= vaddr < s.vaddr + s.file_size for s in self.segments)

    def functions(self) -> list[Symbol]:
        """The functions (and untyped labels in code), by address, then name; each name once."""
        return sorted(self._functions.values(), key=lambda s: (s.vaddr, s.name))

    def objects(self) -> list[Symbol]:
        """The data symbols by address; *offset* is 0 for what the file has no bytes of (.bss)."""
        return sorted(self._objects.values(), key=lambda s: (s.vaddr, s.name))

    def find(self, name: str) -> Symbol | None:
        """The function called *name*, None if there is none."""
        return self._functions.get(name)

    def find_object(self, name: str) -> Symbol | None:
        """The data symbol called *name*, else the function of that name, else None."""
        return self._objects.get(name) or self._functions.get(name)

    def offset_of(self, name: str) -> int:
        """The file offset of the function called *name*; raises TargetError that suggests near names."""
        symbol = self._functions.get(name)
        if symbol is None:
            near = self.nearest(name)
            hint = "did you mean " + " or ".join(near) + "?" if near else self._without_symbols()
            raise TargetError(f"no function {name} in {self.path}", hint=hint, slug="no-symbol")
        return symbol.offset

    def _without_symbols(self) -> str:
        if self._functions:
            return f"uprobe list {self.path} shows what can be probed"
        return "the file has no symbols (it was stripped); give a file offset, or *+0xADDRESS"

    @cached_property
    def _by_address(self) -> tuple[list[int], list[Symbol]]:
        functions = self.functions()
        return [s.vaddr for s in functions], functions

    def symbol_at(self, vaddr: int) -> tuple[Symbol, int] | None:
        """The function around *vaddr* and the distance from its start in bytes; None outside of all.

        A function without a size reaches to the next one.
        """
        addresses, functions = self._by_address
        at = bisect.bisect_right(addresses, vaddr) - 1
        while at >= 0:
            symbol = functions[at]
            distance = vaddr - symbol.vaddr
            if distance < symbol.size or (symbol.size == 0 and self._is_code(vaddr)):
                return symbol, distance
            if at == 0 or functions[at - 1].vaddr != symbol.vaddr:
                return None
            at -= 1
        return None

    def nearest(self, name: str, limit: int = 3) -> list[str]:
        """Up to *limit* function names that look like *name*, best first."""
        import difflib  # only error messages need it

        return difflib.get_close_matches(name, list(self._functions), n=limit, cutoff=0.6)


_PLACED = frozenset((0, STT_OBJECT, STT_FUNC, STT_IFUNC))


def _map_file(path: str) -> mmap.mmap | bytes:
    """The file's bytes, mapped; raises TargetError."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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


def _variant(bits: int, order: int, machine: int) -> str:
    if machine != EM_AARCH64:
        return ""
    return " in its 32-bit form (ILP32)" if bits != 2 else " in big endian" if order != 1 else ""
