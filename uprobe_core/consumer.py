"""The consumer contract: what third parties write to do something with a hit.

Two ways in.  A *consumer object* has ``handler(hit)`` and/or
``ret_handler(hit)`` and is called for each hit of the probes it was given to.
A *consumer plugin*, an entry point in ``uprobe.consumers``, is chosen by name
(``-C NAME:key=value``) and makes such objects, one for each event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from uprobe_core.frame import Frame, checked_depth

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.backend import Process, Task
    from uprobe_core.executed_code import CodeFile

__all__ = (
    "Consumer",
    "ConsumerContext",
    "ConsumerPlugin",
    "EntryState",
    "EventInfo",
    "Frame",
    "Hit",
    "Report",
    "ReturnHit",
)


@dataclass(slots=True)
class EntryState:
    """What an event remembers of a call between its entry and its return.

    :param timestamp: the task's clock at entry, nanoseconds
    :param values: what the event's entry_args gave at entry (``$entry``, ``$argN`` of a return event)
    :param work: how many instructions the task had executed
    :param args: an entry event's own arguments at entry, None: nobody looks at them at the return
    :param cookies: what each of the event's consumers left in its hit's cookie
    """

    timestamp: int
    values: tuple[Any, ...] = ()
    cookies: list[Any] = field(default_factory=list)
    work: int = 0
    args: tuple[Any, ...] | None = None


class Hit:
    """One hit, alive only during the handler call; registers and memory are read when asked for.

    :ivar task: the task that hit
    :ivar address: the probed address (%pc of an entry hit)
    :ivar registers: what the architecture's registers are called, and which is what
    :ivar event: the event's description, None for a bare probe
    :ivar cookie: anything; what an entry handler leaves here its return handler finds again
    """

    __slots__ = (
        "_time",
        "_values",
        "address",
        "cookie",
        "entry",
        "event",
        "jumps",
        "probe_offset",
        "registers",
        "task",
        "unwind",
    )

    def __init__(self, task: Task, address: int, probe_offset: int, registers: Registers) -> None:
        self.task = task
        self.registers = registers
        self.address, self.probe_offset, self.jumps = address, probe_offset, 0
        self.event: EventInfo | None = None
        self.cookie: Any = None
        self.entry: EntryState | None = None
        self._time: int | None = None
        self._values: tuple[Any, ...] | None = None
        self.unwind: Callable[[Task, int], tuple[Frame, ...]] | None = None
        """What :meth:`stack` asks; the core sets it."""

    def __repr__(self) -> str:
        """With the arguments, if they have been fetched: the program may have gone on, or be gone."""
        known = "" if self._values is None else f": {dict(self.args)}"
        return f"<hit of {self.event.name if self.event else 'a probe'} at {self.address:#x}{known}>"

    @property
    def entry_values(self) -> tuple[Any, ...]:
        """What the event captured when the returning function was entered; empty at an entry."""
        return () if self.entry is None else self.entry.values

    @property
    def latency_ns(self) -> int:
        """Nanoseconds since the returning function was entered, 0 at an entry."""
        return 0 if self.entry is None else self.timestamp - self.entry.timestamp

    @property
    def insns(self) -> int:
        """Instructions that the task has executed since the returning function was entered, 0 at an entry."""
        return 0 if self.entry is None else self.task.work() - self.entry.work

    @property
    def own_ns(self) -> int:
        """Of the latency what was not in other calls that the run follows; 0 at an entry."""
        return 0

    def once_ns(self, who: object) -> int:
        """Of the latency what *who* has not been told of at returns of the same function in the call."""
        return self.latency_ns

    @property
    def process(self) -> Process:
        """The address space of the task."""
        return self.task.process

    @property
    def pid(self) -> int:
        """The guest's process id (tgid)."""
        return self.task.process.pid

    @property
    def tid(self) -> int:
        """The guest's thread id."""
        return self.task.tid

    @property
    def comm(self) -> str:
        """The task's name."""
        return self.task.comm

    @property
    def timestamp(self) -> int:
        """Nanoseconds on the run's clock, the same for all events of one hit."""
        if self._time is None:
            self._time = self.task.clock()
        return self._time

    def reg(self, register: int | str) -> int:
        """A register by its name in the fetch language (``"lr"``) or by the architecture's number.

        Raises UsageError for a name that no register has.
        """
        if isinstance(register, str):
            register = self.registers.number(register)
        return self.task.get_reg(register)

    @property
    def sp(self) -> int:
        """The stack pointer."""
        return self.reg(self.registers.sp)

    def read(self, address: int, size: int) -> bytes:
        """*size* bytes of guest memory from *address*; raises MemoryFault."""
        return self.task.process.read(address, size)

    def stack(self, depth: int = 128) -> tuple[Frame, ...]:
        """The user stack, at most *depth* frames: where the task is, then return addresses, outwards.

        By unwind information wherever there is any, through signal handlers,
        else by the function's first instructions and frame pointers.  It ends
        where no caller is known.  Of a return the first frame is where it went.
        A hit without a session has one frame.  Raises UsageError for a *depth* that is not 1 to 1024.
        """
        return self._frames(checked_depth(depth))

    def _frames(self, depth: int) -> tuple[Frame, ...]:
        if self.unwind is None:
            return (Frame(getattr(self, "return_address", self.address)),)
        return self.unwind(self.task, depth)

    @property
    def args(self) -> Mapping[str, Any]:
        """The event's fetched arguments by name; empty for a bare probe."""
        return {} if self.event is None else dict(zip(self.event.names, self.values, strict=True))

    @property
    def values(self) -> tuple[Any, ...]:
        """The event's fetched arguments in order, fetched once per hit on first use.

        At the return of an entry event they are those of the entry.
        """
        if self._values is None:
            self._values = () if self.event is None else self.event.fetch(self)
        return self._values


