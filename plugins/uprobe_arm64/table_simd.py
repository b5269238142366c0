"""Rows for Advanced SIMD and floating-point (op0 = x111), SVE, SME and the reserved space.

None of these reads or writes the PC, so every policy steps all of them; the
rows exist for the summary by class and for systematic enumeration.  Except
where a row covers one instruction, they make no claim about which words are
allocated.
"""

from __future__ import annotations

from uprobe_arm64.rows import (
    UNALLOCATED_KERNEL,
    Row,
    plain,
    trap,
    unallocated,
    unchanged,
)

__all__ = ("ROWS",)


def _simd(mask: int, value: int, name: str, source: str, group: str = "simd") -> Row:
    return plain(mask, value, name, group, source, allocated=None)


_RESERVED = (
    Row(
        0xFFFF0000,
        0x00000000,
        "UDF",
        "exception",
        unchanged(UNALLOCATED_KERNEL),
        trap("permanently undefined: the program gets the exception with the instruction's own address"),
        "Reserved",
    ),
    unallocated(0x9E000000, 0x00000000, "Reserved"),
    unallocated(0x1E000000, 0x02000000, "A64 instruction set encoding"),
    unallocated(0x1E000000, 0x06000000, "A64 instruction set encoding"),
    _simd(0x9E000000, 0x80000000, "SME", "SME encodings", "sme"),
)

_SVE = (
    _simd(0xFE000000, 0x04000000, "SVE-integer", "SVE encodings", "sve"),
    _simd(0xFE000000, 0x24000000, "SVE-compare", "SVE encodings", "sve"),
    _simd(0xFE000000, 0x44000000, "SVE2-integer", "SVE encodings", "sve"),
    _simd(0xFE000000, 0x64000000, "SVE-float", "SVE encodings", "sve"),
    _simd(0xFE000000, 0x84000000, "SVE-gather-32", "SVE encodings", "sve"),
    _simd(0xFE000000, 0xA4000000, "SVE-load", "SVE encodings", "sve"),
    _simd(0xFE000000, 0xC4000000, "SVE-gather-64", "SVE encodings", "sve"),
    _simd(0xFE000000, 0xE4000000, "SVE-store", "SVE encodings", "sve"),
)

_CRYPTO = (
    _simd(0xFF3E0C00, 0x4E280800, "AES", "Cryptographic AES", "crypto"),
    _simd(0xFF208C00, 0x5E000000, "SHA-3reg", "Cryptographic three-register SHA", "crypto"),
    _simd(0xFF3E0C00, 0x5E280800, "SHA-2reg", "Cryptographic two-register SHA", "crypto"),
    _simd(0xFFE0B000, 0xCE608000, "SHA512-3reg", "Cryptographic three-register SHA 512", "crypto"),
    _simd(0xFFE0C000, 0xCE408000, "SM3-imm2", "Cryptographic three-register, imm2", "crypto"),
    plain(0xFFE00000, 0xCE800000, "XAR", "crypto", "Cryptographic three-register, imm6"),
    _simd(0xFF808000, 0xCE000000, "SHA3-4reg", "Cryptographic four-register", "crypto"),
    _simd(0xFFFFF000, 0xCEC08000, "SHA512-2reg", "Cryptographic two-register SHA 512", "crypto"),
)

