"""Call frame information of one ELF file: .eh_frame or .debug_frame, and the entry that covers an address.

Only entries that are asked for are parsed.  An .eh_frame has a sorted table
(.eh_frame_hdr; Linux Standard Base, "Exception Frames"); without one, and for
.debug_frame (DWARF 5, section 6.4.1), all entries are passed over once.

What is damaged has no row, whatever it is; nothing here raises for it.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import ElfFile
from uprobe_core.stacks.cfi_program import Program, run_program
from uprobe_core.stacks.reader import OMIT, Reader
from uprobe_core.unwinding import FrameRules, Row

__all__ = ("DAMAGED", "CallFrames")

DAMAGED = (ValueError, IndexError, KeyError, struct.error, TargetError)
"""What reading a section that is not as it should be raises."""
_DATA_RELATIVE_4 = 0x3B
_LONG = 0xFFFF_FFFF
_MAX_ENTRIES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Common:
    """A CIE.

    :param instructions: (start, end) in the section
    """

    program: Program
    encoding: int
    signal: bool
    augmented: bool
    instructions: tuple[int, int]


class CallFrames:
    """The unwind information of *elf*; addresses are the file's own.

    :param debug: read .debug_frame instead of .eh_frame
    """

    def __init__(self, elf: ElfFile, rules: FrameRules, *, debug: bool = False) -> None:
        self._rules, self._is_debug = rules, debug
        self._data, self._vaddr = b"", 0
        self._commons: dict[int, _Common] = {}
        self._table: list[tuple[int, int]] = []
        try:
            self._open(elf)
        except DAMAGED:
            self._table = []
        self._starts = [start for start, _ in self._table]

    def _open(self, elf: ElfFile) -> None:
        section = elf.section(".debug_frame" if self._is_debug else ".eh_frame")
        if section is None:
            return
        self._data, self._vaddr = elf.bytes_of(section), section.vaddr
        header = None if self._is_debug else elf.section(".eh_frame_hdr")
        if header is not None:
            self._read_table(elf.bytes_of(header), header.vaddr)
        if not self._table:
            self._scan()

    def _read_table(self, data: bytes, vaddr: int) -> None:
        reader = Reader(data, vaddr)
        version, frame_encoding, count_encoding, table_encoding = (reader.take("B") for _ in range(4))
        if version != 1 or OMIT in {count_encoding, table_encoding} or table_encoding != _DATA_RELATIVE_4:
            return  # every linker writes sdata4; anything else is found by looking at all entries
        reader.pointer(frame_encoding, vaddr)
        count = min(reader.pointer(count_encoding, vaddr), (len(data) - reader.at) // 8)
        pairs = struct.iter_unpack("<ii", data[reader.at : reader.at + 8 * count])
        self._table = sorted((start + vaddr, entry + vaddr - self._vaddr) for start, entry in pairs)

    def _scan(self) -> None:
        """Make the table from the entries themselves; what comes before damage is good."""
        at = 0
        try:
            while at + 4 <= len(self._data) and len(self._table) < _MAX_ENTRIES:
                reader, common_at = self._entry(at)
                if common_at is not None:
                    self._table.append((self._range(reader, self._common(common_at))[0], at))
                at = reader.end
        except DAMAGED:
            pass
        self._table.sort()

    def _entry(self, at: int) -> tuple[Reader, int | None]:
        """A cursor behind the entry's head, up to its end, and where its CIE is (None: it is one).

        Raises ValueError for the zero that ends an .eh_frame.
        """
        reader = Reader(self._data, self._vaddr, at)
        length, is_long = reader.take("I"), False
        if length == _LONG:
            length, is_long = reader.take("Q"), True
        start = reader.at
        if length == 0 or length > len(self._data) - start:
            raise ValueError(f"an entry of {length} bytes")
        reader.end = start + length
        pointer = reader.take("Q" if is_long and self._is_debug else "I")
        if self._is_debug:
            return reader, None if pointer == (1 << (64 if is_long else 32)) - 1 else pointer
        return reader, start - pointer if pointer else None

    def _range(self, reader: Reader, common: _Common) -> tuple[int, int]:
        """[start, end) of the code that an FDE is about."""
        start = reader.pointer(common.encoding)
        return start, start + reader.pointer(common.encoding & 0x0F)

    def row_at(self, vaddr: int) -> Row | None:
        """The rules at *vaddr*, None where there are none."""
        at = bisect_right(self._starts, vaddr) - 1
        try:
            return self._row(self._table[at][1], vaddr) if at >= 0 else None
        except DAMAGED:
            return None

    def _row(self, entry: int, vaddr: int) -> Row | None:
        reader, common_at = self._entry(entry)
        if common_at is None:
            return None
        common = self._common(common_at)
        start, end = self._range(reader, common)
        if not start <= vaddr < end:
            return None
        if common.augmented:
            reader.skip(reader.uleb())
        initial = Reader(self._data, self._vaddr, *common.instructions)
        return run_program(
            common.program, initial, reader, start, vaddr, self._rules, interrupted=common.signal
        )

    def _common(self, at: int) -> _Common:
        known = self._commons.get(at)
        if known is None:
            known = self._commons[at] = self._read_common(at)
        return known

    def _read_common(self, at: int) -> _Common:
        if at < 0:
            raise ValueError(f"a CIE at {at}")
        reader, common_at = self._entry(at)
        version = reader.take("B")
        if common_at is not None or version not in (1, 3, 4):
            raise ValueError(f"no CIE at {at}, or of version {version}")
        augmentation = reader.text()
        if version == 4 and (reader.take("B"), reader.take("B")) != (8, 0):
            raise ValueError("addresses are not of 8 bytes, or have segments")
        factors = reader.uleb(), reader.sleb()
        register = reader.take("B") if version == 1 else reader.uleb()
        encoding = self._augmentation(reader, augmentation)
        program = Program(*factors, register)
        span = reader.at, reader.end
        return _Common(program, encoding, b"S" in augmentation, augmentation[:1] == b"z", span)

    def _augmentation(self, reader: Reader, letters: bytes) -> int:
        """How addresses of FDEs are encoded; passes over the augmentation's data."""
        if letters[:1] != b"z":
            if letters:
                raise ValueError(f"augmentation {letters!r}")
            return 0
        size = reader.uleb()
        inside, encoding = Reader(reader.data, reader.vaddr, reader.at, reader.at + size), 0
        reader.skip(size)
        for letter in letters[1:]:
            if letter == ord("R"):
                encoding = inside.take("B")
            elif letter == ord("P"):
                inside.pointer(inside.take("B") & 0x7F)
            elif letter == ord("L"):
                inside.take("B")
        return encoding