class ReturnHit(Hit):
    """A function's return; PC is the return address already.

    :ivar function: address of the function that returned, the probed address
    :ivar return_address: where it returned to
    :ivar cookie: what the same consumer's entry handler left in its hit's cookie
    :ivar inside_ns: how much of the latency was in calls of its own that the run follows
    """

    __slots__ = ("around", "function", "inside_ns", "return_address", "tell")

    def __init__(
        self,
        task: Task,
        function: int,
        return_address: int,
        probe_offset: int,
        cookie: Any,
        registers: Registers,
    ) -> None:
        super().__init__(task, function, probe_offset, registers)
        self.function = function
        self.return_address = return_address
        self.cookie = cookie
        self.inside_ns = 0
        self.around: Callable[[], tuple[tuple[str, ...], ...]] = tuple
        self.tell: Callable[[object, int], int] = lambda _who, latency: latency

    @property
    def own_ns(self) -> int:
        """Of the latency what was not in calls that the function made and that the run follows."""
        return max(self.latency_ns - self.inside_ns, 0)

    def once_ns(self, who: object) -> int:
        """Of the latency what *who* has not been told of at returns of the same function in the call."""
        return self.tell(who, self.latency_ns)


class EventInfo(Protocol):
    """What a consumer may know of the event that it serves; nothing of it can be changed."""

    @property
    def group(self) -> str:
        """Its group, "uprobes" if the line named none."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def full_name(self) -> str:
        """``GROUP/NAME``."""
        ...

    @property
    def readable(self) -> str:
        """``GROUP/`` and what tables call it: its place as the source has it, where nobody named it."""
        ...

    @property
    def is_return(self) -> bool:
        """Whether its hits are a function's returns."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """What its arguments are called, in order."""
        ...

    @property
    def types(self) -> Sequence[str]:
        """The types of its arguments, as one writes them: ``u64``, ``string``, ``u8[4]``."""
        ...

    @property
    def path(self) -> str:
        """The probed file, as the line has it; "" for an event without a place."""
        ...

    @property
    def symbol(self) -> str:
        """What the line says of the place (``work``, ``main+8``, ``f.c:12``); "" if it has an offset."""
        ...

    @property
    def offset(self) -> int:
        """The offset of the (first) probed instruction in the file, in bytes."""
        ...

    def fetch(self, hit: Hit) -> tuple[Any, ...]:
        """Run the event's fetch program for *hit*; unreadable numbers are 0, unreadable strings None."""
        ...


