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
    {"_start": 0, "loop": 2, "call": 4, "back": 5, "add": 5, "svc": 10, "nop": 11, "work": 12, "ret": 13},
)
"""Calls work(n, 10) for n = 5 to 1, which multiplies, and exits with the sum: 150."""

_CONNECTS: Final = _Program(
    (
        0xD2800040,  # _start: mov x0, #2  (AF_INET)
        0xD2800021,  # mov x1, #1  (SOCK_STREAM)
        0xD2800002,  # mov x2, #0
        0xD28018C8,  # mov x8, #198  (socket)
        0xD4000001,  # svc #0
        0x100000E1,  # adr x1, where
        0xD2800202,  # mov x2, #16
        0xD2801968,  # mov x8, #203  (connect)
        0xD4000001,  # svc #0
        0xD37FFC00,  # lsr x0, x0, #63
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x00000002,  # where: .hword AF_INET, a port of big end
        0x0100007F,  # .byte 127, 0, 0, 1
        0x00000000,
        0x00000000,
    ),
    {"_start": 0, "where": 12},
)
"""Exits with 0 if it can connect to 127.0.0.1, to the port that lies 2 bytes behind where, with 1 if not."""

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
    {"_start": 0, "place": 7, "new": 13},
    writable_text=True,
)
"""Runs an instruction, replaces it, runs it again and exits with what it gave: 42."""

_ARGUMENTS: Final = _Program(
    (
        0xF9400BE1,  # _start: ldr x1, [sp, #16]
        0x39400020,  # ldrb w0, [x1]
        0xF94013E2,  # ldr x2, [sp, #32]
        0x39400042,  # ldrb w2, [x2]
        0x8B020000,  # add x0, x0, x2
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0},
)
"""Exits with the sum of the first bytes of its first argument and of its environment."""

_DATA: Final = _Program(
    (
        0x18000060,  # _start: ldr w0, number
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x00000005,  # number: .word 5
    ),
    {"_start": 0, "number": 3},
)
"""Exits with a number that lies behind its instructions: 5."""

_EXECUTES: Final = _Program(
    (
        0xF94003E0,  # _start: ldr x0, [sp]
        0xF100041F,  # cmp x0, #1
        0x54000181,  # b.ne again
        0xF94007E0,  # ldr x0, [sp, #8]
        0xD10083FF,  # sub sp, sp, #32
        0xA90003E0,  # stp x0, x0, [sp]
        0xF9000BFF,  # str xzr, [sp, #16]
        0x910003E1,  # mov x1, sp
        0xD2800002,  # mov x2, #0
        0xD2801BA8,  # mov x8, #221  (execve)
        0xD4000001,  # svc #0
        0xD2800020,  # mov x0, #1
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD2800080,  # again: mov x0, #4
        0xD2800141,  # mov x1, #10
        0x94000003,  # bl work
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "again": 14, "work": 19},
)
"""Executes itself with one more argument, which calls work(4, 10) and exits with what it gives: 40."""

_FLAGS: Final = _Program(
    (
        0xD2800020,  # _start: mov x0, #1
        0xF100041F,  # cmp x0, #1
        0xD503201F,  # mark: nop
        0x54000080,  # b.eq equal
        0xD28000E0,  # mov x0, #7
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD2800120,  # equal: mov x0, #9
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "mark": 2, "equal": 7},
)
"""Exits with 9 if its comparison is still equal at mark, with 7 otherwise."""

_FORKS: Final = _Program(
    (
        0xD2800220,  # _start: mov x0, #17  (SIGCHLD)
        0xD2800001,  # mov x1, #0
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800004,  # mov x4, #0
        0xD2801B88,  # mov x8, #220  (clone)
        0xD4000001,  # svc #0
        0xB40001E0,  # cbz x0, child
        0x92800000,  # mov x0, #-1
        0xD10043FF,  # sub sp, sp, #16
        0x910003E1,  # mov x1, sp
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2802088,  # mov x8, #260  (wait4)
        0xD4000001,  # svc #0
        0x394007F3,  # ldrb w19, [sp, #1]
        0xD2800060,  # mov x0, #3
        0xD2800141,  # mov x1, #10
        0x94000009,  # bl work
        0x8B130000,  # add x0, x0, x19
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD2800040,  # child: mov x0, #2
        0xD2800141,  # mov x1, #10
        0x94000003,  # bl work
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "child": 22, "work": 27},
)
"""Forks a child, which exits with work(2, 10), and exits with the sum of that and work(3, 10): 50."""

