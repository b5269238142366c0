"""Rows for exception generation, hints, barriers and system instructions (0xD4 and 0xD5).

The kernel rejects all of 0xD4 by ``aarch64_insn_is_exception``, both forms of
MSR, MRS of DAIF, and every hint outside the list of
``aarch64_insn_is_steppable_hint``; the rest of 0xD5 is stepped.
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
    trap,
    unallocated,
    unchanged,
)

__all__ = ("ROWS",)

_EXCEPTION = "Exception generation"
_HINTS = "Hints"
_BARRIERS = "Barriers"
_PSTATE = "PSTATE"
_MOVE = "System register move"

_GENERATES = "generates an exception, whose return address would be in the slot"


def _exception(low: int, name: str, anywhere: Ruling) -> Row:
    return Row(
        0xFFE0001F, 0xD4000000 | low, name, "exception", unchanged(reject(_GENERATES)), anywhere, _EXCEPTION
    )


_OWN_ADDRESS = trap("generates an exception, which the program gets with the instruction's own address")

_EXCEPTIONS = (
    _exception(0x000001, "SVC", trap("the system call is made from its own address", "svc")),
    _exception(0x000002, "HVC", _OWN_ADDRESS),
    _exception(0x000003, "SMC", _OWN_ADDRESS),
    Row(
        0xFFFFFFFF,
        0xD42000A0,
        "BRK#5",
        "exception",
        unchanged(reject("it is the breakpoint instruction of uprobes itself", "ENOTSUPP")),
        _OWN_ADDRESS,
        _EXCEPTION,
    ),
    _exception(0x200000, "BRK", _OWN_ADDRESS),
    _exception(0x400000, "HLT", _OWN_ADDRESS),
    _exception(
        0x600000, "TCANCEL", in_place("ends a transaction (FEAT_TME), at its own address if the CPU has it")
    ),
    _exception(0xA00001, "DCPS1", _OWN_ADDRESS),
    _exception(0xA00002, "DCPS2", _OWN_ADDRESS),
    _exception(0xA00003, "DCPS3", _OWN_ADDRESS),
    Row(
        0xFF000000,
        0xD4000000,
        "unallocated",
        "exception",
        unchanged(reject(_GENERATES)),
        UNALLOCATED,
        _EXCEPTION,
        allocated=False,
    ),
)

_HINT_REFUSED = reject("a hint outside the list that is known to be harmless in a single step")
_HINT_STEPPED = step("a hint that neither reads nor writes the PC")
_NO_EFFECT = simulate("nop", "has no effect that the program can see, so nothing is left to do")
_NOP_HISTORY: History = (
    ((6, 1), _HINT_STEPPED),
    ((6, 13), simulate("nop", "does nothing, so nothing is left to do")),
)


def _hint(number: int, name: str, kernel: History, anywhere: Ruling, group: str = "hint") -> Row:
    return Row(0xFFFFFFFF, 0xD503201F | number << 5, name, group, kernel, anywhere, _HINTS)


def _refused_nop(number: int, name: str) -> Row:
    return _hint(number, name, unchanged(_HINT_REFUSED), _NO_EFFECT)


def _pointer_auth(number: int, name: str, *, allowed: bool) -> Row:
    kernel = _HINT_STEPPED if allowed else _HINT_REFUSED
    return _hint(number, name, unchanged(kernel), _HINT_STEPPED, "pointer-auth")


def _landing_pad(number: int, name: str) -> Row:
    # The kernel steps these so that the hardware checks PSTATE.BTYPE; our breakpoint stands
    # in for the landing pad (BRK never raises a branch target exception), so nothing is left.
    return _hint(number, name, unchanged(_HINT_STEPPED), _NO_EFFECT)


_HINT_ROWS = (
    _hint(0, "NOP", _NOP_HISTORY, _NO_EFFECT),
    _refused_nop(1, "YIELD"),
    _refused_nop(2, "WFE"),
    _refused_nop(3, "WFI"),
    _refused_nop(4, "SEV"),
    _refused_nop(5, "SEVL"),
    _refused_nop(6, "DGH"),
    _pointer_auth(7, "XPACLRI", allowed=True),
    _pointer_auth(8, "PACIA1716", allowed=True),
    _pointer_auth(10, "PACIB1716", allowed=True),
    _pointer_auth(12, "AUTIA1716", allowed=False),
    _pointer_auth(14, "AUTIB1716", allowed=False),
    _refused_nop(16, "ESB"),
    _refused_nop(17, "PSB"),
    _refused_nop(18, "TSB"),
    _hint(19, "GCSB", unchanged(_HINT_REFUSED), _NO_EFFECT),
    _refused_nop(20, "CSDB"),
    _refused_nop(22, "CLRBHB"),
    _pointer_auth(24, "PACIAZ", allowed=True),
    _pointer_auth(25, "PACIASP", allowed=True),
    _pointer_auth(26, "PACIBZ", allowed=True),
    _pointer_auth(27, "PACIBSP", allowed=True),
    _pointer_auth(28, "AUTIAZ", allowed=False),
    _pointer_auth(29, "AUTIASP", allowed=False),
    _pointer_auth(30, "AUTIBZ", allowed=False),
    _pointer_auth(31, "AUTIBSP", allowed=False),
    _landing_pad(32, "BTI"),
    _landing_pad(34, "BTI-c"),
    _landing_pad(36, "BTI-j"),
    _landing_pad(38, "BTI-jc"),
    Row(
        0xFFFFFFFF,
        0xD503251F,
        "CHKFEAT",
        "hint",
        unchanged(_HINT_REFUSED),
        step("reads and writes X16 only"),
        _HINTS,
    ),
    # FEAT_PAuth_LR's PACM changes what the *next* instruction does, so it stays where it is.
    _hint(
        39,
        "PACM",
        unchanged(_HINT_REFUSED),
        in_place("modifies the instruction that follows it"),
        "pointer-auth",
    ),
    Row(
        0xFFFFF01F,
        0xD503201F,
        "HINT",
        "hint",
        unchanged(_HINT_REFUSED),
        step("a hint without a meaning yet; a CPU that gives it none does nothing"),
        _HINTS,
    ),
    unallocated(0xFFFFF000, 0xD5032000, _HINTS),
)

_BARRIER_ROWS = (
    plain(0xFFFFF0FF, 0xD503305F, "CLREX", "barrier", _BARRIERS),
    plain(0xFFFFF0FF, 0xD503309F, "DSB", "barrier", _BARRIERS),
    plain(0xFFFFF3FF, 0xD503323F, "DSB-nXS", "barrier", _BARRIERS),
    plain(0xFFFFF0FF, 0xD50330BF, "DMB", "barrier", _BARRIERS),
    plain(0xFFFFF0FF, 0xD50330DF, "ISB", "barrier", _BARRIERS),
    plain(0xFFFFFFFF, 0xD50330FF, "SB", "barrier", _BARRIERS),
    plain(0xFFFFFFFF, 0xD503307F, "TCOMMIT", "barrier", _BARRIERS),
    unallocated(0xFFFFF000, 0xD5033000, _BARRIERS),
    plain(0xFFFFFFC0, 0xD5031000, "WFET/WFIT", "system", "System instructions with register argument"),
    unallocated(0xFFFFF000, 0xD5031000, "System instructions with register argument"),
)

_MSR_REFUSED = reject("changes processor state in ways that a single step would see or undo")
_MSR_STEPPED = step("acts on the state of the program; what EL0 may not do is undefined in the slot as well")


def _pstate(value: int, name: str) -> Row:
    return Row(0xFFFFF0FF, value, name, "system", unchanged(_MSR_REFUSED), _MSR_STEPPED, _PSTATE)


_PSTATE_ROWS = (
    _pstate(0xD500401F, "CFINV"),
    _pstate(0xD500403F, "XAFLAG"),
    _pstate(0xD500405F, "AXFLAG"),
    Row(
        0xFFF8F01F,
        0xD500401F,
        "MSR-imm",
        "system",
        unchanged(_MSR_REFUSED),
        _MSR_STEPPED,
        _PSTATE,
        allocated=None,
    ),
    unallocated(0xFFF8F000, 0xD5004000, _PSTATE),
)

_MOVE_ROWS = (
    Row(0xFFF00000, 0xD5100000, "MSR", "system", unchanged(_MSR_REFUSED), _MSR_STEPPED, _MOVE),
    Row(
        0xFFFFFFE0,
        0xD53B4220,
        "MRS-DAIF",
        "system",
        unchanged(reject("would read the interrupt masks of the single step instead of the program's")),
        _MSR_STEPPED,
        _MOVE,
    ),
    Row(0xFFF00000, 0xD5300000, "MRS", "system", unchanged(PLAIN), _MSR_STEPPED, _MOVE),
    plain(0xFFF80000, 0xD5080000, "SYS", "system", "System instructions"),
    plain(0xFFF80000, 0xD5280000, "SYSL", "system", "System instructions"),
    plain(0xFFF80000, 0xD5480000, "SYSP", "system", "System pair instructions"),
    plain(0xFFF00000, 0xD5500000, "MSRR", "system", "System register pair move"),
    plain(0xFFF00000, 0xD5700000, "MRRS", "system", "System register pair move"),
    Row(
        0xFFFFFFE0,
        0xD5233060,
        "TSTART",
        "system",
        unchanged(step("neither a branch nor MSR", defect="the transaction would restart inside the slot")),
        in_place("remembers its own address for a failed transaction"),
        "System with result",
        reads_pc=True,
    ),
    plain(0xFFFFFFE0, 0xD5233160, "TTEST", "system", "System with result"),
    unallocated(0xFF000000, 0xD5000000, "System instructions"),
)

ROWS: tuple[Row, ...] = (*_EXCEPTIONS, *_HINT_ROWS, *_BARRIER_ROWS, *_PSTATE_ROWS, *_MOVE_ROWS)