@runtime_checkable
class Consumer(Protocol):
    """Something that is called on hits.

    Only ``name`` is required.  The optional methods, looked up once when the
    consumer is registered:

    ``handler(hit: Hit) -> HandlerVote | None``
        called at each entry hit, in the order in which consumers were added; of a return event at
        the entry of its function, where what the event fetches is not there yet;
    ``ret_handler(hit: ReturnHit) -> None``
        called at each return; if there is a handler too, only for calls whose
        handler ran and did not vote IGNORE or REMOVE (a *session*);
    ``missed(function: int, reason: str) -> None``
        called when an entry will never be seen to return: "longjmp",
        "exception", "depth", "exec", "exit", "no-caller", "no-memory";
    ``filter(process) -> bool``
        called when a probe is about to be placed in a process (at mappings, after
        a fork, when consumers come and go), when it is about to be removed, and
        before each call of the others; False: this consumer wants nothing of
        *process*, and a place that no consumer wants is not probed there.  It
        makes the event's hits go through Python;
    ``start() -> None``
        called once, before the program's first instruction (or when it is attached, if that is later);
    ``fork() -> None``
        called in each process that the program forks, before anything runs there:
        the consumer is a copy of the one in the other process, and forgets what that one has found;
    ``exec(process) -> None``
        called when *process* is about to execute another program;
    ``finish() -> state``
        called once in every process, when it ends; in a forked one what it returns,
        which can be pickled, is what was found there;
    ``merge(state) -> None``
        called in the session's own process with each such state, in the order in which
        the processes ended (on the run's clock), before its own ``finish`` and all reports.
        A consumer without ``merge`` sees no hits of forked processes, and the session
        says how many those were; ``merge = None`` says that it keeps nothing;
    ``writes_records = True``
        an attribute: handing each hit to ``ConsumerContext.record`` is all that
        the handlers do, so a native engine writes the records without calling them.
    """

    name: str


class Report(Protocol):
    """What a consumer found, for the end of a run.

    An optional ``fitted(columns: int) -> str`` gives the lines for a terminal that is so wide.
    """

    title: str

    def as_text(self) -> str:
        """Lines for people, each ended by a newline."""
        ...

    def as_json(self) -> Any:
        """The same as plain JSON data."""
        ...


class ConsumerContext(Protocol):
    """What the session offers to a consumer plugin."""

    def emit(self, text: str) -> None:
        """Write one whole line to the run's output, in order with everything else."""
        ...

    def record(self, hit: Hit, event: EventInfo) -> None:
        """Hand a hit with its fetched values to the run's writer."""
        ...

    def name_of(self, address: int) -> str:
        """``symbol+0x8``, ``[file+0x12]``, or "" if nothing is or was mapped at *address*.

        A :class:`Frame` of a stack knows its name by itself.
        """
        ...

    def code(self, patterns: Sequence[str] = ()) -> Sequence[CodeFile]:
        """The code that was executed, once the run is over; for plugins with ``wants_code = True``.

        :param patterns: of which files: globs of paths or names; none: of the program itself
        """
        ...


@runtime_checkable
class ConsumerPlugin(Protocol):
    """A consumer type: a class taking ``(options: Mapping[str, str])``, in ``uprobe.consumers``.

    It raises :class:`~uprobe_core.errors.UsageError` for an unknown or bad option.  An optional
    attribute ``event_lines`` names events without a place (``s:openat``, ``i:10000``) that it
    brings along; then it is attached to these alone, unless the user says which event it is for.
    An optional method ``begin(context)`` is called once before the run, whatever it is attached to.
    """

    name: str

    def attach(self, event: EventInfo, context: ConsumerContext) -> Any:
        """Return the consumer or action for *event*; called once for each event, before the run."""
        ...

    def report(self) -> Report | None:
        """What was found; called once, after the run.  None: nothing to print.

        With ``reports_often = True``, an attribute, it is called during the run as well (``--interval``).
        """
        ...
