"""Call frame information of one ELF file: how to get from a frame to its caller's.

Only the entry that covers an address is parsed, found through the sorted table
of .eh_frame_hdr (Linux Standard Base, "Exception Frames"); the instructions
are those of DWARF 5, section 6.4.2, the register numbers those of AADWARF64.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("CallFrames", "Row")

LINK_REGISTER = 30
_ABSOLUTE, _PC_RELATIVE, _DATA_RELATIVE, _OMIT = 0x00, 0x10, 0x30, 0xFF


@dataclass(slots=True)
class Row:
    """The rules that hold at one address.

    :param cfa: (register, offset): CFA = register + offset
    :param saved: register -> ("offset", n): at CFA + n; ("register", r); ("undefined", 0)
    :param signal: whether the frame is a signal handler's trampoline ("S" augmentation)
    """

    cfa: tuple[int, int] = (31, 0)
    saved: dict[int, tuple[str, int]] = field(default_factory=dict)
    signal: bool = False


class _Reader:
    """A cursor over bytes that lie at a virtual address."""

    def __init__(self, data: bytes, vaddr: int, at: int = 0) -> None:
        self.data, self.vaddr, self.at = data, vaddr, at

    def take(self, code: str) -> int:
        value: int = struct.unpack_from("<" + code, self.data, self.at)[0]
        self.at += struct.calcsize("<" + code)
        return value

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if self.data[self.at - 1] & 0x40 else value

    def text(self) -> str:
        end = self.data.index(0, self.at)
        text = self.data[self.at : end].decode("ascii", "replace")
        self.at = end + 1
        return text

    def pointer(self, encoding: int, data_base: int = 0) -> int:
        """An encoded pointer (DW_EH_PE_*)."""
        here = self.vaddr + self.at
        codes = {0: "Q", 2: "H", 3: "I", 4: "Q", 10: "h", 11: "i", 12: "q"}
        form = encoding & 0x0F
        value = self.uleb() if form == 1 else self.sleb() if form == 9 else self.take(codes[form])
        base = encoding & 0x70
        if base == _PC_RELATIVE:
            value += here
        elif base == _DATA_RELATIVE:
            value += data_base
        return value & (1 << 64) - 1


@dataclass(slots=True)
class _Common:
    """A CIE."""

    code_factor: int
    data_factor: int
    return_register: int
    encoding: int
    signal: bool
    augmented: bool
    instructions: bytes


class CallFrames:
    """The unwind information of *image*; addresses are the file's own."""

    def __init__(self, image: ElfImage) -> None:
        frames, header = image.section(".eh_frame"), image.section(".eh_frame_hdr")
        self._frames = (image.bytes_of(frames), frames.vaddr) if frames is not None else (b"", 0)
        self._table: list[tuple[int, int]] = []
        self._commons: dict[int, _Common] = {}
        self._starts: list[int] = []
        if header is not None and self._frames[0]:
            self._read_table(image.bytes_of(header), header.vaddr)
        if not self._table:  # as in static programs, whose start-up code registers .eh_frame itself
            self._scan()
        self._starts = [start for start, _ in self._table]

    def _read_table(self, data: bytes, vaddr: int) -> None:
        reader = _Reader(data, vaddr)
        version, frame_encoding, count_encoding, table_encoding = (reader.take("B") for _ in range(4))
        if version != 1 or _OMIT in {count_encoding, table_encoding}:
            return
        reader.pointer(frame_encoding, vaddr)
        count = reader.pointer(count_encoding, vaddr)
        if table_encoding == _DATA_RELATIVE | 0x0B:  # sdata4, what every linker writes
            pairs = struct.iter_unpack("<ii", data[reader.at : reader.at + 8 * count])
            self._table = [(start + vaddr, entry + vaddr) for start, entry in pairs]

    def _scan(self) -> None:
        """Make the table from the entries themselves."""
        data, base = self._frames
        reader = _Reader(data, base)
        try:
            while reader.at + 4 <= len(data):
                at, length = reader.at, reader.take("I")
                if length == 0:
                    break
                end, pointer_at = reader.at + length, reader.at
                distance = reader.take("I")
                if distance:
                    common = self._common(pointer_at - distance)
                    self._table.append((reader.pointer(common.encoding), base + at))
                reader.at = end
        except (IndexError, struct.error, KeyError):
            pass  # what was read up to the damage is good
        self._table.sort()

    def row_at(self, vaddr: int) -> Row | None:
        """The rules at *vaddr*, None where there are none."""
        at = bisect_right(self._starts, vaddr) - 1
        if at < 0:
            return None
        try:
            return self._row(self._table[at][1], vaddr)
        except (IndexError, struct.error, KeyError, ValueError):
            return None  # damaged or of a form that nobody writes: the frame pointer has to do

    def _row(self, entry: int, vaddr: int) -> Row | None:
        data, base = self._frames
        reader = _Reader(data, base, entry - base)
        length = reader.take("I")
        end = reader.at + length
        pointer_at = reader.at
        common = self._common(pointer_at - reader.take("I"))
        start = reader.pointer(common.encoding)
        size = reader.pointer(common.encoding & 0x0F)
        if not start <= vaddr < start + size:
            return None
        if common.augmented:
            skip = reader.uleb()
            reader.at += skip
        row = Row(signal=common.signal)
        _run(_Reader(common.instructions, 0), common, row, None, 0, 0)
        initial = Row(row.cfa, dict(row.saved))
        _run(_Reader(data[:end], base, reader.at), common, row, initial, start, vaddr)
        return row

    def _common(self, at: int) -> _Common:
        known = self._commons.get(at)
        if known is None:
            known = self._commons[at] = self._read_common(at)
        return known

    def _read_common(self, at: int) -> _Common:
        data, base = self._frames
        reader = _Reader(data, base, at)
        end = at + 4 + reader.take("I")
        reader.take("I")
        reader.take("B")
        augmentation = reader.text()
        code_factor, data_factor, register = reader.uleb(), reader.sleb(), reader.uleb()
        encoding = _ABSOLUTE
        if augmentation.startswith("z"):
            reader.uleb()
            for letter in augmentation[1:]:
                if letter == "R":
                    encoding = reader.take("B")
                elif letter == "P":
                    reader.pointer(reader.take("B"))
                elif letter == "L":
                    reader.take("B")
        instructions = data[reader.at : end]
        signal, augmented = "S" in augmentation, augmentation.startswith("z")
        return _Common(code_factor, data_factor, register, encoding, signal, augmented, instructions)


