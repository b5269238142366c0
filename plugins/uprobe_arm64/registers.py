"""Register names of the fetch language on arm64, and where AAPCS64 passes arguments.

The kernel's list is regoffset_table in arch/arm64/kernel/ptrace.c: x0 to x30,
lr, sp, pc, pstate.  It has no w names, no fp, no x31 and no vector registers.
"""

from __future__ import annotations

from typing import Final

from uprobe_core.types import Register

__all__ = ("INDEX_OF", "LINK", "argument_register", "vector_register")

LINK: Final = 30

INDEX_OF: Final[dict[str, int]] = {
    **{f"x{number}": number for number in range(31)},
    "lr": LINK,
    "sp": Register.SP,
    "pc": Register.PC,
    "pstate": Register.PSTATE,
}


def argument_register(number: int) -> int | None:
    """The register of integer argument *number*, 1 to 8; None: it is on the stack (AAPCS64, 6.8.2)."""
    return number - 1 if 1 <= number <= 8 else None


def vector_register(name: str) -> tuple[int, int] | None:
    """Index and bytes of a scalar view of a vector register, d0-d31 or s0-s31 (Arm ARM B1.2.2)."""
    size = {"d": 8, "s": 4}.get(name[:1])
    number = name[1:]
    if size is None or not number.isascii() or not number.isdecimal() or str(int(number[:3])) != number:
        return None
    return (int(number), size) if int(number) < 32 else None
