"""Hooks in C for one emulator (glue/)."""

import mmap
from array import array
from collections.abc import Callable, Mapping
from typing import Any

ABI: int

def aborting_offsets(code: bytes | memoryview, /) -> list[int]:
    """As :func:`uprobe_unicorn.aborting_words.aborting_offsets`, a hundred times as fast."""

def area_size(slots: int, /) -> int:
    """Bytes of a slot area, whole pages."""

def guard_pages() -> int:
    """Pages of guest memory in this process that a file showed until it was made shorter at that moment."""

def relocate(word: int, source: int, target: int, /) -> bytes:
    """What does at *target* what *word* does at *source*, branch back included; b"": nothing can."""

class Calls:
    """System calls that are made in C (calls/): uprobe_linux.cpu.OwnCalls."""

    kinds: Mapping[str, int]
    on: bool
    counted: bool
    clock_is_host: bool
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
    def lend(self, number: int, lent: int, masks: tuple[tuple[int, int, int, int], ...], /) -> bool: ...
    take_turns: bool
    grace: int
    slice_end: int
    next_event: int
    chance: int
    moved: int
    def file(self, fd: int, host: int, kinds: int, mount: int, /) -> None: ...
    def set_cwd(self, host: int, kinds: int, mount: int, /) -> None: ...
    def set_root(
        self, host: int, kinds: int, mount: int, mounted: tuple[tuple[bytes, int, int, int], ...], /
    ) -> None: ...
    def set_tables(self, actions: array[int], limits: array[int], /) -> None: ...
    def set_file_times(self, words: mmap.mmap, cuts: int, /) -> None: ...
    def take_changes(self) -> tuple[tuple[int, int, int, int, bool, bool, bytes], ...]: ...
    def forget_files(self) -> None: ...
    maps_on: bool
    maps_live: int
    arena_next: int
    arena_end: int
    def set_regions(self, pairs: bytes, lowest: int, highest: int, /) -> bool: ...
    def lend_arena(self, start: int, end: int, /) -> None: ...
    def take_maps(self) -> tuple[dict[int, tuple[Any, ...]], int, int]: ...
    def set_threads(
        self,
        threads: tuple[tuple[Any, ...], ...],
        ready: tuple[int, ...],
        waiters: tuple[tuple[int, int, int], ...],
        /,
    ) -> None: ...
    def take_threads(
        self,
    ) -> tuple[int, tuple[int, ...], tuple[Any, ...], tuple[tuple[int, int, int], ...]]: ...

