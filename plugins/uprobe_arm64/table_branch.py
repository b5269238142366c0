"""Rows for branches: op0 = 101x of the A64 main table, without exceptions and system.

The kernel tests these after ``aarch64_insn_is_class_branch_sys``: the branches
that it knows are taken out of stepping by ``aarch64_insn_is_branch`` and then
simulated if ``arm_probe_decode_insn`` has a handler, else rejected.  What it
does not know as a branch it steps.
"""

from __future__ import annotations

from uprobe_arm64.rows import (
    UNALLOCATED,
    History,
    Row,
    Ruling,
    in_place,
    reject,
    simulate,
    step,
    unallocated,
    unchanged,
    with_defect,
)

__all__ = ("ROWS",)

_COND = "Conditional branch (immediate)"
_REG = "Unconditional branch (register)"
_COMPARE = "Compare and branch"
_LR = "FEAT_PAuth_LR"

_SIMULATED_BRANCH = "writes the PC relative to its own address, so its effect is computed"
_SIMULATED_REG = "writes the PC from a register, so its effect is computed"
_AUTH_REJECT = reject("pointer authentication cannot be simulated: it needs the keys of the task")
_AUTH_IN_PLACE = in_place(
    "authenticates a pointer and branches to it: only the CPU has the keys, so it runs at its own address"
)
_RETURN_DEFECT = "stepped although it writes the PC: after the step execution continues behind it"


def _simulated(mask: int, value: int, name: str, simulator: str, source: str, reason: str) -> Row:
    ruling = simulate(simulator, reason)
    reads_pc = reason is _SIMULATED_BRANCH or simulator == "blr"
    return Row(
        mask, value, name, "branch", unchanged(ruling), ruling, source, branches=True, reads_pc=reads_pc
    )


def _authenticated(mask: int, value: int, name: str, *, reads_pc: bool = False) -> Row:
    return Row(
        mask,
        value,
        name,
        "branch-auth",
        unchanged(_AUTH_REJECT),
        _AUTH_IN_PLACE,
        _REG,
        branches=True,
        reads_pc=reads_pc,
    )


def _stepped_branch(mask: int, value: int, name: str, source: str, reason: str) -> Row:
    kernel = step("not a branch that the kernel knows, so it is stepped", defect=_RETURN_DEFECT)
    return Row(
        mask,
        value,
        name,
        "branch-new",
        unchanged(kernel),
        in_place(reason),
        source,
        branches=True,
        reads_pc=True,
        allocated=None if name.startswith("CB<") else True,
    )


# FEAT_HBC.  The mask of aarch64_insn_is_bcond left bit 4 clear until it was widened to
# 0xFF000000; the 6.12 long-term series carries that fix, the 6.13 release does not.
_BC_SIMULATED = with_defect(
    simulate("b_cond", _SIMULATED_BRANCH),
    "branches on every CPU; one without FEAT_HBC would raise the undefined instruction exception",
)
_BC_STEPPED: Ruling = step(
    "bit 4 is set, which the kernel's mask for B.cond excludes, so it is stepped",
    defect="a branch that is taken goes to a target relative to the slot and is then lost",
)
_BC_HISTORY: History = (
    ((6, 1), _BC_STEPPED),
    ((6, 12), _BC_SIMULATED),
    ((6, 13), _BC_STEPPED),
    ((6, 18), _BC_SIMULATED),
)

_CONDITIONAL = (
    _simulated(0xFF000010, 0x54000000, "B.cond", "b_cond", _COND, _SIMULATED_BRANCH),
    Row(
        0xFF000010,
        0x54000010,
        "BC.cond",
        "branch",
        _BC_HISTORY,
        in_place("exists only with FEAT_HBC, so the CPU decides, at its own address"),
        _COND,
        branches=True,
        reads_pc=True,
    ),
    _stepped_branch(
        0xFFE0001F, 0x5500001F, "RETAASPPC", _LR, "authenticates LR with its own PC and branches"
    ),
    _stepped_branch(
        0xFFE0001F, 0x5520001F, "RETABSPPC", _LR, "authenticates LR with its own PC and branches"
    ),
    unallocated(0xFC000000, 0x54000000, _COND),
    _stepped_branch(
        0x7F004000,
        0x75000000,
        "CB<cc>-imm",
        _COMPARE,
        "exists only with FEAT_CMPBR, so the CPU decides, at its own address",
    ),
    _stepped_branch(
        0x7F00C000,
        0x74000000,
        "CB<cc>-reg",
        _COMPARE,
        "exists only with FEAT_CMPBR, so the CPU decides, at its own address",
    ),
    _stepped_branch(
        0xFF008000,
        0x74008000,
        "CBB/CBH<cc>",
        _COMPARE,
        "exists only with FEAT_CMPBR, so the CPU decides, at its own address",
    ),
    unallocated(0x7C000000, 0x74000000, _COMPARE),
)

