"""USDT markers: ``.note.stapsdt`` and the arm64 operands that describe a marker's arguments.

Sources: the note's layout and the argument format ``N@OP`` are SystemTap's
(UserSpaceProbeImplementation); operands are GNU assembler text for AArch64.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import Section, notes
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("Marker", "MarkerArgument", "markers", "parse_operands")

_NOTE_TYPE = 3
_REGISTER = r"(?:[xw](?:[12]?\d|30)|sp|wsp|lr|fp|xzr|wzr)"
_NUMBER = r"[+-]?(?:0x[0-9a-fA-F]+|\d+)"
_LOW = r"#?:lo12:(?P<low>[A-Za-z0-9_.$]+)(?:(?P<lowplus>[+-]\d+))?"
_ARGUMENT = re.compile(r"(?P<size>-?\d+)(?P<float>f?)@(?P<operand>\[[^\]]*\]!?|[^\s\[]+)")
_MEMORY = re.compile(
    rf"\[\s*(?P<base>{_REGISTER})\s*(?:,\s*(?:#?(?P<offset>{_NUMBER})|{_LOW}"
    rf"|(?P<index>{_REGISTER})\s*(?:,\s*(?P<extend>lsl|uxtw|sxtw|sxtx)(?:\s*#?(?P<shift>\d+))?)?))?\s*\]"
)


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


def markers(image: ElfImage) -> list[Marker]:
    """The markers of *image* in the order of the notes; empty if it has none.

    Raises TargetError for a note section that is cut short.
    """
    note = image.section(".note.stapsdt")
    if note is None:
        return []
    base = image.section(".stapsdt.base")
    try:
        return list(_markers(image, image.bytes_of(note), base))
    except ValueError as error:
        raise TargetError(f"malformed .note.stapsdt in {image.path}: {error}", slug="bad-note") from None


def _markers(image: ElfImage, data: bytes, base: Section | None) -> Iterator[Marker]:
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
        arguments = parse_operands(operands, lambda symbol: _low_bits(image, symbol))
        yield Marker(provider, name, offset, location + moved, guard, operands, arguments)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _low_bits(image: ElfImage, symbol: str) -> int | None:
    """The low twelve bits of a symbol's address; local labels (.L) have no symbol."""
    found = image.find_object(symbol)
    return None if found is None else found.vaddr & 0xFFF


# --- operands -------------------------------------------------------------------------------------


def parse_operands(
    text: str, low_bits: Callable[[str], int | None] = lambda _symbol: None
) -> tuple[MarkerArgument, ...]:
    """The arguments that *text* (``8@x0 -4@[sp, 8]``) describes; never raises.

    :param low_bits: the low twelve bits of a symbol's address, None if it is unknown

    An operand that a fetch argument cannot express disables that argument only.
    """
    found = []
    for match in _ARGUMENT.finditer(text):
        size = int(match["size"])
        kind = _type(size, is_float=bool(match["float"]))
        try:
            if kind is None:
                raise ValueError(f"no type of {abs(size)} bytes")  # one way out
            found.append(
                MarkerArgument(size, match["operand"], f"{_fetch(match['operand'], kind, low_bits)}:{kind}")
            )
        except ValueError as error:
            found.append(MarkerArgument(size, match["operand"], problem=str(error)))
    return tuple(found)


def _type(size: int, *, is_float: bool) -> str | None:
    if is_float:
        return {4: "f32", 8: "f64"}.get(abs(size))
    bits = abs(size) * 8
    return f"{'s' if size < 0 else 'u'}{bits}" if bits in (8, 16, 32, 64) else None


def _fetch(operand: str, kind: str, low_bits: Callable[[str], int | None]) -> str:
    """The fetch expression of one operand; raises ValueError with the reason when there is none."""
    if operand.startswith("["):
        return _memory(operand, low_bits)
    number = re.fullmatch(rf"#?({_NUMBER})", operand)
    if number:
        return f"\\{number[1]}"
    if operand in ("xzr", "wzr"):
        return "\\0"
    if re.fullmatch(r"[vqdsb]\d+|h\d+", operand) and int(operand[1:]) < 32:
        return f"%{'d' if kind == 'f64' else 's' if kind == 'f32' else operand[0]}{operand[1:]}"
    if re.fullmatch(_REGISTER, operand):
        return f"%{_register(operand)}"
    raise ValueError(f"cannot fetch {operand}")


def _register(name: str) -> str:
    """The fetch language's name: w registers are read whole and cut by the type."""
    special = {"lr": "x30", "fp": "x29", "wsp": "sp"}
    return special.get(name, "x" + name[1:] if name[0] == "w" else name)


def _memory(operand: str, low_bits: Callable[[str], int | None]) -> str:
    match = _MEMORY.fullmatch(operand)
    if match is None:
        raise ValueError(f"cannot fetch {operand}")
    base = f"%{_register(match['base'])}"
    if match["index"]:
        return f"+0({_indexed(base, match)})"
    offset = int(match["offset"] or "0", 0)
    if match["low"]:
        low = low_bits(match["low"])
        if low is None:
            raise ValueError(f"the address of {match['low']} is not in the symbol table")
        offset = low + int(match["lowplus"] or "0")
    return f"{'-' if offset < 0 else '+'}{abs(offset)}({base})"


def _indexed(base: str, match: re.Match[str]) -> str:
    """``$sum(BASE,INDEX,SHIFT)``: base plus a register, extended and shifted."""
    extend = match["extend"] or "lsl"
    if match["index"][0] == "w" and extend in ("lsl", "sxtx"):
        extend = "uxtw"
    return f"$sum({base},%{_register(match['index'])},{extend},{match['shift'] or 0})"
