"""Rows for loads and stores: op0 = x1x0 of the A64 main table.

Three kernel masks cut through this space: ``aarch64_insn_uses_literal`` (only
the general-register forms and PRFM), ``aarch64_insn_is_exclusive`` (bits 29:23
= 0010000, which takes CASP with it) and, since 6.12 (and stable series before
it, but not 6.1), ``aarch64_insn_is_mops``.
"""

from __future__ import annotations

from uprobe_arm64.rows import (
    PLAIN,
    UNALLOCATED,
    History,
    Row,
    Ruling,
    in_place,
    plain,
    reject,
    simulate,
    step,
    unallocated,
    unchanged,
)

__all__ = ("ROWS",)

_LITERAL = "Load register (literal)"
_EXCLUSIVE = "Load/store exclusive"
_PAIR = "Load/store register pair"
_REG = "Load/store register"
_COPY = "Memory Copy and Memory Set"

# --- literals -----------------------------------------------------------------------------------

_LITERAL_REFUSED = reject("loads relative to its own address, and a kernel simulation could not fault safely")
_LITERAL_STEPPED = step(
    "the kernel's mask for load literal does not cover the SIMD&FP forms",
    defect="loads from an address relative to the slot: the program gets wrong data",
)
_LITERAL_SIMULATED = "loads relative to its own address, so its effect is computed"


def _literal(value: int, name: str, simulator: str, kernel: Ruling = _LITERAL_REFUSED) -> Row:
    group = "load-literal" if kernel is _LITERAL_REFUSED else "load-literal-simd"
    anywhere = simulate(simulator, _LITERAL_SIMULATED)
    return Row(0xFF000000, value, name, group, unchanged(kernel), anywhere, _LITERAL, reads_pc=True)


_LITERALS = (
    _literal(0x18000000, "LDR-lit-W", "ldr_literal_w"),
    _literal(0x58000000, "LDR-lit-X", "ldr_literal_x"),
    _literal(0x98000000, "LDRSW-lit", "ldrsw_literal"),
    Row(
        0xFF000000,
        0xD8000000,
        "PRFM-lit",
        "load-literal",
        unchanged(_LITERAL_REFUSED),
        simulate("nop", "a prefetch has no effect that the program can see, so nothing is left to do"),
        _LITERAL,
        reads_pc=True,
    ),
    _literal(0x1C000000, "LDR-lit-S", "ldr_literal_s", _LITERAL_STEPPED),
    _literal(0x5C000000, "LDR-lit-D", "ldr_literal_d", _LITERAL_STEPPED),
    _literal(0x9C000000, "LDR-lit-Q", "ldr_literal_q", _LITERAL_STEPPED),
    unallocated(0xFF000000, 0xDC000000, _LITERAL),
)

# --- exclusives and what shares their space -----------------------------------------------------

_EXCLUSIVE_REFUSED = reject("an exclusive access cannot succeed: the debug exception clears the monitor")
_EXCLUSIVE_IN_PLACE = in_place("an exclusive access runs at its own address, so the monitor survives")
_CASP_REFUSED = reject("shares the bits by which the kernel recognises exclusive accesses")
_LSUI = "Load/store exclusive unprivileged"
_LSUI_STEPPED = step(
    "the kernel's mask for exclusive accesses does not cover the unprivileged forms",
    defect="an exclusive pair cannot succeed: the debug exception clears the monitor",
)


def _exclusive(mask: int, value: int, name: str, source: str = _EXCLUSIVE) -> Row:
    return Row(mask, value, name, "exclusive", unchanged(_EXCLUSIVE_REFUSED), _EXCLUSIVE_IN_PLACE, source)


