"""Words that libunicorn 2.1.4 ends the process over.

Half-precision SIMD encodings that no architecture version allocates run into
assertions of its translator (``disas_simd_three_reg_same_fp16``,
``disas_simd_two_reg_misc_fp16``: "code should not be reached") instead of
raising the undefined instruction exception.  The sets were found by executing
every combination of the fields that are decoded; all other encodings of the
decode table were sampled without finding more.
"""

from __future__ import annotations

import re

__all__ = ("aborting_offsets", "aborts")

_THREE_SAME = 0x8A02_3820
"""Bit U:a:opcode is set for Advanced SIMD three same (FP16)."""
_TWO_MISC_VECTOR = 0x51FF_4FFF_C0FF_FFFF_D0FF_0FFF_C0FF_FFFF
"""Bit U:a:opcode is set for Advanced SIMD two-register miscellaneous (FP16)."""
_TWO_MISC_SCALAR = 0xD1FF_4FFF_C0FF_FFFF_50FF_8FFF_C0FF_FFFF
"""The same for the scalar form."""

_TOP_BYTES = re.compile(rb"[\x0e\x1e\x2e\x3e\x4e\x5e\x6e\x7e]")
"""Bits 31:24 of all of them."""


def aborts(word: int) -> bool:
    """Whether executing the 32-bit encoding *word* would end the host process."""
    if word & 0x8F7E_0C00 == 0x0E78_0800:
        combination = word >> 23 & 0x40 | word >> 18 & 0x20 | word >> 12 & 0x1F
        if word >> 28 & 1:
            return bool(word >> 30 & 1 and _TWO_MISC_SCALAR >> combination & 1)
        return bool(_TWO_MISC_VECTOR >> combination & 1)
    if word & 0x9F60_C400 == 0x0E40_0400:
        combination = word >> 25 & 0x10 | word >> 20 & 0x08 | word >> 11 & 0x07
        return bool(_THREE_SAME >> combination & 1)
    return False


def aborting_offsets(code: bytes) -> list[int]:
    """Byte offsets of such words in *code*, whole words from its start; some microseconds for a page."""
    top_bytes = code[3::4]
    found = (4 * match.start() for match in _TOP_BYTES.finditer(top_bytes))
    return [at for at in found if aborts(int.from_bytes(code[at : at + 4], "little"))]
