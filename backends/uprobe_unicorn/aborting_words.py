"""Words that libunicorn 2.1.4 ends the process over.

Half-precision SIMD encodings that no architecture version allocates run into
assertions of its translator (``disas_simd_three_reg_same_fp16``,
``disas_simd_two_reg_misc_fp16``: "code should not be reached") instead of
raising the undefined instruction exception.  The sets were found by executing
every combination of the fields that are decoded; all other encodings of the
decode table were sampled without finding more.
"""

from __future__ import annotations

import struct

__all__ = ("aborting_offsets", "aborts")

_THREE_SAME = 0x8A02_3820
"""Bit U:a:opcode is set for Advanced SIMD three same (FP16)."""
_TWO_MISC_VECTOR = 0x51FF_4FFF_C0FF_FFFF_D0FF_0FFF_C0FF_FFFF
"""Bit U:a:opcode is set for Advanced SIMD two-register miscellaneous (FP16)."""
_TWO_MISC_SCALAR = 0xD1FF_4FFF_C0FF_FFFF_50FF_8FFF_C0FF_FFFF
"""The same for the scalar form."""


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


def aborting_offsets(code: bytes | memoryview) -> list[int]:
    """Byte offsets of such words in *code*, whole words from its start; 50 microseconds for a page."""
    words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) & -4])
    # What the encodings have in common goes first: hardly any word of a program gets further.
    return [
        4 * index for index, word in enumerate(words) if word & 0x8F40_0000 == 0x0E40_0000 and aborts(word)
    ]
