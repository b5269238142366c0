"""Programs of a dozen instructions, written without any tool, for the compliance suite of backends.

Words are given with their disassembly; facts: Arm ARM C6.2 and the generic Linux system call numbers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ("PROGRAMS",)


class _Program(NamedTuple):
    """See ``tiny_programs`` of uprobe_core.testing.tiny_elf."""

    words: tuple[int, ...]
    labels: dict[str, int]
    writable_text: bool = False


_CALLS: Final = _Program(
    (
        0xD2800013,  # _start: mov x19, #0
        0xD28000B4,  # mov x20, #5
        0xAA1403E0,  # loop: mov x0, x20
        0xD2800141,  # mov x1, #10
        0x94000008,  # bl work
        0x8B000273,  # back: add x19, x19, x0
        0xF1000694,  # subs x20, x20, #1
        0x54FFFF61,  # b.ne loop
        0xAA1303E0,  # mov x0, x19
        0xD2800BC8,  # mov x8, #94  (exit_group)
        0xD4000001,  # svc #0
        0xD503201F,  # nop
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "loop": 2, "call": 4, "back": 5, "add": 5, "work": 12, "ret": 13},
)
"""Calls work(n, 10) for n = 5 to 1, which multiplies, and exits with the sum: 150."""

_SEGFAULT: Final = _Program(
    (
        0xD2800200,  # _start: mov x0, #16
        0xF9400001,  # load: ldr x1, [x0]
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "load": 1},
)
"""Loads from address 16, where nothing is."""

_OWN_TRAP: Final = _Program(
    (
        0xD503201F,  # _start: nop
        0xD42000A0,  # trap: brk #5
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "trap": 1},
)
"""Uses the core's breakpoint instruction for itself."""

_SPIN: Final = _Program((0xD503201F, 0x17FFFFFF), {"_start": 0})  # nop; b _start
"""Never ends."""

_WRITES_OWN_TEXT: Final = _Program(
    (
        0x100000EA,  # _start: adr x10, place
        0x94000006,  # bl place
        0x18000169,  # ldr w9, new
        0xB9000149,  # str w9, [x10]
        0xD50B7B2A,  # dc cvau, x10
        0xD5033B9F,  # dsb ish
        0xD5033FDF,  # isb
        0xD2800000,  # place: mov x0, #0   (becomes mov x0, #42)
        0xB400006B,  # cbz x11, first
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD280002B,  # first: mov x11, #1
        0xD65F03C0,  # ret
        0xD2800540,  # new: mov x0, #42
    ),
    {"_start": 0, "place": 7},
    writable_text=True,
)
"""Runs an instruction, replaces it, runs it again and exits with what it gave: 42."""

PROGRAMS: Final = {
    "calls": _CALLS,
    "own_trap": _OWN_TRAP,
    "segfault": _SEGFAULT,
    "spin": _SPIN,
    "writes_own_text": _WRITES_OWN_TEXT,
}