_FORKS_OFTEN: Final = _Program(
    (
        0xD2800013,  # _start: mov x19, #0
        0xD10043FF,  # sub sp, sp, #16
        0xD2800020,  # mov x0, #1
        0xA9007FE0,  # stp x0, xzr, [sp]
        0xD2800220,  # more: mov x0, #17  (SIGCHLD)
        0xD2800001,  # mov x1, #0
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800004,  # mov x4, #0
        0xD2801B88,  # mov x8, #220  (clone)
        0xD4000001,  # svc #0
        0xB4000100,  # cbz x0, child
        0xB7F80080,  # tbnz x0, #63, enough
        0x91000673,  # add x19, x19, #1
        0xF100527F,  # cmp x19, #20
        0x54FFFEA1,  # b.ne more
        0xAA1303E0,  # enough: mov x0, x19
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x910003E0,  # child: mov x0, sp
        0xD2800001,  # mov x1, #0
        0xD2800CA8,  # mov x8, #101  (nanosleep)
        0xD4000001,  # svc #0
        0xD2800000,  # mov x0, #0
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "more": 4, "enough": 16, "child": 19},
)
"""Forks children that sleep until that fails, 20 at most, and exits with their number."""

_MAPS: Final = _Program(
    (
        0x92800C60,  # _start: mov x0, #-100  (AT_FDCWD)
        0xF94007E1,  # ldr x1, [sp, #8]
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800708,  # mov x8, #56  (openat)
        0xD4000001,  # svc #0
        0xAA0003E4,  # mov x4, x0
        0xD2800000,  # mov x0, #0
        0xD2820001,  # mov x1, #0x1000
        0xD28000A2,  # mov x2, #5  (PROT_READ | PROT_EXEC)
        0xD2800043,  # mov x3, #2  (MAP_PRIVATE)
        0xD2820005,  # mov x5, #0x1000
        0xD2801BC8,  # mov x8, #222  (mmap)
        0xD4000001,  # svc #0
        0xAA0003F3,  # mov x19, x0
        0x100001C9,  # adr x9, work
        0x92402D29,  # and x9, x9, #0xfff
        0x8B130129,  # add x9, x9, x19
        0xD28000C0,  # mov x0, #6
        0xD2800141,  # mov x1, #10
        0xD63F0120,  # blr x9
        0xAA0003F4,  # mov x20, x0
        0xAA1303E0,  # mov x0, x19
        0xD2820001,  # mov x1, #0x1000
        0xD2801AE8,  # mov x8, #215  (munmap)
        0xD4000001,  # svc #0
        0xAA1403E0,  # mov x0, x20
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "work": 29},
)
"""Maps its own text a second time, calls work(6, 10) there, unmaps it and exits with what it gave: 60."""

_MAPS_SHARED: Final = _MAPS._replace(words=(*_MAPS.words[:10], 0xD2800023, *_MAPS.words[11:]))  # mov x3, #1
"""Like maps, with MAP_SHARED."""

_MAPS_TWICE: Final = _Program(
    (
        0x92800C60,  # _start: mov x0, #-100  (AT_FDCWD)
        0xF94007E1,  # ldr x1, [sp, #8]
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800708,  # mov x8, #56  (openat)
        0xD4000001,  # svc #0
        0xAA0003F5,  # mov x21, x0
        0xD2800013,  # mov x19, #0
        0xD2800014,  # mov x20, #0
        0xD2800056,  # mov x22, #2
        0xAA1303E0,  # again: mov x0, x19
        0xD2820001,  # mov x1, #0x1000
        0xD28000A2,  # mov x2, #5  (PROT_READ | PROT_EXEC)
        0xD2800043,  # mov x3, #2  (MAP_PRIVATE)
        0xAA1503E4,  # mov x4, x21
        0xD2820005,  # mov x5, #0x1000
        0xD2801BC8,  # mov x8, #222  (mmap)
        0xD4000001,  # svc #0
        0xAA0003F3,  # mov x19, x0
        0x10000209,  # adr x9, work
        0x92402D29,  # and x9, x9, #0xfff
        0x8B130129,  # add x9, x9, x19
        0xD28000C0,  # mov x0, #6
        0xD2800141,  # mov x1, #10
        0xD63F0120,  # blr x9
        0x8B000294,  # add x20, x20, x0
        0xAA1303E0,  # mov x0, x19
        0xD2820001,  # mov x1, #0x1000
        0xD2801AE8,  # mov x8, #215  (munmap)
        0xD4000001,  # svc #0
        0xF10006D6,  # subs x22, x22, #1
        0x54FFFD61,  # b.ne again
        0xAA1403E0,  # mov x0, x20
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "work": 35},
)
"""Does twice, at one address, what maps does once, and exits with the sum: 120."""

