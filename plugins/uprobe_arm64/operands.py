"""Operands of USDT markers: GNU assembler text for AArch64, as fetch expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ("fetch_expression",)

_REGISTER = r"(?:[xw](?:[12]?\d|30)|sp|wsp|lr|fp|xzr|wzr)"
_NUMBER = r"[+-]?(?:0x[0-9a-fA-F]+|\d+)"
_LOW = r"#?:lo12:(?P<low>[A-Za-z0-9_.$]+)(?:(?P<lowplus>[+-]\d+))?"
_MEMORY = re.compile(
    rf"\[\s*(?P<base>{_REGISTER})\s*(?:,\s*(?:#?(?P<offset>{_NUMBER})|{_LOW}"
    rf"|(?P<index>{_REGISTER})\s*(?:,\s*(?P<extend>lsl|uxtw|sxtw|sxtx)(?:\s*#?(?P<shift>\d+))?)?))?\s*\]"
)


def fetch_expression(
    operand: str, size: int, *, is_float: bool, low_bits: Callable[[str], int | None]
) -> str:
    """The fetch expression of one operand; raises ValueError with the reason when there is none.

    :param size: bytes of the argument, negative: signed
    :param low_bits: the low twelve bits of a symbol's address, None if it is unknown
    """
    if operand.startswith("["):
        return _memory(operand, low_bits)
    number = re.fullmatch(rf"#?({_NUMBER})", operand)
    if number:
        return f"\\{number[1]}"
    if operand in ("xzr", "wzr"):
        return "\\0"
    if re.fullmatch(r"[vqdsb]\d+|h\d+", operand) and int(operand[1:]) < 32:
        view = ("d" if abs(size) == 8 else "s") if is_float else operand[0]
        return f"%{view}{operand[1:]}"
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