_EXCLUSIVES = (
    _exclusive(0x3FE08000, 0x08000000, "STXR"),
    _exclusive(0x3FE08000, 0x08008000, "STLXR"),
    _exclusive(0x3FE08000, 0x08400000, "LDXR"),
    _exclusive(0x3FE08000, 0x08408000, "LDAXR"),
    _exclusive(0xBFE08000, 0x88200000, "STXP"),
    _exclusive(0xBFE08000, 0x88208000, "STLXP"),
    _exclusive(0xBFE08000, 0x88600000, "LDXP"),
    _exclusive(0xBFE08000, 0x88608000, "LDAXP"),
    Row(
        0xBFA07C00,
        0x08207C00,
        "CASP",
        "atomic",
        unchanged(_CASP_REFUSED),
        PLAIN,
        "Compare and swap pair",
        allocated=None,
    ),
    Row(
        0x3F800000,
        0x08000000,
        "unallocated",
        "unallocated",
        unchanged(_CASP_REFUSED),
        UNALLOCATED,
        _EXCLUSIVE,
        allocated=False,
    ),
    plain(0x3FE08000, 0x08800000, "STLLR", "ordered", "Load/store ordered"),
    plain(0x3FE08000, 0x08808000, "STLR", "ordered", "Load/store ordered"),
    plain(0x3FE08000, 0x08C00000, "LDLAR", "ordered", "Load/store ordered"),
    plain(0x3FE08000, 0x08C08000, "LDAR", "ordered", "Load/store ordered"),
    plain(0x3FA07C00, 0x08A07C00, "CAS", "atomic", "Compare and swap"),
    unallocated(0x3F000000, 0x08000000, _EXCLUSIVE),
    Row(
        0x3F000000,
        0x09000000,
        "LSUI",
        "exclusive",
        unchanged(_LSUI_STEPPED),
        in_place("an unprivileged exclusive access runs at its own address, so the monitor survives"),
        _LSUI,
        allocated=None,
    ),
)

# --- structures -----------------------------------------------------------------------------------

_STRUCTURES = "Advanced SIMD load/store multiple structures"
_STRUCTURE = "Advanced SIMD load/store single structure"


def _structures(mask: int, value: int, name: str, source: str) -> Row:
    return plain(mask, value, name, "simd-load-store", source, allocated=None)


_VECTORS = (
    _structures(0xBFBF0000, 0x0C000000, "LD/ST-multiple", _STRUCTURES),
    _structures(0xBFA00000, 0x0C800000, "LD/ST-multiple-post", _STRUCTURES + " (post-indexed)"),
    _structures(0xBF9F0000, 0x0D000000, "LD/ST-single", _STRUCTURE),
    _structures(0xBF800000, 0x0D800000, "LD/ST-single-post", _STRUCTURE + " (post-indexed)"),
    unallocated(0x3E000000, 0x0C000000, _STRUCTURES),
)

# --- 0x19 and 0x1D: unscaled acquire/release, memory copy, tags, 128-bit atomics -------------------

_MOPS_STEPPED = step(
    "neither a branch nor an exclusive access to a kernel that does not know it",
    defect="prologue, main and epilogue must follow each other in memory; in a slot they do not",
)
_MOPS_REFUSED = reject("prologue, main and epilogue of a memory copy or set must follow each other in memory")
_MOPS_HISTORY: History = (((6, 1), _MOPS_STEPPED), ((6, 12), _MOPS_REFUSED))
_MOPS_IN_PLACE = in_place("must stay between its neighbours, so it runs at its own address")

_SIMD_ORDERED = "LDAPR/STLR (SIMD&FP)"
_RCW = "Read check write compare and swap"

