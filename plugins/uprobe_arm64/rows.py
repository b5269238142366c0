"""What a row of the decode table is, and the rulings that rows share.

A row says which words it covers (mask and value), what the Arm manual calls
them, and two opinions on probing them: the history of the kernel's ruling,
version by version, and the ruling of ``policy=anywhere``.

Kernel facts are those of arch/arm64/kernel/probes/decode-insn.c and of the
masks in arch/arm64/include/asm/insn.h; the encodings are those of the Arm
Architecture Reference Manual (DDI 0487), section C4.1, whose table names the
rows carry as their source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from uprobe_core.types import Verdict

__all__ = (
    "History",
    "Row",
    "Ruling",
    "Version",
    "in_place",
    "reject",
    "simulate",
    "step",
    "trap",
    "unchanged",
)

Version = tuple[int, int]
"""A kernel release as (major, minor); a history starts at the oldest recorded one."""

OLDEST: Version = (6, 1)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one policy does with a row.

    :param verdict: reject, simulate or step
    :param reason: why, in words that end up in front of a user
    :param simulator: name in :data:`uprobe_arm64.simulate.BUILDERS` when simulated
    :param special: as :attr:`uprobe_core.types.Analysis.special`
    :param defect: what the kernel gets wrong when it rules so, or ""
    :param errno_name: the answer of a registration that is rejected
    """

    verdict: Verdict
    reason: str
    simulator: str = ""
    special: str = ""
    defect: str = ""
    errno_name: str = ""


History = tuple[tuple[Version, Ruling], ...]
"""Rulings with the version that each holds from, oldest first."""


@dataclass(frozen=True, slots=True)
class Row:
    """All words *w* with ``w & mask == value`` that no earlier row covers.

    :param name: the class, such as "B.cond"; several rows may share one
    :param group: the family for summaries, such as "branch"
    :param kernel: the kernel's ruling over time
    :param anywhere: the ruling of ``policy=anywhere``
    :param source: table of the Arm manual, section C4.1
    :param allocated: whether the words are instructions of any architecture version;
        None where the row holds both kinds and the table makes no claim for one word
    :param branches: whether the instruction may write PC other than by advancing
    :param reads_pc: whether its effect depends on its own address
    """

    mask: int
    value: int
    name: str
    group: str
    kernel: History
    anywhere: Ruling
    source: str
    allocated: bool | None = True
    branches: bool = False
    reads_pc: bool = False


def unchanged(ruling: Ruling) -> History:
    """A ruling that has been the same in every recorded version."""
    return ((OLDEST, ruling),)


def step(reason: str, *, defect: str = "") -> Ruling:
    """It runs in a slot."""
    return Ruling(Verdict.STEP, reason, defect=defect)


def reject(reason: str, errno_name: str = "EINVAL") -> Ruling:
    """Registration fails with *errno_name*."""
    return Ruling(Verdict.REJECT, reason, errno_name=errno_name)


def simulate(simulator: str, reason: str) -> Ruling:
    """Its effect is computed by the named simulator."""
    return Ruling(Verdict.SIMULATE, reason, simulator=simulator)


def in_place(reason: str) -> Ruling:
    """It runs at its own address with the breakpoint lifted."""
    return Ruling(Verdict.STEP, reason, special="in-place")


def trap(reason: str, special: str = "trap") -> Ruling:
    """Its exception (or system call, *special* "svc") is taken from its own address."""
    return Ruling(Verdict.STEP, reason, special=special)


def with_defect(ruling: Ruling, defect: str) -> Ruling:
    """The same ruling with what is wrong about it."""
    return replace(ruling, defect=defect)


PLAIN = step("neither reads nor writes the PC, so it runs in a slot unchanged")
"""Data processing and loads and stores through registers."""

UNALLOCATED = step(
    "not an allocated encoding; it raises the undefined instruction exception wherever it runs"
)
UNALLOCATED_KERNEL = with_defect(
    UNALLOCATED, "si_addr of the SIGILL is the slot's address instead of the instruction's"
)


def plain(mask: int, value: int, name: str, group: str, source: str, *, allocated: bool | None = True) -> Row:
    """A row that every policy and version steps."""
    return Row(mask, value, name, group, unchanged(PLAIN), PLAIN, source, allocated)


def unallocated(mask: int, value: int, source: str) -> Row:
    """A row without instructions, which the kernel steps all the same."""
    name = group = "unallocated"
    kernel = unchanged(UNALLOCATED_KERNEL)
    return Row(mask, value, name, group, kernel, UNALLOCATED, source, allocated=False)
