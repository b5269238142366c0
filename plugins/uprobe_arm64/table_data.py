"""Rows for integer data processing: op0 = 100x (immediate) and x101 (register).

Only ADR and ADRP, and FEAT_PAuth_LR's instructions that sign with their own
address, depend on the PC here; the kernel steps everything but the first two.
"""

from __future__ import annotations

from uprobe_arm64.rows import Row, in_place, plain, simulate, step, unallocated, unchanged

__all__ = ("ROWS",)

_IMM = "data-imm"
_REG = "data-reg"
_PCREL = simulate("adr", "computes an address relative to its own, so its effect is computed")
_PCREL_PAGE = simulate("adrp", "computes an address relative to its own page, so its effect is computed")
_SIGNS_PC = step(
    "not an instruction that the kernel knows to read the PC, so it is stepped",
    defect="signs or authenticates with the slot's address instead of its own",
)
_SIGNS_PC_IN_PLACE = in_place("uses its own address as a modifier of the pointer authentication code")


def _signs_pc(mask: int, value: int, name: str, source: str) -> Row:
    return Row(
        mask,
        value,
        name,
        "pointer-auth",
        unchanged(_SIGNS_PC),
        _SIGNS_PC_IN_PLACE,
        source,
        reads_pc=True,
    )


_ADDRESS = (
    Row(
        0x9F000000,
        0x10000000,
        "ADR",
        "address",
        unchanged(_PCREL),
        _PCREL,
        "PC-rel. addressing",
        reads_pc=True,
    ),
    Row(
        0x9F000000,
        0x90000000,
        "ADRP",
        "address",
        unchanged(_PCREL_PAGE),
        _PCREL_PAGE,
        "PC-rel. addressing",
        reads_pc=True,
    ),
)

_LOGICAL = "Logical (immediate)"
# The element size is 2**len(N:NOT(imms)); a run of ones that fills the element is reserved.
_FULL_ELEMENTS = (0b011111, 0b101111, 0b110111, 0b111011, 0b111101, 0b111110, 0b111111)

_IMMEDIATE = (
    plain(0x1F800000, 0x11000000, "ADD/SUB-imm", _IMM, "Add/subtract (immediate)"),
    plain(0xBFC00000, 0x91800000, "ADDG/SUBG", "memory-tag", "Add/subtract (immediate, with tags)"),
    plain(0x7FF00000, 0x11C00000, "MIN/MAX-imm", _IMM, "Min/max (immediate)"),
    unallocated(0x1F800000, 0x11800000, "Add/subtract (immediate, with tags)"),
    unallocated(0x9FC00000, 0x12400000, _LOGICAL),
    *(unallocated(0x1FC0FC00, 0x12000000 | imms << 10, _LOGICAL) for imms in _FULL_ELEMENTS),
    unallocated(0x1FC0FC00, 0x1240FC00, _LOGICAL),
    plain(0x1F800000, 0x12000000, "LOGIC-imm", _IMM, _LOGICAL),
    unallocated(0x7F800000, 0x32800000, "Move wide (immediate)"),
    unallocated(0x9FC00000, 0x12C00000, "Move wide (immediate)"),
    plain(0x1F800000, 0x12800000, "MOVWIDE", _IMM, "Move wide (immediate)"),
    unallocated(0x7F800000, 0x73000000, "Bitfield"),
    unallocated(0x9FC00000, 0x13400000, "Bitfield"),
    unallocated(0x9FC00000, 0x93000000, "Bitfield"),
    unallocated(0x9FA00000, 0x13200000, "Bitfield"),
    unallocated(0x9F808000, 0x13008000, "Bitfield"),
    plain(0x1F800000, 0x13000000, "BITFIELD", _IMM, "Bitfield"),
    _signs_pc(0xFFE0001F, 0xF380001F, "AUTIASPPC", "Data-processing (1 source immediate)"),
    _signs_pc(0xFFE0001F, 0xF3A0001F, "AUTIBSPPC", "Data-processing (1 source immediate)"),
    plain(0xFFE08000, 0x13800000, "EXTR", _IMM, "Extract"),
    plain(0xFFE00000, 0x93C00000, "EXTR", _IMM, "Extract"),
    unallocated(0x1F800000, 0x13800000, "Extract"),
)

_SHIFTED = "Add/subtract (shifted register)"
_EXTENDED = "Add/subtract (extended register)"

_TWO_REGISTERS = (
    unallocated(0x9F008000, 0x0A008000, "Logical (shifted register)"),
    plain(0x1F000000, 0x0A000000, "LOGIC-sh", _REG, "Logical (shifted register)"),
    unallocated(0x1FE00000, 0x0BC00000, _SHIFTED),
    unallocated(0x9F208000, 0x0B008000, _SHIFTED),
    plain(0x1F200000, 0x0B000000, "ADDSUB-sh", _REG, _SHIFTED),
    *(unallocated(0x1FE01C00, 0x0B200000 | shift << 10, _EXTENDED) for shift in (5, 6, 7)),
    plain(0x1FE00000, 0x0B200000, "ADDSUB-ext", _REG, _EXTENDED),
    unallocated(0x1F200000, 0x0B200000, _EXTENDED),
)