class Glue:
    """The hooks of one emulator.

    :param functions: addresses of uc_hook_add, uc_hook_del, uc_reg_read, uc_reg_write,
        uc_emu_start, uc_emu_stop, uc_ctl, uc_context_save, uc_context_restore, uc_context_reg_write
    :param handle: the uc_engine
    :param fill: ``fill(address, access) -> (physical or < 0, Perm bits)``
    :param inline: ``inline(address) -> bool``: a code hook of Python's; whether to stop
    """

    event: int
    interrupt: int
    hook_address: int
    forgetting: bool
    refused: int
    refused_page: int
    executed: int
    """Instructions executed, up to where we look."""
    clock: int
    """What the engine's clock shows less executed instructions, while guest code runs."""
    uncounted: int
    """Translated blocks that shortcuts do not know how to count: 0."""
    stop: bool
    @property
    def no_shortcuts(self) -> str:
        """Why translated code takes no shortcuts, "" if it does."""
    @property
    def python_hook(self) -> tuple[int, int]: ...
    def __new__(
        cls,
        functions: tuple[int, ...],
        handle: int,
        arena: int,
        arena_size: int,
        fill: Callable[[int, int], tuple[int, int]],
        inline: Callable[[int], bool],
        /,
    ) -> Glue: ...
    def run(self, pc: int, skip: int, skips: int, target: int, /) -> int:
        """Run from *pc* until an event; where *pc* is *skip*, pass its hooks (*skips* of Python's) first.

        Ends behind the first branch at which :attr:`executed` exceeds *target*. Returns uc_err.
        """
    def make_calls(self, calls: Calls, /) -> None:
        """Make what system calls can be made without an event, by what *calls* says."""
    def get_reg(self, index: int, /) -> int:
        """x0-x30, 31 SP, 32 PC."""
    def set_result(self, value: int, /) -> None:
        """Write x0."""
    def call_registers(self) -> tuple[int, ...]:
        """(x0, x1, x2, x3, x4, x5, x8)."""
    def request_stop(self) -> None: ...
    rung: bool
    def watch(self, end: int, quiet: tuple[int, ...], final: tuple[int, ...], deadly: int, /) -> None:
        """Start a thread that asks the run to stop, or to end, when one of the descriptors is readable.

        When *deadly* is, which is 0 for none, the process is killed.
        """
    def unwatch(self) -> None:
        """Wait for that thread; its *end* is readable."""
    def settle(self, executed: int, /) -> None:
        """Between runs: so many instructions were executed."""
    def add_data(self, start: int, end: int, physical: int, perms: int, /) -> None: ...
    def add_code(self, start: int, end: int, physical: int, perms: int, /) -> None: ...
    def drop(self, start: int, end: int, kinds: int, /) -> None:
        """Forget translations of [start, end); *kinds*: 1 data, 2 code, 3 both."""
    def make_stores(self, page: int, physical: int, watched: tuple[tuple[int, int], ...], /) -> bool:
        """Make refused stores to *page* that change nothing of *watched*, until it is flushed.

        False: they stay Python's.
        """
    def flush(self, start: int, end: int, /) -> None:
        """Forget translations of [start, end), here and in the emulator."""
    def forget_code(self, start: int, end: int, /) -> None: ...
    def find_registers(self) -> bool:
        """Read registers in place from now on, if they can be found; before anything runs."""
    def connect(self, engine: Any, pointer: int, api: object, /) -> None: ...
    def add_place(self, address: int, site: int, watched: bool, /) -> int: ...
    def set_place(self, place: int, site: int, watched: bool, /) -> bool:
        """Change what a place is for; returns whether code translated before must be forgotten."""
    def hook(self, place: int, python: bool, /) -> int:
        """Deliver the place by a hook; returns uc_err.

        :param python: whether Python has a code hook at the same address
        """
    def note_python(self, address: int, present: bool, /) -> None:
        """Python has, or no longer has, a code hook at *address*, which is called after the place's own."""
    def slot(self, place: int, area: int, word: int, /) -> int:
        """Give the place a slot in the area at *area*; returns its entry, 0 if there can be none."""
    def trap(self, place: int, steps: bool, /) -> None:
        """A breakpoint is at the place, and what its slot cannot do (or there is none) the core does.

        :param steps: out of line, in its area, which has to be there before the slot is used
        """
    def forget(self, place: int, /) -> None: ...
    def add_area(self, start: int, physical: int, slots: int, /) -> None: ...
    def remove_area(self, start: int, /) -> None: ...
    def begin_samples(self, every: int, site: int, sample: Callable[[int, int], None], /) -> None:
        """After each *every* instructions, of which 0 ends it, hit *site*, or if that is 0 call *sample*.

        It is called with the start of the block that the task is at, and the address of the instruction.
        """
    def look_for_sample(self, address: int, /) -> None:
        """The instruction at *address*, which the task is at, is done elsewhere: it may be one to sample."""
    def hold_samples(self, on: bool, /) -> None:
        """Take none as long as this is on."""
    def watch_code(self) -> None:
        """Count blocks of code that are executed."""
    def take_code(self, start: int, end: int, /) -> bytes:
        """Of blocks that begin in [start, end) start, size in bytes, how often executed since the last call.

        Three 64-bit numbers for each.
        """
    def take_wanted(self) -> list[int]:
        """Return addresses that are to be watched from now on."""
    def close(self) -> None: ...
