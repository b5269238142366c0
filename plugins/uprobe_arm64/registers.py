"""The registers of arm64: numbers, names in the fetch language, and what AAPCS64 uses them for.

Numbers are DWARF's (AADWARF64): x0 to x30 are 0 to 30, SP is 31, PC is 32; PSTATE follows.
The kernel's list of names is regoffset_table in arch/arm64/kernel/ptrace.c: x0 to x30,
lr, sp, pc, pstate.  It has no w names, no fp, no x31 and no vector registers.
"""

from __future__ import annotations

import enum
from typing import Final

from uprobe_core.architecture import Registers

__all__ = ("INSN_BYTES", "LINK", "REGISTERS", "Register", "register_hint", "vector_register")


class Register(enum.IntEnum):
    """Numbers beyond x0-x30."""

    SP = 31
    PC = 32
    PSTATE = 33


INSN_BYTES: Final = 4
"""Bytes of an A64 instruction, and so of a slot (MAX_UINSN_BYTES)."""
LINK: Final = 30
_FRAME: Final = 29

REGISTERS: Final = Registers(
    names={
        **{f"x{number}": number for number in range(31)},
        "lr": LINK,
        "sp": int(Register.SP),
        "pc": int(Register.PC),
        "pstate": int(Register.PSTATE),
    },
    count=34,
    sp=int(Register.SP),
    pc=int(Register.PC),
    result=0,
    arguments=tuple(range(8)),  # AAPCS64, 6.8.2
    link=LINK,
    frame=_FRAME,
    state=int(Register.PSTATE),  # BTYPE says how the instruction was reached
)


def vector_register(name: str) -> tuple[int, int] | None:
    """Index and bytes of a scalar view of a vector register, d0-d31 or s0-s31 (Arm ARM B1.2.2)."""
    size = {"d": 8, "s": 4}.get(name[:1])
    number = name[1:]
    if size is None or not number.isascii() or not number.isdecimal() or str(int(number[:3])) != number:
        return None
    return (int(number), size) if int(number) < 32 else None


def register_hint(name: str) -> str | None:
    """What to write instead of *name*, which the kernel does not know; None: nothing special."""
    number = name[1:]
    if name == "fp":
        return "the frame pointer is %x29"
    if name in ("xzr", "wzr", "x31"):
        return "register 31 is %sp; the zero register has no name here"
    if name[:1] == "w" and number.isdecimal() and int(number[:3]) < 31:
        return f"the low half of a register is a cast: %x{int(number)}:x32"
    if name[:1] in ("d", "s", "v", "q") and number.isdecimal():
        return "floating point registers need policy=anywhere: %d0:f64, %s0:f32"
    return None
