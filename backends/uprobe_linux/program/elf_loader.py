"""ELF images: reading the headers, and mapping the segments as fs/binfmt_elf.c does."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from itertools import pairwise

from uprobe_core.types import FileId
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.memory.address_space import MAP_WINDOW, MMAP_BASE, AddressSpace, page_up
from uprobe_linux.memory.file_image import HostFile, MappedFile

__all__ = ("PIE_BASE", "Elf", "ElfError", "NoInterpreterError", "Segment", "map_image", "read_elf")

PIE_BASE = 2 * MAP_WINDOW // 3
"""ELF_ET_DYN_BASE; rounded down to the image's alignment."""
_MACHINES = {
    3: "x86",
    62: "x86-64",
    40: "32-bit ARM",
    243: "RISC-V",
    8: "MIPS",
    21: "PowerPC 64",
    22: "S/390",
}
_PT_LOAD, _PT_INTERP, _PT_PHDR, _PT_GNU_STACK = 1, 3, 6, 0x6474E551
_ET_EXEC, _ET_DYN, _EM_AARCH64 = 2, 3, 183
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


class ElfError(OSError):
    """A file that cannot be executed; errno as execve gives it, *text* for people."""

    def __init__(self, text: str, number: int = errno.ENOEXEC) -> None:
        super().__init__(number, text)
        self.text = text