def _run(reader: _Reader, common: _Common, row: Row, initial: Row | None, pc: int, until: int) -> None:
    """Execute instructions into *row* until the location passes *until* (initial ones: to the end)."""
    remembered: list[tuple[tuple[int, int], dict[int, tuple[str, int]]]] = []
    while reader.at < len(reader.data):
        op = reader.take("B")
        high, low = op & 0xC0, op & 0x3F
        if high == 0x40 or op in (0x02, 0x03, 0x04):  # DW_CFA_advance_loc and its long forms
            delta = low if high else reader.take({0x02: "B", 0x03: "H", 0x04: "I"}[op])
            pc += delta * common.code_factor
            if initial is not None and pc > until:
                return
        elif high == 0x80:
            row.saved[low] = ("offset", reader.uleb() * common.data_factor)
        elif high == 0xC0:
            _restore(row, initial, low)
        elif op == 0x0A:
            remembered.append((row.cfa, dict(row.saved)))
        elif op == 0x0B:
            row.cfa, row.saved = remembered.pop()
        else:
            _other(op, reader, common, row, initial)


def _restore(row: Row, initial: Row | None, register: int) -> None:
    rule = initial.saved.get(register) if initial is not None else None
    if rule is None:
        row.saved.pop(register, None)
    else:
        row.saved[register] = rule


def _other(op: int, reader: _Reader, common: _Common, row: Row, initial: Row | None) -> None:
    if op == 0x0C:
        row.cfa = (reader.uleb(), reader.uleb())
    elif op == 0x0D:
        row.cfa = (reader.uleb(), row.cfa[1])
    elif op == 0x0E:
        row.cfa = (row.cfa[0], reader.uleb())
    elif op == 0x12:
        row.cfa = (reader.uleb(), reader.sleb() * common.data_factor)
    elif op == 0x13:
        row.cfa = (row.cfa[0], reader.sleb() * common.data_factor)
    elif op == 0x05:
        row.saved[reader.uleb()] = ("offset", reader.uleb() * common.data_factor)
    elif op == 0x11:
        row.saved[reader.uleb()] = ("offset", reader.sleb() * common.data_factor)
    elif op == 0x06:
        _restore(row, initial, reader.uleb())
    elif op == 0x07:
        row.saved[reader.uleb()] = ("undefined", 0)
    elif op == 0x08:
        row.saved.pop(reader.uleb(), None)
    elif op == 0x09:
        row.saved[reader.uleb()] = ("register", reader.uleb())
    elif op == 0x2E:
        reader.uleb()  # DW_CFA_GNU_args_size
    elif op not in (0x00, 0x2D):  # DW_CFA_nop, DW_CFA_AARCH64_negate_ra_state
        raise ValueError(f"call frame instruction {op:#x}")
