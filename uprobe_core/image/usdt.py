"""USDT markers: ``.note.stapsdt``, with the operands that describe a marker's arguments.

The note's layout and the argument format ``N@OP`` are SystemTap's
(UserSpaceProbeImplementation); operands are assembler text, which the architecture reads.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import Section, notes
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("Marker", "MarkerArgument", "OperandReader", "markers", "parse_operands")

_NOTE_TYPE = 3
_ARGUMENT = re.compile(r"(?P<size>-?\d+)(?P<float>f?)@(?P<operand>\[[^\]]*\]!?|[^\s\[]+)")
OperandReader = Callable[[str, int, bool, Callable[[str], int | None]], str | None]
"""``operand(text, size, is_float, low_bits)``: see ``marker_operand`` of uprobe_core.arch_hooks."""


@dataclass(frozen=True, slots=True)
class MarkerArgument:
    """One argument of a marker.

    :param size: bytes; negative when it is signed, as the note writes it
    :param text: the fetch argument, "" when this operand cannot be fetched
    :param problem: why not
    """

    size: int
    operand: str
    text: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Marker:
    """One place of a marker; a marker that was inlined has several.

    :param offset: file offset of the instruction
    :param vaddr: its virtual address in the file's own numbering
    :param semaphore: file offset of its 16-bit semaphore, 0 if it has none
    :param operands: as the note has them
    """

    provider: str
    name: str
    offset: int
    vaddr: int
    semaphore: int
    operands: str
    arguments: tuple[MarkerArgument, ...]


def markers(image: ElfImage, operand: OperandReader) -> list[Marker]:
    """The markers of *image* in the order of the notes; empty if it has none.

    :param operand: the architecture's ``marker_operand``

    Raises TargetError for a note section that is cut short.
    """
    note = image.section(".note.stapsdt")
    if note is None:
        return []
    base = image.section(".stapsdt.base")
    try:
        return list(_markers(image, image.bytes_of(note), base, operand))
    except ValueError as error:
        raise TargetError(f"malformed .note.stapsdt in {image.path}: {error}", slug="bad-note") from None


def _markers(image: ElfImage, data: bytes, base: Section | None, operand: OperandReader) -> Iterator[Marker]:
    for owner, kind, body in notes(data):
        if owner != b"stapsdt\0" or kind != _NOTE_TYPE or len(body) < 24:
            continue
        location, noted_base, semaphore = struct.unpack_from("<QQQ", body)
        moved = base.vaddr - noted_base if base is not None and noted_base else 0
        texts = body[24:].split(b"\0")
        provider, name, operands = (_text(t) for t in (*texts, b"", b"", b"")[:3])
        offset = image.vaddr_to_offset(location + moved)
        if offset is None:
            continue
        guard = image.vaddr_to_offset(semaphore + moved) or 0 if semaphore else 0
        arguments = parse_operands(operands, operand, lambda symbol: _low_bits(image, symbol))
        yield Marker(provider, name, offset, location + moved, guard, operands, arguments)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _low_bits(image: ElfImage, symbol: str) -> int | None:
    """The low twelve bits of a symbol's address; local labels (.L) have no symbol."""
    found = image.find_object(symbol)
    return None if found is None else found.vaddr & 0xFFF


# --- operands -------------------------------------------------------------------------------------


def parse_operands(
    text: str, operand: OperandReader, low_bits: Callable[[str], int | None] = lambda _symbol: None
) -> tuple[MarkerArgument, ...]:
    """The arguments that *text* (``8@x0 -4@[sp, 8]``) describes; never raises.

    :param operand: the architecture's ``marker_operand``
    :param low_bits: the low twelve bits of a symbol's address, None if it is unknown

    An operand that a fetch argument cannot express disables that argument only.
    """
    found = []
    for match in _ARGUMENT.finditer(text):
        size, is_float = int(match["size"]), bool(match["float"])
        written = match["operand"]
        try:
            kind = _type(size, is_float=is_float)
            expression = operand(written, size, is_float, low_bits)
            if expression is None:
                raise ValueError(f"cannot fetch {written}")  # one way out
            found.append(MarkerArgument(size, written, f"{expression}:{kind}"))
        except ValueError as error:
            found.append(MarkerArgument(size, written, problem=str(error)))
    return tuple(found)


def _type(size: int, *, is_float: bool) -> str:
    """The fetch type of an argument; raises ValueError if there is none of that size."""
    bits = abs(size) * 8
    if bits not in ((32, 64) if is_float else (8, 16, 32, 64)):
        raise ValueError(f"no type of {abs(size)} bytes")
    return f"f{bits}" if is_float else f"{'s' if size < 0 else 'u'}{bits}"
