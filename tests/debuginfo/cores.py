"""A hit as a core file, so that gdb looks at the very same stop."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from uprobe_core.image.elf import ElfFile
from uprobe_core.types import MemoryFault

__all__ = ("write_core",)

_STRIDE = 1 << 16
_REGISTERS, _VECTORS = 34, 32
_PC, _PSTATE = 32, 33


def write_core(hit: Any, program: ElfFile, guest: str, file: Path) -> None:
    """Write *file*: the process of *hit*, which runs *program*, called *guest* there.

    What cannot be written is left to the files that are mapped.  Layout: elf(5), Linux's elfcore.h and
    the arm64 user_regs; gdb finds shared libraries through AT_PHDR, as in any core.
    """
    mappings = [m for m in hit.process.mappings() if m.readable and not (m.file and m.executable)]
    notes = _notes(hit, program, guest)
    at = 64 + 56 * (len(mappings) + 1)
    headers = [struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, len(notes), 0, 4)]
    data_at = -(-(at + len(notes)) // 4096) * 4096
    with file.open("wb") as out:
        out.seek(at)
        out.write(notes)
        for mapping in mappings:
            size = mapping.end - mapping.start
            flags = 4 | mapping.writable << 1 | mapping.executable
            headers.append(struct.pack("<IIQQQQQQ", 1, flags, data_at, mapping.start, 0, size, size, 4096))
            for start in range(mapping.start, mapping.end, _STRIDE):
                data = _read(hit.process, start, min(_STRIDE, mapping.end - start))
                if data.strip(b"\0"):
                    out.seek(data_at + start - mapping.start)
                    out.write(data)
            data_at += size
        out.truncate(data_at)
        out.seek(0)
        out.write(_header(len(headers)))
        out.write(b"".join(headers))


def _read(process: Any, start: int, size: int) -> bytes:
    try:
        return bytes(process.read(start, size))
    except MemoryFault:
        return b""


def _header(count: int) -> bytes:
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 4, 183, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)


def _notes(hit: Any, program: ElfFile, guest: str) -> bytes:
    task = hit.task
    registers = [task.get_reg(number) for number in range(_PC)]
    state = struct.pack("<34Q", *registers, hit.address, task.get_reg(_PSTATE))
    status = bytes(32) + struct.pack("<I", 1) + bytes(76) + state + bytes(8)
    vectors = b"".join(task.get_vec(number).to_bytes(16, "little") for number in range(_VECTORS))
    pairs = _auxv(hit.process, program, guest)
    auxv = b"".join(struct.pack("<QQ", *pair) for pair in [*pairs, (0, 0)])
    return _note(1, status) + _note(2, vectors + bytes(16)) + _note(6, auxv)


def _note(kind: int, data: bytes) -> bytes:
    return struct.pack("<III", 5, len(data), kind) + b"CORE\0\0\0\0" + data + bytes(-len(data) % 4)


def _auxv(process: Any, program: ElfFile, guest: str) -> list[tuple[int, int]]:
    mappings = process.mappings()
    start = next(m.start for m in mappings if m.path == guest and not m.offset)
    first = min(s.vaddr for s in program.segments)
    bias = start - (first & ~4095)
    loaders = [m.start for m in mappings if "/ld-" in m.path and not m.offset]
    headers = struct.unpack_from("<Q", process.read(start, 64), 32)[0]
    entry = struct.unpack_from("<Q", process.read(start, 64), 24)[0]
    count = struct.unpack_from("<H", process.read(start, 64), 56)[0]
    pairs = [(3, start + headers), (4, 56), (5, count), (9, bias + entry)]
    return [*pairs, *((7, each) for each in loaders[:1])]
