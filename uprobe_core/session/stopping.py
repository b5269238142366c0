"""``--stop-at``, ``--gdb`` and ``--repl``: a run that stands still at a hit, for somebody to look at."""

from __future__ import annotations

import os
import re
import select
import shlex
import socket
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from uprobe_core.control.doors import Door, SocketFiles
from uprobe_core.debugging.copies import Forge
from uprobe_core.debugging.debugger import Debugger
from uprobe_core.debugging.files import GuestFileReader
from uprobe_core.debugging.history import History
from uprobe_core.debugging.journal import Journal
from uprobe_core.debugging.line import Gone, Line
from uprobe_core.debugging.stub import Stub
from uprobe_core.errors import BackendError, UsageError
from uprobe_core.run_setup import EventLine
from uprobe_core.session.choices import refuse_two_stops

if TYPE_CHECKING:
    from uprobe_core.backend import ExitStatus, Machine, Task
    from uprobe_core.consumer import Hit
    from uprobe_core.debugging.orders import Client
    from uprobe_core.debugging.prompt import Prompt
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.pauses import Pauses
    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import RunSetup
    from uprobe_core.session.interrupts import Interrupts
    from uprobe_core.session.stacks import RunStacks
    from uprobe_core.tracing.event import Event
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Stopping",)

_NUMBER = re.compile(r"[1-9][0-9]*")
_LOOK_MILLISECONDS = 200


class _Stoppable(Protocol):
    """What of a session is used here (a PreparedSession)."""

    setup: RunSetup
    events: EventSet
    files: GuestFiles
    spool: Spool
    arch: ArchOps
    stacks: RunStacks

    @property
    def private_folder(self) -> str:
        """Its own folder."""
        ...

    @property
    def interrupts(self) -> Interrupts | None:
        """What ends it from outside."""
        ...

    def attach(self, event: Event, consumer: object) -> None:
        """Attach *consumer* to *event*."""
        ...

    def warn(self, text: str) -> None:
        """Tell the user once."""
        ...

    def written_to(self) -> list[int]:
        """What it writes to."""
        ...

    def forget_helpers(self) -> None:
        """In a copy of its process."""
        ...


class _Countdown:
    """What is attached to the event: calls *reached* at its hit *number*."""

    name = "--stop-at"
    merge = None

    def __init__(self, number: int, at_return: bool, reached: Callable[[Hit], None]) -> None:
        self.hits = 0
        self.pid = 0
        """Of the process that counts."""
        self._number, self._reached = number, reached
        setattr(self, "ret_handler" if at_return else "handler", self._count)

    def _count(self, hit: Hit) -> None:
        if hit.task.process.pid != self.pid:  # forked, and beside its parent as long as it shares memory
            return
        self.hits += 1
        if self.hits == self._number:
            self._reached(hit)


