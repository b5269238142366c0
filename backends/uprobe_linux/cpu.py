"""What user-mode Linux needs from a CPU emulator: registers, a translation callback, run until an event."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import mmap

__all__ = ("HOLE", "PAGE", "Cpu", "Event", "Fill", "OwnCalls", "Perm")

PAGE = 4096
"""Bytes in a page: 4 KiB granule, as Debian's arm64 kernel."""


class Perm(enum.IntFlag):
    """Permissions of one translation, in the bits of Linux's PROT_*."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXEC = 4


class Event(enum.IntEnum):
    """Why :meth:`Cpu.run` came back."""

    STOP = 0
    """request_stop was called."""
    SYSCALL = 1
    """SVC; PC is after it."""
    BREAK = 2
    """BRK; PC is at it."""
    UNDEFINED = 3
    """An undefined or not allowed instruction; PC is at it."""
    ALIGN = 4
    """An access that must be aligned was not, or PC is not; PC is at it."""
    FAULT = 5
    """The fill callback refused; see ``fault_address`` and ``fault_access``; PC is at the instruction."""
    HOOK = 6
    """A code hook's address is next, see ``hook_address``; PC is there."""
    SLICE = 7
    """The budget is used up."""
    IDLE = 8
    """WFI or WFE; PC is after it."""
    CALLED = 9
    """The CPU has made a system call by itself, and it is time to look who runs next; PC is after it."""
    DEAD = 10
    """The CPU met something that it cannot execute, and will run nothing any more; PC is near it."""


HOLE = -1
"""A fill callback's answer for an access that it refuses."""

Fill = Callable[[int, int], tuple[int, int]]
"""``fill(address, access)``: access is a Perm bit; answers (physical address, Perm bits) or (HOLE, 0)."""


class OwnCalls(Protocol):
    """System calls that a CPU makes by itself: what it has to know, set between runs.

    Which calls it makes and what each of these numbers means is in its ``calls/own_calls.h``.
    """

    kinds: Mapping[str, int]
    """What may be done to a descriptor, by name: bits for :meth:`file`."""
    on: bool
    counted: bool
    alone: bool
    opens_noticed: bool
    writes_watched: bool
    memory_shared: bool
    signal_files: bool
    single: bool
    hosts_shared: bool
    limit: int
    change_count: int
    passed: int
    idle: int
    monotonic: int
    realtime: int
    call_ns: int
    look_at: int
    turn_ends: int
    made: int
    missed: int
    pid: int
    tid: int
    blocked: int
    pending: int
    robust_list: int
    clear_child_tid: int
    take_turns: bool
    grace: int
    slice_end: int
    next_event: int
    chance: int
    moved: int
    maps_on: bool
    maps_live: int
    arena_next: int
    arena_end: int

    def lend(self, number: int, lent: int, masks: tuple[tuple[int, int, int, int], ...], /) -> bool:
        """What the form of call *number* may use, ``Lent`` of ``uprobe_linux.syscalls.forms`` (0: it is not
        used), and masks as of ``Mask.row``, at most two: answers whether there is a form."""
        ...

    def file(self, fd: int, host: int, kinds: int, mount: int, /) -> None:
        """Descriptor *fd* is *host*, lies in *mount* (a number) and may do *kinds*; 0: it is closed."""
        ...

    def set_cwd(self, host: int, kinds: int, mount: int, /) -> None:
        """The working directory; *kinds* 0: paths from there are not for the CPU."""
        ...

    def set_root(
        self, host: int, kinds: int, mount: int, mounted: tuple[tuple[bytes, int, int, int], ...], /
    ) -> None:
        """The root, and at or below which names something is mounted: (name, host, kinds, mount) each; those
        of one component, then the others."""
        ...

    def set_tables(self, actions: array[int], limits: array[int], /) -> None:
        """The process's dispositions of signals and resource limits, to be changed in their places."""
        ...

    def set_file_times(self, words: mmap.mmap, cuts: int, /) -> None:
        """Where times of files stand (``FileTimes.memory``), and for how many cuts there is room."""
        ...

    def take_changes(self) -> tuple[tuple[int, int, int, int, bool, bool, bytes], ...]:
        """What the program did to its descriptors: (kind, fd, host, from, is folder, close-on-exec, path).

        Kinds: 0 opened, *path* seen from descriptor *from* (-100: the working directory, -1: the root); 1
        closed; 2 duplicated *from*; 3 close-on-exec changed; 4 *fd* mapped (-1: anonymous memory), number
        *from* of :meth:`take_maps`; 5 nothing any more.
        """
        ...

    def forget_files(self) -> None:
        """Nothing is known of any descriptor."""
        ...

    def set_regions(self, pairs: bytes, lowest: int, highest: int, /) -> bool:
        """What is mapped, sorted: 64-bit words, starts and ends; where mappings may lie. Whether it fits."""
        ...

    def lend_arena(self, start: int, end: int, /) -> None:
        """A free part of the arena for mappings, in place of what is left of the last."""
        ...

    def take_maps(self) -> tuple[dict[int, tuple[Any, ...]], int, int]:
        """What was mapped and is not the CPU's any more, and start and end of the arena that it lies in.

        By number: (start, end, physical, Perm bits, the host's descriptor or -1, offset, whether the
        program's can write, whether it was read, ``HostFile.stamp``); the descriptor is ours then.
        """
        ...

    def set_threads(
        self,
        threads: tuple[tuple[Any, ...], ...],
        ready: tuple[int, ...],
        waiters: tuple[tuple[int, int, int], ...],
        /,
    ) -> None:
        """Who there is, who is ready (the first runs) and who waits at a futex, in the order they came.

        :param threads: (context and engine's task as ``Cpu.own_task`` has them, tid, blocked, pending, work
            elsewhere, work when it stopped, whether it may run without us, whether it waits at a futex) each
        :param waiters: (address, bitset, number of the thread or -1: not to be woken by the CPU) each
        """
        ...

    def take_threads(self) -> tuple[int, tuple[int, ...], tuple[Any, ...], tuple[tuple[int, int, int], ...]]:
        """(current, ready, threads, waiters).

        Of threads (waits, has begun to since the last time, blocked, work elsewhere, work when it
        stopped, arguments of the call it waits in).
        """
        ...