_MAPS_OFTEN: Final = _Program(
    (
        0xD2800013,  # _start: mov x19, #0
        0xD2800000,  # more: mov x0, #0
        0xD2A02001,  # mov x1, #0x1000000
        0xD2800062,  # mov x2, #3  (PROT_READ | PROT_WRITE)
        0xD2800443,  # mov x3, #0x22  (MAP_PRIVATE | MAP_ANONYMOUS)
        0x92800004,  # mov x4, #-1
        0xD2800005,  # mov x5, #0
        0xD2801BC8,  # mov x8, #222  (mmap)
        0xD4000001,  # svc #0
        0xB7F80080,  # tbnz x0, #63, enough
        0x91000673,  # add x19, x19, #1
        0xF103227F,  # cmp x19, #200
        0x54FFFEA1,  # b.ne more
        0xAA1303E0,  # enough: mov x0, x19
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "more": 1, "enough": 13},
)
"""Maps 16 MiB after 16 MiB until that fails, 200 times at most, and exits with how often it did not."""

_FORBIDS: Final = _Program(
    (
        0xD2800000,  # _start: mov x0, #0
        0xD2820001,  # mov x1, #0x1000
        0xD2800002,  # mov x2, #0  (PROT_NONE)
        0xD2800443,  # mov x3, #0x22  (MAP_PRIVATE | MAP_ANONYMOUS)
        0x92800004,  # mov x4, #-1
        0xD2800005,  # mov x5, #0
        0xD2801BC8,  # mov x8, #222  (mmap)
        0xD4000001,  # svc #0
        0xD503201F,  # mark: nop
        0xD2800000,  # mov x0, #0
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "mark": 8},
)
"""Maps a page that nobody may access, whose address its first argument register has at mark; exits with 0."""

_RANDOM: Final = _Program(
    (
        0xD10043FF,  # _start: sub sp, sp, #16
        0x910003E0,  # mov x0, sp
        0xD2800021,  # mov x1, #1
        0xD2800002,  # mov x2, #0
        0xD28022C8,  # mov x8, #278  (getrandom)
        0xD4000001,  # svc #0
        0x394003E0,  # ldrb w0, [sp]
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0},
)
"""Exits with a random byte."""

_READS: Final = _Program(
    (
        0x92800C60,  # _start: mov x0, #-100  (AT_FDCWD)
        0xF9400BE1,  # ldr x1, [sp, #16]
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800708,  # mov x8, #56  (openat)
        0xD4000001,  # svc #0
        0xB7F80120,  # tbnz x0, #63, bad
        0xD10043FF,  # sub sp, sp, #16
        0x910003E1,  # mov x1, sp
        0xD2800022,  # mov x2, #1
        0xD28007E8,  # mov x8, #63  (read)
        0xD4000001,  # svc #0
        0x394003E0,  # ldrb w0, [sp]
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD2801FE0,  # bad: mov x0, #255
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "bad": 15},
)
"""Exits with the first byte of the file that its argument names, with 255 if it cannot be opened."""

_SIGNALS: Final = _Program(
    (
        0xD100C3FF,  # _start: sub sp, sp, #48
        0x10000280,  # adr x0, handler
        0xA9007FE0,  # stp x0, xzr, [sp]
        0xA9017FFF,  # stp xzr, xzr, [sp, #16]
        0x910083F4,  # add x20, sp, #32
        0xF900029F,  # str xzr, [x20]
        0xD2800140,  # mov x0, #10  (SIGUSR1)
        0x910003E1,  # mov x1, sp
        0xD2800002,  # mov x2, #0
        0xD2800103,  # mov x3, #8
        0xD28010C8,  # mov x8, #134  (rt_sigaction)
        0xD4000001,  # svc #0
        0xD2801588,  # mov x8, #172  (getpid)
        0xD4000001,  # svc #0
        0xD2800141,  # mov x1, #10
        0xD2801028,  # mov x8, #129  (kill)
        0xD4000001,  # svc #0
        0xD503201F,  # sent: nop
        0xB9400280,  # ldr w0, [x20]
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0x52800421,  # handler: mov w1, #33
        0xD503201F,  # stored: nop
        0xB9000281,  # str w1, [x20]
        0xD2801168,  # mov x8, #139  (rt_sigreturn)
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "sent": 17, "handler": 21, "stored": 22},
)
"""Sends itself SIGUSR1, whose handler stores 33, and exits with what is stored."""

_KILLED: Final = _SIGNALS._replace(words=(*_SIGNALS.words[:11], 0xD503201F, *_SIGNALS.words[12:]))  # nop
"""Sends itself SIGUSR1, for which it has no handler."""

