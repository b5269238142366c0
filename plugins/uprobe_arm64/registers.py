"""Register names of the fetch language on arm64, and where AAPCS64 passes arguments.

The kernel's list is regoffset_table in arch/arm64/kernel/ptrace.c: x0 to x30,
lr, sp, pc, pstate.  It has no w names, no fp, no x31 and no vector registers.
"""

from __future__ import annotations

from typing import Final

from uprobe_core.types import Register

__all__ = ("INDEX_OF", "LINK", "argument_register")

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