class NoInterpreterError(ElfError):
    """What is to run the program, PT_INTERP or that of a ``#!`` line, is not there (ENOENT)."""

    def __init__(self, path: str) -> None:
        super().__init__(f"its interpreter {path} is not there", errno.ENOENT)
        self.path = path


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD: file bytes [offset, offset + filesz) at vaddr, zeroes up to memsz."""

    vaddr: int
    offset: int
    filesz: int
    memsz: int
    prot: Perm
    align: int


@dataclass(frozen=True, slots=True)
class Elf:
    """What loading needs to know of an image.

    :param moves: ET_DYN: may be mapped anywhere
    :param interpreter: path from PT_INTERP, "" for static images
    :param phdr: link-time address of the program headers, 0 if not mapped
    """

    moves: bool
    entry: int
    segments: tuple[Segment, ...]
    interpreter: str
    phdr: int
    phnum: int
    executable_stack: bool

    @property
    def low(self) -> int:
        """First address, page aligned."""
        return self.segments[0].vaddr & -PAGE

    @property
    def span(self) -> int:
        """Bytes from the first page to the end of the last."""
        return page_up(max(s.vaddr + s.memsz for s in self.segments)) - self.low

    @property
    def align(self) -> int:
        """The largest alignment that a segment asks for, at least a page."""
        wanted = [s.align for s in self.segments if s.align and not s.align & (s.align - 1)]
        return max([PAGE, *wanted])


def read_elf(fd: int) -> Elf:
    """Parse the headers of the file open at *fd*; raises ElfError with a text for people."""
    header = os.pread(fd, _HEADER.size, 0)
    if header[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(header) < _HEADER.size:
        raise ElfError("truncated ELF file")
    fields = _HEADER.unpack(header)
    _check_machine(header, fields[2])
    if fields[1] not in (_ET_EXEC, _ET_DYN):
        raise ElfError(f"ELF file is not an executable (type {fields[1]})")
    entry, phoff, phentsize, phnum = fields[4], fields[5], fields[9], fields[10]
    if phentsize != _PROGRAM_HEADER.size or not 0 < phnum <= 65536 // phentsize:
        raise ElfError("ELF file has no usable program headers")
    table = _read(fd, phentsize * phnum, phoff)
    if len(table) < phentsize * phnum:
        raise ElfError("truncated ELF file")
    return _from_headers(fd, fields[1] == _ET_DYN, entry, phoff, list(_PROGRAM_HEADER.iter_unpack(table)))


def _read(fd: int, size: int, offset: int) -> bytes:
    """Up to *size* bytes from *offset*, nothing behind where a file can end."""
    return os.pread(fd, size, offset) if offset + size < 1 << 63 else b""


def _check_machine(header: bytes, machine: int) -> None:
    if header[4] != 2 or header[5] != 1 or machine != _EM_AARCH64:
        name = _MACHINES.get(machine, f"machine {machine}")
        raise ElfError(f"ELF file is for {name}, not for 64-bit little-endian ARM")


def _from_headers(fd: int, moves: bool, entry: int, phoff: int, headers: list[tuple[int, ...]]) -> Elf:
    size = os.fstat(fd).st_size
    segments: list[Segment] = []
    interpreter, phdr, executable_stack = "", 0, False
    for kind, flags, offset, vaddr, _, filesz, memsz, align in headers:
        if kind == _PT_LOAD and memsz:
            segments.append(_segment(size, flags, offset, vaddr, filesz, memsz, align))
            if offset <= phoff < offset + filesz and not phdr:
                phdr = vaddr + phoff - offset
        elif kind == _PT_INTERP and not interpreter:
            interpreter = _interpreter(fd, offset, filesz)
        elif kind == _PT_GNU_STACK:
            executable_stack = bool(flags & 1)
    if not segments:
        raise ElfError("ELF file has nothing to load")
    if any(a.vaddr + a.memsz > b.vaddr for a, b in pairwise(segments)):
        raise ElfError("ELF file has overlapping segments")
    return Elf(moves, entry, tuple(segments), interpreter, phdr, len(headers), executable_stack)


def _segment(size: int, flags: int, offset: int, vaddr: int, filesz: int, memsz: int, align: int) -> Segment:
    if filesz > memsz or vaddr + memsz > MAP_WINDOW or (vaddr - offset) % PAGE:
        raise ElfError(f"ELF file has an impossible segment at {vaddr:#x}")
    if offset + filesz > size:
        raise ElfError("truncated ELF file")
    prot = Perm((flags >> 2 & 1) | (flags & 2) | (flags & 1) << 2)
    return Segment(vaddr, offset, filesz, memsz, prot, align)


def _interpreter(fd: int, offset: int, size: int) -> str:
    path = _read(fd, min(size, PAGE), offset)
    if not 2 <= size <= PAGE or not path.endswith(b"\0"):
        raise ElfError("ELF file has a bad interpreter name")
    return os.fsdecode(path.rstrip(b"\0"))


def map_image(memory: AddressSpace, elf: Elf, fd: int, path: str, base: int | None) -> int:
    """Map all segments; returns the load bias.

    :param base: where the first page goes; None: link address, or top down in the mmap area if it moves
    """
    if not elf.moves:
        bias = 0
    elif base is not None:
        bias = (base & -elf.align) - elf.low
    else:
        top = memory.vmas.highest_gap(elf.span + elf.align - PAGE, 0, MMAP_BASE)
        if top is None:
            raise OSError(errno.ENOMEM, "no room for the image")
        bias = ((top + elf.align - PAGE) & -elf.align) - elf.low
    status = os.fstat(fd)
    file = MappedFile(FileId(status.st_dev, status.st_ino), path)
    host = HostFile(fd)
    for segment in elf.segments:
        _map_segment(memory, segment, bias, file, host)
    return bias


def _map_segment(memory: AddressSpace, segment: Segment, bias: int, file: MappedFile, host: HostFile) -> None:
    address = segment.vaddr + bias
    start = address & -PAGE
    file_end = address + segment.filesz
    mapped = start
    if segment.filesz:
        mapped = page_up(file_end)
        memory.map(start, mapped - start, segment.prot, file=file, host=host, offset=segment.offset & -PAGE)
        if segment.memsz > segment.filesz and segment.prot & Perm.WRITE:
            memory.poke(file_end, bytes(mapped - file_end))  # to the end of the page, as padzero does
    end = page_up(address + segment.memsz)
    if end > mapped:
        memory.map(mapped, end - mapped, segment.prot)