class Cpu(Protocol):
    """One CPU, on one physical memory (the arena, at physical address 0)."""

    fault_address: int
    """After Event.FAULT: first byte refused."""
    fault_access: int
    """After Event.FAULT: the Perm bit that was wanted."""
    hook_address: int
    survives: bool
    """Whether code that it cannot execute is Event.DEAD; False: it may end this process."""
    calls: OwnCalls | None
    """System calls that it makes by itself; None: it makes none."""
    skip_hook: int
    """Set before run: address of a hook that was delivered; not again if PC is still there."""

    def own_task(self, task: Any) -> tuple[int, int | None]:
        """The context and the engine's task that ``OwnCalls.set_threads`` is to be told of *task*.

        The latter None: the CPU must not switch to it by itself.
        """
        ...

    def ran(self, task: Any) -> None:
        """The CPU has switched to *task* by itself."""
        ...

    @property
    def executed(self) -> int:
        """Instructions executed so far: all before PC, or in a hook before the one that it is about.

        What a probe adds counts nothing: a displaced instruction is one instruction.
        """
        ...

    def retire(self, instructions: int) -> None:
        """Between runs: so many instructions more were executed, by others."""
        ...

    def get_reg(self, index: int) -> int:
        """x0-x30, 31 SP, 32 PC, 33 PSTATE (NZCV and BTYPE)."""
        ...

    def set_reg(self, index: int, value: int) -> None:
        """Write a register of the same numbering."""
        ...

    def get_vec(self, index: int) -> int:
        """128-bit vector register 0-31."""
        ...

    def set_vec(self, index: int, value: int) -> None:
        """Write a vector register."""
        ...

    def get_system(self, name: str) -> int:
        """One of "tpidr", "fpsr" and "fpcr"."""
        ...

    def set_system(self, name: str, value: int) -> None:
        """Write one of them."""
        ...

    def syscall_registers(self) -> tuple[int, ...]:
        """(x0, x1, x2, x3, x4, x5, x8) in one go."""
        ...

    def save(self) -> object:
        """A copy of all registers; opaque, to be given to restore."""
        ...

    def copy(self, context: object) -> object:
        """An independent copy of a saved copy."""
        ...

    def reset(self) -> None:
        """All registers as they were at the start: zero."""
        ...

    def restore(self, context: object) -> None:
        """Load a copy; clears the exclusive monitor."""
        ...

    def saved_reg(self, context: object, index: int) -> int:
        """Register *index* of a saved copy."""
        ...

    def set_saved_reg(self, context: object, index: int, value: int) -> None:
        """Write a register of a saved copy."""
        ...

    def saved_vec(self, context: object, index: int) -> int:
        """Vector register *index* of a saved copy."""
        ...

    def set_saved_vec(self, context: object, index: int, value: int) -> None:
        """Write a vector register of a saved copy."""
        ...

    def saved_system(self, context: object, name: str) -> int:
        """get_system of a saved copy."""
        ...

    def set_saved_system(self, context: object, name: str, value: int) -> None:
        """set_system of a saved copy."""
        ...

    def run(self, budget: int = 0) -> Event:
        """Run from PC until an event.

        :param budget: then end with Event.SLICE behind the first branch, taken or not, at which more
            than so many instructions were executed, which may be negative; 0: no limit
        """
        ...

    def request_stop(self, *, final: bool = False) -> None:
        """Make run come back soon; from any thread.

        :param final: the program will not go on, so it may stop anywhere
        """
        ...

    def watch(self, end: int, quiet: tuple[int, ...], final: tuple[int, ...], deadly: int) -> bool:
        """From a thread of the CPU's own, request a stop when a descriptor is readable.

        :param end: ends the thread
        :param quiet: the program goes on after the stop
        :param final: the stop is final
        :param deadly: when it is readable, this process is killed; 0: none
        :returns: False if the CPU has no such thread; the caller then has one of its own
        """
        ...

    def unwatch(self) -> None:
        """Wait for the thread of watch, whose *end* is readable; nothing if there is none."""
        ...

    def was_rung(self) -> bool:
        """Whether the thread of watch saw something since the last call."""
        ...

    def set_fill(self, fill: Fill) -> None:
        """The translation callback from now on; what another one has answered is forgotten."""
        ...

    def flush(self, start: int = 0, end: int = 1 << 64) -> None:
        """Forget translations of the addresses in [start, end) (not of instructions), and perhaps more."""
        ...

    def make_stores(self, page: int, physical: int, watched: frozenset[tuple[int, int]]) -> None:
        """The CPU may make stores to *page*, which is at *physical* and refused to it, without an event.

        Those that change nothing of *watched*, [start, end) each; until *page* is flushed.
        """
        ...

    def forget_code(self, physical: int, size: int) -> None:
        """Forget translated instructions of physical [physical, physical + size)."""
        ...

    def unsafe_offsets(self, code: bytes | memoryview) -> list[int]:
        """Byte offsets of words in *code* that would end the host process if this CPU met them."""
        ...

    def add_hook(self, address: int) -> None:
        """Stop with Event.HOOK (or call the inline callback) before each execution at *address*."""
        ...

    def remove_hook(self, address: int) -> None:
        """Undo add_hook."""
        ...

    def set_inline(self, callback: Callable[[int], bool]) -> None:
        """Called inside a hook with its address; answers whether to stop with Event.HOOK as well."""
        ...

    def watch_code(self) -> None:
        """Count blocks of code that are executed, from now on."""
        ...

    def take_code(self, start: int = 0, end: int = (1 << 64) - 1) -> list[tuple[int, int, int]]:
        """Of those that begin in [start, end): start, bytes, how often executed since the last call."""
        ...

    def sample(self, every: int, take: Callable[[int, int], None]) -> None:
        """Call *take* before each instruction whose number is a multiple of *every*, from now on; 0: no more.

        With the start of the block that the task is at, and the address of the instruction, which is in it.
        Registers are those of the start; *take* leaves the task alone.
        """
        ...

    def look_for_sample(self, address: int) -> None:
        """Between runs: the instruction at *address*, which the task is at, is done elsewhere."""
        ...

    def hold_samples(self, on: bool) -> None:
        """Between runs: none are taken as long as this is on, since what runs was looked at."""
        ...

    def close(self) -> None:
        """Give everything back; idempotent."""
        ...