_UNSCALED_ORDERED = (
    Row(
        0x3B200C00,
        0x19000400,
        "MOPS",
        "mops",
        _MOPS_HISTORY,
        _MOPS_IN_PLACE,
        _COPY,
        allocated=None,
    ),
    unallocated(0xFFA00C00, 0xD9800000, "LDAPR/STLR (unscaled immediate)"),
    unallocated(0xFFC00C00, 0x99C00000, "LDAPR/STLR (unscaled immediate)"),
    plain(0x3F200C00, 0x19000000, "LDAPUR/STLUR", "ordered", "LDAPR/STLR (unscaled immediate)"),
    plain(0x3F200C00, 0x1D000800, "LDAPUR/STLUR-simd", "simd-load-store", _SIMD_ORDERED, allocated=None),
    plain(0xBF200C00, 0x99000800, "LDIAPP/STILP", "ordered", "LDIAPP/STILP", allocated=None),
    plain(0xFF200C00, 0xD9200000, "LDG/STGM", "memory-tag", "Load/store memory tags", allocated=None),
    plain(0xFF200000, 0xD9200000, "STG", "memory-tag", "Load/store memory tags"),
    plain(0xFFFF8C00, 0xD91F0C00, "GCSSTR", "system", "GCS load/store", allocated=None),
    plain(0xFF200C00, 0x19200000, "LSE128", "atomic", "128-bit atomic memory operations", allocated=None),
    plain(0xBF200C00, 0x19200800, "RCW", "atomic", _RCW, allocated=None),
    plain(0xBF200C00, 0x19200C00, "RCW-pair", "atomic", _RCW + " pair", allocated=None),
    unallocated(0x3B000000, 0x19000000, "LDAPR/STLR (unscaled immediate)"),
)

# --- pairs --------------------------------------------------------------------------------------

_PAIRS = (
    # opc = 11 belongs to FEAT_LSUI (LDTP, STTP) since 2023 and is unallocated before it.
    plain(0xFA000000, 0xE8000000, "LDTP/STTP", "load-store-pair", _PAIR, allocated=None),
    unallocated(0xFFC00000, 0x68000000, _PAIR + " (no-allocate)"),
    plain(0xFFC00000, 0x68800000, "STGP", "memory-tag", _PAIR),
    plain(0xFFC00000, 0x69000000, "STGP", "memory-tag", _PAIR),
    plain(0xFFC00000, 0x69800000, "STGP", "memory-tag", _PAIR),
    unallocated(0xFFC00000, 0x68400000, _PAIR + " (no-allocate)"),
    plain(0x3FC00000, 0x28000000, "STNP", "load-store-pair", _PAIR + " (no-allocate)"),
    plain(0x3FC00000, 0x28400000, "LDNP", "load-store-pair", _PAIR + " (no-allocate)"),
    plain(0x3FC00000, 0x28800000, "STP-post", "load-store-pair", _PAIR + " (post-indexed)"),
    plain(0x3FC00000, 0x28C00000, "LDP-post", "load-store-pair", _PAIR + " (post-indexed)"),
    plain(0x3FC00000, 0x29000000, "STP", "load-store-pair", _PAIR + " (offset)"),
    plain(0x3FC00000, 0x29400000, "LDP", "load-store-pair", _PAIR + " (offset)"),
    plain(0x3FC00000, 0x29800000, "STP-pre", "load-store-pair", _PAIR + " (pre-indexed)"),
    plain(0x3FC00000, 0x29C00000, "LDP-pre", "load-store-pair", _PAIR + " (pre-indexed)"),
    plain(0x3E000000, 0x2C000000, "LDP/STP-simd", "simd-load-store", _PAIR),
)

# --- single registers ---------------------------------------------------------------------------


def _no_size(mask: int, value: int, source: str) -> tuple[Row, ...]:
    """The size:opc pairs without an instruction: 10:11 and 11:11 (general), opc<1> with size != 00 (SIMD)."""
    general = tuple(unallocated(mask | 0xC4C00000, value | bits, source) for bits in (0x80C00000, 0xC0C00000))
    simd = tuple(
        unallocated(mask | 0xC4800000, value | bits, source) for bits in (0x44800000, 0x84800000, 0xC4800000)
    )
    return general + simd


def _no_prefetch(mask: int, value: int, source: str) -> Row:
    """size:opc = 11:10, a prefetch in the other forms, is not allocated with write-back."""
    return unallocated(mask | 0xC4C00000, value | 0xC0800000, source)


