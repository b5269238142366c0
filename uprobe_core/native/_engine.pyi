"""The native engine (c/): what happens at a hit, without Python.

Objects are made by number and live until their Engine does.  Packed arguments
are those of :mod:`uprobe_core.native.packing`; ValueError says that
something has no native form.
"""

from collections.abc import Callable, Sequence
from typing import Any

API: object
"""The functions that a backend's glue calls (c/api.h)."""
ABI: int
"""Number of the layout; :func:`uprobe_core.native_backend.abi` must agree."""
# The numbers of the C headers (c/python/module_numbers.c), for all that packs and unpacks.
MAX_PROBES: int
MAX_SLOWEST: int
MAX_KEY: int
MAX_RECORD: int
MAX_STACK: int
ACTION_COUNT: int
ACTION_SUM: int
ACTION_HIST: int
ACTION_RECORD: int
ACTION_CALL: int
ACTION_SUMMARY: int
ACTION_GRAPH: int
HIST_LOG2: int
HIST_LINEAR: int
HIST_SUB: int
FIELD_ARG: int
FIELD_PID: int
FIELD_TID: int
FIELD_COMM: int
FIELD_ADDRESS: int
FIELD_LATENCY: int
FIELD_PC: int
FIELD_ZERO: int
FIELD_STACK: int
FIELD_TEXT_SIZE: int
COMPARE_EQ: int
COMPARE_NE: int
COMPARE_LT: int
COMPARE_LE: int
COMPARE_GT: int
COMPARE_GE: int
COMPARE_AND: int
COMPARE_TEXT_EQ: int
COMPARE_TEXT_HEAD: int
COMPARE_TEXT_TAIL: int
COMPARE_TEXT_INSIDE: int
COMPARE_TEXT_GLOB: int
VOTE_KEEP: int
VOTE_REMOVE: int
VOTE_IGNORE: int
VOTES_ALL: int
VOTES_ALONE: int
VOTES_PAIR: int
OPS: dict[str, int]
"""Operations of fetch programs by the names of :class:`uprobe_core.event_model.OpCode`."""
MISSED: tuple[str, ...]
"""Why a call is not seen to return, by number."""
NO_REGISTER: int
NO_TEXT: int
"""In place of a string that could not be read."""
OP_LAYOUT: str
"""Layouts are those of :mod:`struct`."""
ARG_LAYOUT: str
FIELD_LAYOUT: str
TEST_LAYOUT: str
RECORD_LAYOUT: str

def end_in(seconds: float, status: int, text: str, /) -> None:
    """End the process with *status* in so many seconds, unless called again, and *text* on standard error."""

def end_after(signal: int, times: int, seconds: float, status: int, /) -> bool:
    """Do so, with *status*, once *signal* has come so often; False: it has no handler yet."""

def end_never() -> None:
    """Not any more."""

def last_words(asked: Callable[[int], None] | None, /) -> None:
    """Have *asked* called when this thread is about to end the process: with a signal's number, 0: exit()."""