_CARRY = (
    plain(0x1FE0FC00, 0x1A000000, "ADC/SBC", _REG, "Add/subtract (with carry)"),
    plain(0xBFE0E000, 0x9A002000, "ADDPT/SUBPT", _REG, "Add/subtract (checked pointer)"),
    plain(0xFFE07C10, 0xBA000400, "RMIF", _REG, "Rotate right into flags"),
    plain(0xFFFFBC1F, 0x3A00080D, "SETF", _REG, "Evaluate into flags"),
    plain(0x3FE00C10, 0x3A400000, "CCMP-reg", _REG, "Conditional compare (register)"),
    plain(0x3FE00C10, 0x3A400800, "CCMP-imm", _REG, "Conditional compare (immediate)"),
    plain(0x3FE00800, 0x1A800000, "CSEL", _REG, "Conditional select"),
)

_TWO = "Data-processing (2 source)"
_CRC = (0x1AC04000, 0x1AC04400, 0x1AC04800, 0x9AC04C00, 0x1AC05000, 0x1AC05400, 0x1AC05800, 0x9AC05C00)

_TWO_SOURCE = (
    plain(0x7FE0F800, 0x1AC00800, "DIV", _REG, _TWO),
    plain(0x7FE0F000, 0x1AC02000, "SHIFT-reg", _REG, _TWO),
    plain(0xDFE0FC00, 0x9AC00000, "SUBP", "memory-tag", _TWO, allocated=None),
    plain(0xFFE0FC00, 0x9AC01000, "IRG", "memory-tag", _TWO),
    plain(0xFFE0FC00, 0x9AC01400, "GMI", "memory-tag", _TWO),
    plain(0xFFE0FC00, 0x9AC03000, "PACGA", "pointer-auth", _TWO),
    *(plain(0xFFE0FC00, word, "CRC32", _REG, _TWO) for word in _CRC),
    plain(0x7FE0F000, 0x1AC06000, "MIN/MAX-reg", _REG, _TWO),
)

_ONE = "Data-processing (1 source)"
_LR = "Data-processing (1 source), FEAT_PAuth_LR"
_SIGNING_SP_PC = (
    (0xDAC1A3FE, "PACIASPPC"),
    (0xDAC1A7FE, "PACIBSPPC"),
    (0xDAC183FE, "PACNBIASPPC"),
    (0xDAC187FE, "PACNBIBSPPC"),
)

_ONE_SOURCE = (
    plain(0x7FFFF800, 0x5AC00000, "RBIT/REV16", _REG, _ONE),
    plain(0x7FFFFC00, 0x5AC00800, "REV/REV32", _REG, _ONE),
    plain(0xFFFFFC00, 0xDAC00C00, "REV-X", _REG, _ONE),
    plain(0x7FFFF800, 0x5AC01000, "CLZ/CLS", _REG, _ONE),
    plain(0x7FFFFC00, 0x5AC01800, "CTZ", _REG, _ONE),
    plain(0x7FFFFC00, 0x5AC01C00, "CNT", _REG, _ONE),
    plain(0x7FFFFC00, 0x5AC02000, "ABS", _REG, _ONE),
    plain(0xFFFFE000, 0xDAC10000, "PAC/AUT", "pointer-auth", _ONE),
    plain(0xFFFFE3E0, 0xDAC123E0, "PAC/AUT-zero", "pointer-auth", _ONE),
    plain(0xFFFFFBE0, 0xDAC143E0, "XPAC", "pointer-auth", _ONE),
    *(_signs_pc(0xFFFFFFFF, word, name, _LR) for word, name in _SIGNING_SP_PC),
    plain(0xFFFFFBFF, 0xDAC18BFE, "PAC171615", "pointer-auth", _LR),
    plain(0xFFFFFBFF, 0xDAC1BBFE, "AUT171615", "pointer-auth", _LR),
    plain(0xFFFFFC1F, 0xDAC1901E, "AUTIASPPCR", "pointer-auth", _LR),
    plain(0xFFFFFC1F, 0xDAC1941E, "AUTIBSPPCR", "pointer-auth", _LR),
)

_THREE = "Data-processing (3 source)"

_THREE_SOURCE = (
    plain(0x7FE00000, 0x1B000000, "MADD/MSUB", _REG, _THREE),
    plain(0xFFE00000, 0x9B200000, "SMADDL/SMSUBL", _REG, _THREE),
    plain(0xFFE08000, 0x9B400000, "SMULH", _REG, _THREE),
    plain(0xFFE00000, 0x9BA00000, "UMADDL/UMSUBL", _REG, _THREE),
    plain(0xFFE08000, 0x9BC00000, "UMULH", _REG, _THREE),
    plain(0xFFE00000, 0x9B600000, "MADDPT/MSUBPT", _REG, _THREE),
    unallocated(0x0E000000, 0x0A000000, "Data processing (register)"),
)

ROWS: tuple[Row, ...] = (
    *_ADDRESS,
    *_IMMEDIATE,
    *_TWO_REGISTERS,
    *_CARRY,
    *_TWO_SOURCE,
    *_ONE_SOURCE,
    *_THREE_SOURCE,
)