_IMMEDIATE = (
    _simulated(0xFC000000, 0x14000000, "B", "b", "Unconditional branch (immediate)", _SIMULATED_BRANCH),
    _simulated(0xFC000000, 0x94000000, "BL", "bl", "Unconditional branch (immediate)", _SIMULATED_BRANCH),
    _simulated(0x7F000000, 0x34000000, "CBZ", "cbz", _COMPARE + " (immediate)", _SIMULATED_BRANCH),
    _simulated(0x7F000000, 0x35000000, "CBNZ", "cbnz", _COMPARE + " (immediate)", _SIMULATED_BRANCH),
    _simulated(0x7F000000, 0x36000000, "TBZ", "tbz", "Test and branch (immediate)", _SIMULATED_BRANCH),
    _simulated(0x7F000000, 0x37000000, "TBNZ", "tbnz", "Test and branch (immediate)", _SIMULATED_BRANCH),
)

_NO_EL0 = step("undefined at EL0: the exception is the same in a slot")


def _exception_return(mask: int, value: int, name: str) -> Row:
    ruling = reject("returns from an exception, which no slot may do")
    at_el0 = in_place("undefined at EL0: the exception is taken from its own address")
    return Row(mask, value, name, "branch-auth", unchanged(ruling), at_el0, _REG, branches=True)


# aarch64_insn_is_br_auth and _blr_auth leave bits 4:0 open, so the kernel also refuses
# words that look like BRAAZ or BLRAAZ with op4 other than 11111.
_LOOKS_AUTHENTICATED = Row(
    0xFEDFF800,
    0xD61F0800,
    "unallocated",
    "unallocated",
    unchanged(_AUTH_REJECT),
    UNALLOCATED,
    _REG,
    allocated=False,
)

_REGISTER = (
    _simulated(0xFFFFFC1F, 0xD61F0000, "BR", "br", _REG, _SIMULATED_REG),
    _simulated(0xFFFFFC1F, 0xD63F0000, "BLR", "blr", _REG, _SIMULATED_REG),
    _simulated(0xFFFFFC1F, 0xD65F0000, "RET", "br", _REG, _SIMULATED_REG),
    _authenticated(0xFFFFF81F, 0xD61F081F, "BRAAZ/BRABZ"),
    _authenticated(0xFFFFF81F, 0xD63F081F, "BLRAAZ/BLRABZ", reads_pc=True),
    _authenticated(0xFFFFF800, 0xD71F0800, "BRAA/BRAB"),
    _authenticated(0xFFFFF800, 0xD73F0800, "BLRAA/BLRAB", reads_pc=True),
    _authenticated(0xFFFFFBFF, 0xD65F0BFF, "RETAA/RETAB"),
    _stepped_branch(0xFFFFFBE0, 0xD65F0BE0, "RETAASPPCR", _LR, "authenticates LR and branches to it"),
    _exception_return(0xFFFFFFFF, 0xD69F03E0, "ERET"),
    _exception_return(0xFFFFFBFF, 0xD69F0BFF, "ERETAA/ERETAB"),
    Row(
        0xFFFFFFFF,
        0xD6BF03E0,
        "DRPS",
        "branch-auth",
        unchanged(_NO_EL0),
        in_place("undefined outside debug state: the exception is taken from its own address"),
        _REG,
        branches=True,
    ),
    _LOOKS_AUTHENTICATED,
    unallocated(0xFE000000, 0xD6000000, _REG),
)

ROWS: tuple[Row, ...] = (*_CONDITIONAL, *_IMMEDIATE, *_REGISTER)