class Engine:
    """Sites, programs, filters, counters, histograms, pending returns, and the ring of records.

    Its buffer is the used part of the ring.

    :param fault_type: the exception that memory raises, with the faulting ``address``
    :param ring_size: bytes
    :param registers: what ``pack_registers`` of uprobe_core.native.packing gives
    """

    now: int
    work: int
    host_clock: bool
    vote: int
    hijack: bool
    trampoline: int
    depth: int
    user_end: int
    hits: int
    @property
    def inside(self) -> int: ...
    @property
    def returning(self) -> int: ...
    dropped: int
    @property
    def records(self) -> int: ...
    @property
    def pointer(self) -> int: ...
    def __new__(cls, fault_type: type[Exception], ring_size: int, registers: tuple[int, ...]) -> Engine: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def fetch(
        self, program: bytes, room: int, hit: Any, address: int, offset: int, latency: int, insns: int, /
    ) -> tuple[bytes, bytes]:
        """Run one program on the registers and memory of *hit*; returns (cells, text)."""
    def add_probe(
        self,
        program: bytes,
        room: int,
        capture: bytes,
        capture_room: int,
        is_return: bool,
        chain: int = ...,
        votes: int = ...,
        /,
    ) -> int:
        """A probe with its arguments and what it captures at entry.

        :param capture: of an entry event *program* itself, or nothing: its values at the return
        :param capture_room: bytes that captured strings may take
        :param chain: its functions in Python, -1: none
        :param votes: whom they speak for (VOTES_...)
        """
    def set_probe(
        self,
        probe: int,
        enabled: bool,
        wants_returns: bool,
        entry_actions: Sequence[int],
        return_actions: Sequence[int],
        tests: bytes,
        texts: bytes,
        /,
    ) -> None:
        """What *probe* does from now on."""
    def take_probe(self, probe: int, /) -> tuple[int, ...]:
        """(hits, entries, returns, missed for each reason of MISSED) since the last time."""
    def add_action(
        self,
        probe: int,
        kind: int,
        hist: int,
        parameter: int,
        sink: int,
        keys: bytes,
        value: bytes,
        tests: bytes,
        texts: bytes,
        /,
    ) -> int:
        """An action over the arguments of *probe*."""
    def take_action(self, action: int, /) -> tuple[int, int, list[tuple[int, bytes, int, bytes | None, int]]]:
        """(total, lost, [(order of first sight, key, count, struct up_stat, longest)]) since last time."""
    def limit_keys(self, action: int, limit: int, /) -> None:
        """Keys that *action* may hold; hits with others are lost, and counted."""
    def keep_slowest(self, action: int, calls: int, depth: int, /) -> None:
        """*action*, a histogram of latencies, writes records of the slowest *calls* to its sink.

        Behind the cells of such a record lie as words its latency and the numbers of at most
        *depth* frames, with how many they are before them.
        """
    def follow_paths(self, limit: int, /) -> None:
        """Calls know the paths of calls that they are in from now on, at most *limit* different ones."""
    def path(self, number: int, /) -> list[int]:
        """The places of a path, the innermost first."""
    def add_site(self, address: int, offset: int, probes: Sequence[int], place: int = ..., /) -> int:
        """A probed address.

        :param place: a number that its function has in every process, for paths
        """
    def site_pointer(self, site: int, /) -> int:
        """Address of the site, for glue."""
    def hit(self, site: int, hit: Any, /) -> int | None:
        """The task of *hit* reached *site*; returns an address that has to be watched for the return."""
    def return_hit(self, address: int, hit: Any, /) -> None:
        """The task of *hit* reached a watched address."""
    def set_task(self, task: int, pid: int, tid: int, who: int, comm: bytes, /) -> int:
        """A new task (*task* < 0), or new names for one; returns its number."""
    def task_pointer(self, task: int, /) -> int:
        """The address that a glue knows the task by."""
    def run_task(self, task: int, /) -> None:
        """*task* is the one whose hits follow."""
    def end_task(self, task: int, reason: int, /) -> None:
        """Its pending returns are missed: 0 longjmp, 1 exec, 2 exit."""
    def inherit(self, task: int, parent: int, /) -> None:
        """*task* is a copy of *parent* and will return from the same calls."""
    def trampoline_hit(self, hit: Any, /) -> bool:
        """The task of *hit* reached the trampoline; whether a call of it was pending."""
    def add_chain(self, enter: int, leave: int, missed: Callable[[int, int], Any] | None, /) -> int:
        """Handlers (by number, < 0: none) for a call's beginning and return, and what is told of its loss.

        ``leave`` finds the cookie that ``enter`` left in its hit.
        """
    def drop_chain(self, chain: int, /) -> None:
        """None of its functions is called any more."""
    def set_outside(self, vote_out: Callable[[int], None], trampoline: Callable[[], int], /) -> None:
        """*vote_out* is called with the address of a site that all its probes voted out; *trampoline*
        for the address that hijacked returns of the running task come to."""
    def set_stacks(
        self,
        find: Callable[[int, int], bytes],
        walk: Callable[[int, int], bytes],
        frames: list[Any],
        count: int,
        sp: int,
        code_mask: int,
        /,
    ) -> None:
        """How stacks are walked: *find* (pc, whether it is a return address) gives a packed struct
        up_step and its struct up_saved, *walk* (pc, depth) the numbers of all frames."""
    def forget_steps(self) -> None:
        """Something was mapped or unmapped: *find* is asked for everything again."""
    def stack(self, depth: int, /) -> tuple[Any, ...]:
        """At most *depth* frames of the hit whose handler runs."""
    def real_return(self, sp: int, /) -> int | None:
        """Where the function that the running task entered with *sp* returns to, if that was hijacked."""
    def awaited(self) -> list[int]:
        """The return addresses of all calls of any task that have not returned."""
    def pending(self, probe: int, /) -> int:
        """How many returns of *probe* the running task is waiting for."""
    def tell(self, who: int, /) -> int:
        """Of the ns of the returning call those that *who* had not counted at returns in it; he has now."""
    def see_jumps(self, seen: bool, /) -> None:
        """Whether it is told of all longjmps of the running task's process, from now on."""
    def jumped(self) -> None:
        """The running task is about to jump (longjmp)."""
    def raised(self, sp: int, /) -> None:
        """The running task has raised an exception; where that lands SP is higher than *sp*."""
    def unwound(self, lowest: int, highest: int, /) -> None:
        """An exception ended the running task's calls entered with SP in [*lowest*, *highest*]."""
    def reset_ring(self) -> None:
        """Forget the records; BufferError while a view is in use."""
    def set_drain(self, function: Callable[[], None], /) -> None:
        """Called when the ring is full; it has to read the records and call reset_ring."""
    def keep_last(self, limit: int, /) -> None:
        """Keep the last *limit* records and count those that made room; 0: lose nothing."""
    def add_handler(self, function: Callable[[Any], Any], hit: Any, /) -> int:
        """A Python handler and the hit object that it is called with; returns the sink of its action."""
    def set_outcome(self, function: Callable[[int, Any], None], /) -> None:
        """Called with (sink, exception) when a handler raised, with (sink, result) when it is not None."""
    def register(self, index: int, /) -> int:
        """A register of the hit that is being handled."""
    def values(self) -> tuple[bytes, bytes]:
        """(cells, text) of the hit that is being handled."""