_STRANGE_CALL: Final = _Program(
    (
        0xD2807FE8,  # _start: mov x8, #1023
        0xD4000001,  # svc #0
        0xCB0003E0,  # neg x0, x0
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0},
)
"""Makes a system call that no kernel has, and exits with its error: 38 (ENOSYS)."""

_THREADS: Final = _Program(
    (
        0xD10043FF,  # _start: sub sp, sp, #16
        0xF90003FF,  # str xzr, [sp]
        0x910003F3,  # mov x19, sp
        0xD2800000,  # mov x0, #0
        0xD2A00021,  # mov x1, #0x10000
        0xD2800062,  # mov x2, #3  (PROT_READ | PROT_WRITE)
        0xD2800443,  # mov x3, #0x22  (MAP_PRIVATE | MAP_ANONYMOUS)
        0x92800004,  # mov x4, #-1
        0xD2800005,  # mov x5, #0
        0xD2801BC8,  # mov x8, #222  (mmap)
        0xD4000001,  # svc #0
        0x91404001,  # add x1, x0, #0x10, lsl #12
        0xD281E000,  # mov x0, #0x0f00  (CLONE_VM, _FS, _FILES, _SIGHAND)
        0xF2A000A0,  # movk x0, #0x5, lsl #16  (CLONE_THREAD, _SYSVSEM)
        0xD2800002,  # mov x2, #0
        0xD2800003,  # mov x3, #0
        0xD2800004,  # mov x4, #0
        0xD2801B88,  # mov x8, #220  (clone)
        0xD4000001,  # svc #0
        0xB4000160,  # cbz x0, thread
        0xD2800F88,  # wait: mov x8, #124  (sched_yield)
        0xD4000001,  # svc #0
        0xB9400274,  # ldr w20, [x19]
        0x34FFFFB4,  # cbz w20, wait
        0xD2800060,  # mov x0, #3
        0xD2800141,  # mov x1, #10
        0x9400000B,  # bl work
        0x8B140000,  # add x0, x0, x20
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
        0xD2800040,  # thread: mov x0, #2
        0xD2800141,  # mov x1, #10
        0x94000005,  # bl work
        0xB9000260,  # str w0, [x19]
        0xD2800000,  # mov x0, #0
        0xD2800BA8,  # mov x8, #93  (exit)
        0xD4000001,  # svc #0
        0x9B017C00,  # work: mul x0, x0, x1
        0xD65F03C0,  # ret
    ),
    {"_start": 0, "wait": 20, "thread": 30, "work": 37},
)
"""Starts a thread that stores work(2, 10), and exits with the sum of that and work(3, 10): 50."""

_TLS: Final = _Program(
    (
        0xD2800541,  # _start: mov x1, #42
        0xD51BD041,  # msr tpidr_el0, x1
        0xD503201F,  # mark: nop
        0xD53BD040,  # mrs x0, tpidr_el0
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0, "mark": 2},
)
"""Exits with what it has put into the register of its thread's own data: 42."""

_WRITES: Final = _Program(
    (
        0x92800C60,  # _start: mov x0, #-100  (AT_FDCWD)
        0xF9400BE1,  # ldr x1, [sp, #16]
        0xD2800822,  # mov x2, #0x41  (O_WRONLY | O_CREAT)
        0xD2803483,  # mov x3, #0x1a4
        0xD2800708,  # mov x8, #56  (openat)
        0xD4000001,  # svc #0
        0xD37FFC00,  # lsr x0, x0, #63
        0xD2800BC8,  # mov x8, #94
        0xD4000001,  # svc #0
    ),
    {"_start": 0},
)
"""Exits with 0 if it can create the file that its argument names, with 1 if not."""

PROGRAMS: Final = {
    "calls": _CALLS,
    "connects": _CONNECTS,
    "own_trap": _OWN_TRAP,
    "segfault": _SEGFAULT,
    "spin": _SPIN,
    "writes_own_text": _WRITES_OWN_TEXT,
    "arguments": _ARGUMENTS,
    "data": _DATA,
    "executes": _EXECUTES,
    "flags": _FLAGS,
    "forbids": _FORBIDS,
    "forks": _FORKS,
    "forks_often": _FORKS_OFTEN,
    "killed": _KILLED,
    "maps": _MAPS,
    "maps_often": _MAPS_OFTEN,
    "maps_shared": _MAPS_SHARED,
    "maps_twice": _MAPS_TWICE,
    "random": _RANDOM,
    "reads": _READS,
    "signals": _SIGNALS,
    "strange_call": _STRANGE_CALL,
    "threads": _THREADS,
    "tls": _TLS,
    "writes": _WRITES,
}
