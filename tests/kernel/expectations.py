"""Where a replay may differ from its recording, and why; everything else must be the same.

Each entry says what the recording depended on that is not the kernel's
treatment of probes: random numbers, timers, the order of threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASKED: dict[str, list[tuple[str, str]]] = {
    "maxargs": [(rf" arg{6 + 31 * turn}=0x[0-9a-f]+", f" arg{6 + 31 * turn}=*") for turn in range(4)],
}
"""Case -> replacements in trace lines, applied to both sides."""

OF_RELEASE: dict[str, list[tuple[str, str]]] = {
    # A 7.3 kernel gives programs one entry more in the auxiliary vector, so its stack lies 16 bytes lower.
    "7.3": [(r"0xfffffffff[0-9a-f]{3}\b", "0xSTACK"), (r"2814749767[0-9]{5}\b", "STACK")],
}
"""Release -> replacements in trace lines, applied to both sides."""

UNORDERED = frozenset({"threads"})
"""Cases with several threads: only the order within each is the program's."""

TIMED = frozenset({"signals"})
"""Cases with a part that runs until a timer has fired: its hit counts are not compared."""

SEEN_BY_THE_PROGRAM: dict[str, list[tuple[str, str]]] = {
    # Recorded: SIGTRAP of a BRK #5 has si_code 128 in a process with uprobes, 1 in one without.
    "ownbrk-handler": [(r"(brk #5 .*) code=128", r"\1 code=1")],
    # Recorded: si_addr of a stepped UDF is its slot.
    "fault-insn": [
        (r"(udf n=3 .*) addr-L=\d+ addr=[0-9a-f]+ L=([0-9a-f]+)", r"\1 addr-L=0 addr=\2 L=\2"),
    ],
    # Recorded: a SIMD&FP load literal reads beside its slot; the source says 0x4142434445464748.
    "insns-ldr-simd-literal": [(r"(t_ldrd +)0\b", r"\g<1>4142434445464748")],
    "insns-system": [(r"(t_ldrd +)0\b", r"\g<1>4142434445464748")],
    # A program that reads its own probed text sees the breakpoint under a kernel only.
    "mapped-again": [("d42000a0", "91001400")],
    "moved-code": [("d42000a0 d42000a0", "d503201f 91004400")],
}
"""Case -> what outside policy=kernel its standard output says instead: what it says without probes."""

KERNEL_ONLY: dict[str, list[tuple[str, str]]] = {
    # A program that reads its own probed text sees the breakpoint under a kernel only.
    "strings-deref": [(r" off=0x[0-9a-f]+", " off=*")],
    # In a return event LR is the trampoline's address only where LR was hijacked.
    "retprobe-args": [(r" lr=0x[0-9a-f]+", " lr=*")],
    # In a return event LR is the trampoline's address only where LR was hijacked.
    "moved-code": [(r" at=0x[0-9a-f]+", " at=*")],
    # A kernel reads nothing through a pointer with a tag.
    "tagged-pointers": [(r' [acnqs]=("[^"]*"|\S+)', "")],
    # An unreadable number is not stored, so a kernel shows what its buffer held: here of another event.
    "buffer-locations": [(r" ([stuw])=\S+", r" \1=*")],
    "structs-nested": [(r"^(use: .* id=0 .*) pa=\S+ pb=\S+ k=3", r"\1 pa=* pb=* k=3")],
}
"""Case -> replacements in trace lines that only policy=kernel has to get exactly right."""

MORE_HITS = frozenset({"insns-system", "mapped-again", "recursion-retonly"})
"""Cases in which a kernel refuses an instruction, overlooks a mapping or loses a deep return; we do not."""

KERNELS_BUFFERS = frozenset(
    {"event-numbers", "filter-faults", "long-records", "long-strings", "string-arrays", "switched-first"}
)
"""Cases about what a kernel's own buffers, numbers and switches make of events: not compared elsewhere."""

OTHER_ORDER = frozenset({"enable-order", "hist-basic", "same-name-append"})
"""Cases in which events of several groups or with triggers lie at one address, in the kernel's own order."""


MISSED_BY_WATCHING = frozenset({"tail-recursion"})
"""Cases in which watching takes a tail call for the same call again after a longjmp: both leave the same
stack pointer and the same return address.  The call is reported as missed; every entry is still seen."""

SAVED_BY_WATCHING = {"coro-returns": "coro-entries"}
"""Cases that a kernel kills (two stacks, one list of returns) -> the recording without return probes."""


def mask(lines: Iterable[str], replacements: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The lines with every replacement made."""
    masked = list(lines)
    for pattern, replacement in replacements:
        masked = [re.sub(pattern, replacement, line) for line in masked]
    return tuple(masked)


def is_subsequence(few: Iterable[str], many: Iterable[str]) -> bool:
    """Whether *few* are found in *many* in this order."""
    rest = iter(many)
    return all(line in rest for line in few)