class Stopping:
    """The stop of one run.  Its socket is there before the run gives up its rights."""

    def __init__(self, session: _Stoppable) -> None:
        setup = session.setup
        refuse_two_stops(setup)
        self._session = session
        self._place, self._number = _parsed(setup.stop_at)
        self._door = None if setup.repl else _door(setup.gdb, session.private_folder)
        self._files = SocketFiles([self._door.path]) if self._door is not None and self._door.path else None
        self._repeats = setup.clock != "host"
        self.journal = Journal(_input_repeats())
        self._countdown: _Countdown | None = None
        self._pauses: Pauses
        self._machine: Machine
        self._debugger: Debugger
        self.wanted: Task | None = None
        """The task that is to stand still before its probed instruction."""

    def attach(self) -> None:
        """Have the event counted, once all consumers are attached to what they are for."""
        if self._place:
            for event in self._events():
                self._countdown = self._countdown or _Countdown(self._number, event.is_return, self._reached)
                self._session.attach(event, self._countdown)

    def _events(self) -> list[Event]:
        events = self._session.events
        try:
            return events.find(self._place)
        except UsageError:
            if ":" not in self._place:
                raise
        if self._place.startswith(("s:", "i:")):
            hint = "-e s:openat --stop-at openat#3"
            raise UsageError(f"--stop-at {self._place} is no event of the run and no place", hint=hint)
        specs = events.add_line(EventLine(f"p:stop_at/here {self._place}", "--stop-at"))
        return events.find(specs[0].full_name)

    def begin(self, machine: Machine) -> None:
        """The program is loaded and about to run; raises BackendError if it cannot be stopped."""
        pauses = getattr(machine, "pauses", None)
        if pauses is None:
            raise BackendError(
                f"backend {self._session.setup.backend!r} cannot stop at a hit",
                hint="leave --stop-at, --gdb and --repl out; --backend unicorn has it",
                slug="backend-lacks",
            )
        self._machine, self._pauses = machine, pauses
        client, history = self._client(), self._history(machine, pauses)
        self._debugger = Debugger(machine, pauses, client, history, self._over)
        if isinstance(client, Stub):
            client.debugger = self._debugger
        pauses.watch(self._debugger.paused)
        self.journal.forked = client.forked
        if self._countdown is not None and machine.current is not None:
            self._countdown.pid = machine.current.process.pid
        if history is not None:
            pauses.pause_at(0)
        if not self._place and machine.current is not None:
            self._debugger.text = "before the first instruction"
            pauses.ask(machine.current)

    def _client(self) -> Client:
        if self._session.setup.repl:
            return self._prompt()
        reader = GuestFileReader(self._session.files.host_path)
        return Stub(self._connect, reader, backwards=self._repeats)

    def _prompt(self) -> Prompt:
        """The prompt, with its names."""
        from uprobe_core.debugging.prompt import Prompt, RegistersByName
        from uprobe_core.session.prompt_names import PromptNames

        names = PromptNames(self._session, self._machine)
        registers = RegistersByName(self._session.arch.info.registers.names, names.task)
        return Prompt({"hit": None, "session": self._session, "regs": registers, **names.functions()})

    def _history(self, machine: Machine, pauses: Pauses) -> History | None:
        """Who goes back, if the run repeats."""
        if not self._repeats or self._session.setup.repl:
            return None
        session = self._session
        forge = Forge(pauses, session.written_to, session.spool.unnoticed, self._in_copy)
        return History(machine, pauses, forge, self.journal)

    def _in_copy(self) -> None:
        """This process is a copy of the run: nobody's session."""
        self.journal.forked = None
        self._session.forget_helpers()
        if self._files is not None:
            self._files.forget()
        self._over()

    def in_child(self) -> None:
        """This is a process of the program's, which runs on by itself."""
        self._pauses.watch(None)
        self.journal.executed, self.journal.forked = int, None  # whose calls are nobody's to go back over
        self._over()
        if self._files is not None:
            self._files.forget()

    def _over(self) -> None:
        if self._door is not None:
            self._door.close()

    # --- the hit -----------------------------------------------------------------------------------------

    def _reached(self, hit: Hit) -> None:
        if not self._session.spool.is_root:
            return
        self._debugger.text = f"at hit {self._number} of {self._place}"
        self._debugger.stopped_with(hit)
        self.wanted = hit.task
        self._pauses.ask(hit.task)

    def holds(self, task: Task) -> bool:
        """Whether *task* has to stand still now, before the instruction that was probed."""
        wanted, self.wanted = self.wanted, None
        return wanted is task

    # --- gdb ---------------------------------------------------------------------------------------------

    def _connect(self) -> Line:
        """Say how to connect, and wait for it."""
        assert self._door is not None
        task = self._machine.current
        assert task is not None
        setup = self._session.setup
        program = shlex.quote(self._session.files.host_path(self._pauses.executable(task.process)))
        words = f"gdb-multiarch {program}"
        if setup.sysroot is not None:
            words += f" -ex {shlex.quote(f'set sysroot {os.path.abspath(setup.sysroot)}')}"
        words += f" -ex {shlex.quote(f'target remote {self._door.where}')}"
        self._door.open()
        print(f"uprobe: stopped {self._debugger.text or 'here'}: {words}", file=sys.stderr, flush=True)
        return Line(self._accept(), self._debugger.interrupt, self._is_over)

    def _accept(self) -> socket.socket:
        assert self._door is not None
        poller = select.poll()
        poller.register(self._door.listener, select.POLLIN)
        while True:
            if self._is_over():
                raise Gone
            if not poller.poll(_LOOK_MILLISECONDS):
                continue
            connection, _ = self._door.listener.accept()
            if self._door.lets_in(connection):
                self._door.close()  # whoever comes second is refused at once, and does not wait
                return connection
            connection.close()

    def _is_over(self) -> bool:
        interrupts = self._session.interrupts
        return interrupts is not None and bool(interrupts.reason)

    # --- the end -----------------------------------------------------------------------------------------

    def finish(self, status: ExitStatus | None) -> None:
        """The run has ended: tell who looks, and if there never was a stop, tell the user."""
        if status is not None:
            self._debugger.ended(status.code, status.signal)
        countdown = self._countdown
        if countdown is not None and countdown.hits < self._number:
            forked = any(name.startswith("clone") for _, name in self.journal.once)
            self._session.warn(
                f"the program ended before hit {self._number} of {self._place}: there were {countdown.hits}"
                + "; those in processes that it forked do not count" * forked
            )

    def close(self) -> None:
        """Give the socket back; idempotent."""
        if self._door is not None:
            self._door.close()
        if self._files is not None:
            self._files.remove()


def _input_repeats() -> bool:
    """Whether standard input can be read once more."""
    try:
        status = os.fstat(0)
    except OSError:
        return True
    return stat.S_ISREG(status.st_mode) or (stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == 1)


def _parsed(text: str | None) -> tuple[str, int]:
    """The event or place of ``EVENT[#N]``, and N; "" for none."""
    if text is None:
        return "", 1
    name, mark, number = text.rpartition("#")
    if not mark or ":" in number:  # that of a path
        return text, 1
    if not name or _NUMBER.fullmatch(number) is None:
        raise UsageError(f"--stop-at {text}: behind # stands which hit", hint="EVENT#N, N from 1")
    return name, int(number)


def _door(address: str | None, folder: str) -> Door:
    """The socket at *address*: unix:PATH or tcp:127.0.0.1:PORT; None: one of the run's own."""
    if address is None:
        return Door.unix(os.path.join(folder, "gdb"))
    kind, _, rest = address.partition(":")
    host, _, port = rest.rpartition(":")
    if kind == "unix" and rest:
        return Door.unix(rest)
    if kind == "tcp" and port.isdigit() and int(port) < 1 << 16:
        return Door.tcp(host, int(port))
    raise UsageError(f"--gdb {address} is no address", hint="unix:PATH, tcp:127.0.0.1:PORT; port 0: any")