_VECTOR = (
    _simd(0x9FE08400, 0x0E000400, "SIMD-copy", "Advanced SIMD copy"),
    _simd(0xBF208C00, 0x0E000000, "SIMD-table", "Advanced SIMD table lookup"),
    _simd(0xBF208C00, 0x0E000800, "SIMD-permute", "Advanced SIMD permute"),
    _simd(0xBF208400, 0x2E000000, "SIMD-extract", "Advanced SIMD extract"),
    _simd(0x9F200400, 0x0E200400, "SIMD-3same", "Advanced SIMD three same"),
    _simd(0x9F60C400, 0x0E400400, "SIMD-3same-fp16", "Advanced SIMD three same (FP16)"),
    _simd(0x9F208400, 0x0E008400, "SIMD-3same-extra", "Advanced SIMD three-register extension"),
    _simd(0x9F3E0C00, 0x0E200800, "SIMD-2misc", "Advanced SIMD two-register miscellaneous"),
    _simd(0x9F7E0C00, 0x0E780800, "SIMD-2misc-fp16", "Advanced SIMD two-register miscellaneous (FP16)"),
    _simd(0x9F3E0C00, 0x0E300800, "SIMD-across", "Advanced SIMD across lanes"),
    _simd(0x9F200C00, 0x0E200000, "SIMD-3diff", "Advanced SIMD three different"),
    _simd(0x9F000400, 0x0F000000, "SIMD-element", "Advanced SIMD vector x indexed element"),
    _simd(0x9FF80400, 0x0F000400, "SIMD-modified-imm", "Advanced SIMD modified immediate"),
    _simd(0x9F800400, 0x0F000400, "SIMD-shift-imm", "Advanced SIMD shift by immediate"),
)

_SCALAR = (
    _simd(0xDFE08400, 0x5E000400, "scalar-copy", "Advanced SIMD scalar copy"),
    _simd(0xDF200400, 0x5E200400, "scalar-3same", "Advanced SIMD scalar three same"),
    _simd(0xDF60C400, 0x5E400400, "scalar-3same-fp16", "Advanced SIMD scalar three same FP16"),
    _simd(0xDF208400, 0x5E008400, "scalar-3same-extra", "Advanced SIMD scalar three same extra"),
    _simd(0xDF3E0C00, 0x5E200800, "scalar-2misc", "Advanced SIMD scalar two-register miscellaneous"),
    _simd(0xDF7E0C00, 0x5E780800, "scalar-2misc-fp16", "Advanced SIMD scalar two-register misc. FP16"),
    _simd(0xDF3E0C00, 0x5E300800, "scalar-pairwise", "Advanced SIMD scalar pairwise"),
    _simd(0xDF200C00, 0x5E200000, "scalar-3diff", "Advanced SIMD scalar three different"),
    _simd(0xDF000400, 0x5F000000, "scalar-element", "Advanced SIMD scalar x indexed element"),
    _simd(0xDF800400, 0x5F000400, "scalar-shift-imm", "Advanced SIMD scalar shift by immediate"),
)

_FLOAT = (
    _simd(0x5F20FC00, 0x1E200000, "FP-int", "Conversion between floating-point and integer", "float"),
    _simd(0x5F207C00, 0x1E204000, "FP-1src", "Floating-point data-processing (1 source)", "float"),
    _simd(0x5F203C00, 0x1E202000, "FP-compare", "Floating-point compare", "float"),
    _simd(0x5F201C00, 0x1E201000, "FP-imm", "Floating-point immediate", "float"),
    _simd(0x5F200C00, 0x1E200400, "FCCMP", "Floating-point conditional compare", "float"),
    _simd(0x5F200C00, 0x1E200800, "FP-2src", "Floating-point data-processing (2 source)", "float"),
    _simd(0x5F200C00, 0x1E200C00, "FCSEL", "Floating-point conditional select", "float"),
    _simd(0x5F200000, 0x1E000000, "FP-fixed", "Conversion between floating-point and fixed-point", "float"),
    _simd(0x5F000000, 0x1F000000, "FP-3src", "Floating-point data-processing (3 source)", "float"),
    # Families of later architecture versions (FP8, for one) appear in the rest.
    _simd(0x0E000000, 0x0E000000, "SIMD-other", "Data processing (SIMD and floating-point)"),
)

ROWS: tuple[Row, ...] = (*_RESERVED, *_SVE, *_CRYPTO, *_VECTOR, *_SCALAR, *_FLOAT)