_UNSIGNED = (0x3B000000, 0x39000000, _REG + " (unsigned immediate)")
_UNSCALED = (0x3B200C00, 0x38000000, _REG + " (unscaled immediate)")
_POST = (0x3B200C00, 0x38000400, _REG + " (immediate post-indexed)")
_UNPRIVILEGED = (0x3B200C00, 0x38000800, _REG + " (unprivileged)")
_PRE = (0x3B200C00, 0x38000C00, _REG + " (immediate pre-indexed)")
_OFFSET = (0x3B200C00, 0x38200800, _REG + " (register offset)")


def _forms(place: tuple[int, int, str], suffix: str) -> tuple[Row, Row]:
    mask, value, source = place
    return (
        plain(mask | 0x04000000, value, "LDR/STR" + suffix, "load-store", source),
        plain(mask | 0x04000000, value | 0x04000000, "LDR/STR" + suffix + "-simd", "simd-load-store", source),
    )


def _prefetch(place: tuple[int, int, str], name: str) -> Row:
    mask, value, source = place
    return plain(mask | 0xC4C00000, value | 0xC0800000, name, "load-store", source)


_SINGLE = (
    *_no_size(*_UNSIGNED),
    _prefetch(_UNSIGNED, "PRFM"),
    *_forms(_UNSIGNED, ""),
    *_no_size(*_UNSCALED),
    _prefetch(_UNSCALED, "PRFUM"),
    *_forms(_UNSCALED, "-unscaled"),
    *_no_size(*_POST),
    _no_prefetch(*_POST),
    *_forms(_POST, "-post"),
    *_no_size(*_UNPRIVILEGED),
    _no_prefetch(*_UNPRIVILEGED),
    unallocated(0x3F200C00, 0x3C000800, _REG + " (unprivileged)"),
    plain(0x3F200C00, 0x38000800, "LDTR/STTR", "load-store", _REG + " (unprivileged)"),
    *_no_size(*_PRE),
    _no_prefetch(*_PRE),
    *_forms(_PRE, "-pre"),
    unallocated(0x3B204C00, 0x38200800, _OFFSET[2]),
    *_no_size(*_OFFSET),
    _prefetch(_OFFSET, "PRFM-reg"),
    *_forms(_OFFSET, "-reg"),
)

_ATOMICS = (
    plain(0x3FE0FC00, 0x38A0C000, "LDAPR", "ordered", "Atomic memory operations"),
    plain(0x3F208C00, 0x38200000, "LDADD..LDUMIN", "atomic", "Atomic memory operations"),
    plain(0x3F20FC00, 0x38208000, "SWP", "atomic", "Atomic memory operations"),
    plain(0xFFFFFC00, 0xF83F9000, "ST64B", "atomic", "Atomic memory operations"),
    plain(0xFFE0FC00, 0xF820B000, "ST64BV", "atomic", "Atomic memory operations"),
    plain(0xFFE0FC00, 0xF820A000, "ST64BV0", "atomic", "Atomic memory operations"),
    plain(0xFFFFFC00, 0xF83FD000, "LD64B", "atomic", "Atomic memory operations"),
    plain(0x3F208C00, 0x38208000, "RCW/LD64B-space", "atomic", "Atomic memory operations", allocated=None),
    plain(0x3F200C00, 0x3C200000, "LDF/STF-atomic", "atomic", "Atomic memory operations", allocated=None),
    plain(0xFF200400, 0xF8200400, "LDRAA/LDRAB", "pointer-auth", _REG + " (pac)"),
    unallocated(0x3B200400, 0x38200400, _REG + " (pac)"),
)

ROWS: tuple[Row, ...] = (
    *_LITERALS,
    *_EXCLUSIVES,
    *_VECTORS,
    *_UNSCALED_ORDERED,
    *_PAIRS,
    *_SINGLE,
    *_ATOMICS,
)
