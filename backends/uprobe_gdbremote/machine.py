"""A target that is ready to run; see :class:`uprobe_core.backend.Machine`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from uprobe_core.backend import LEFT_ALONE, MAPPED_LATE, Capabilities, ExitStatus
from uprobe_core.errors import BackendError
from uprobe_gdbremote.calls import CaughtCalls, is_at_call
from uprobe_gdbremote.channel import Lost
from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.conditions import NEEDED, RemoteConditions
from uprobe_gdbremote.family import Family
from uprobe_gdbremote.forks import Forks
from uprobe_gdbremote.hits import Hits
from uprobe_gdbremote.inject import MUNMAP, Injector
from uprobe_gdbremote.maps import MAKERS, Glances, MapWatcher
from uprobe_gdbremote.points import SIZE
from uprobe_gdbremote.process import RemoteProcess
from uprobe_gdbremote.registers import RegisterNames, ThreadRegisters
from uprobe_gdbremote.runner import Runner
from uprobe_gdbremote.stops import FAULTS, SIGTRAP, Stop
from uprobe_gdbremote.target_xml import read_layout
from uprobe_gdbremote.task import RemoteTask, thread_numbers

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler, Target
    from uprobe_core.target import CallWatcher
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.connection import Connection
    from uprobe_gdbremote.elf import LoadedFile
    from uprobe_gdbremote.files import LocalFiles

__all__ = ("RemoteMachine",)

_SIGKILL = 9
_ROOM = 1 << 20
"""Bytes for slots that do not share pages."""


class RemoteMachine:
    """One run of the program that a stub has stopped for us.

    :param first: the stop that it is in
    """

    native = None

    def __init__(
        self,
        connection: Connection,
        target: Target,
        handler: ProbeHandler,
        files: LocalFiles,
        capabilities: Capabilities,
        first: Stop,
    ) -> None:
        self.capabilities = capabilities
        self.handler = handler
        self._connection, self._target, self._files = connection, target, files
        self._client: Client = connection.client
        self._names = RegisterNames(read_layout(self._document))
        self._began = time.monotonic_ns()
        self._soon: deque[Callable[[], None]] = deque()
        self._stop_requested = ""
        self._ended: ExitStatus | None = None
        self._over = False
        self._timer: threading.Timer | None = None
        thread = first.thread or self._client.channel.ask(b"qC").removeprefix(b"QC")
        pid, tid = thread_numbers(thread) if thread else (1, 1)
        self.process = RemoteProcess(self._client, connection.pid or pid or tid, self, connection.scratch)
        if connection.crowd is not None:
            self.process.areas.bytes = _ROOM
        self._family = Family(
            self._client, self.process, handler, files, self._names, self.clock, connection.comm
        )
        self.current: RemoteTask = self._family.task(thread, None)
        self.runner = Runner(
            self._client,
            takes_address=connection.is_qemu,
            reads_late=connection.is_qemu_user,
            interrupt=connection.interrupt,
        )
        self.runner.on_idle = handler.on_idle
        self.runner.stepping = self._stepping
        self.runner.rung = lambda: bool(self._soon or self._stop_requested)
        self._world = self._family.begin(self.process)
        self._injector = Injector(self, 0)
        # A stub of QEMU's tells of forks, if it does, but speaks of one process only.
        self._forks = Forks(self._client, self, follow=target.follow and not connection.is_qemu_user)
        self._hits = Hits(self.runner, handler, self._forks, self)
        self._calls = self._caught(target.on_syscall)
        self._glances = Glances(connection)
        self.conditions: RemoteConditions | None = None
        if all(map(self._client.has, NEEDED)) and not connection.filters_here:
            self.conditions = RemoteConditions(self._client, self.process, self._names, self, handler.analyze)

    def _caught(self, watcher: CallWatcher | None) -> CaughtCalls | None:
        """What stops at system calls, if somebody wants to know of them."""
        watchers: list[CallWatcher] = [] if watcher is None else [watcher]
        if self._connection.all_mappings:
            watchers.append(MapWatcher(self._client))
        if not watchers:
            return None
        only = MAKERS if watcher is None else ()
        return CaughtCalls(self._client, watchers, only, is_qemu=self._connection.is_qemu)

    def _document(self, annex: str) -> bytes:
        found = self._client.object("features", annex)
        if found is None:
            raise BackendError(f"{self._client.channel.where} has no description of its registers")
        return found

    def load(self, program: LoadedFile) -> None:
        """Tell the core of everything that is loaded; raises BackendError."""
        self._world.load(program)

    def _stepping(self, current: RemoteTask) -> list[bytes]:
        """Threads of other tasks than *current* whose step is not done: another one's stop came first."""
        others = (task for task in self._family.tasks.values() if task is not current)
        return [task.thread for task in others if Hits.is_busy(task)]

    def clock(self) -> int:
        """Nanoseconds of the host's clock since the machine was opened."""
        return time.monotonic_ns() - self._began

    # --- the contract --------------------------------------------------------------------------------

    def run(self) -> ExitStatus:
        """See :class:`uprobe_core.backend.Machine`."""
        seconds = self._target.limits.seconds
        if seconds is not None:
            self._timer = threading.Timer(seconds, self.request_stop, ("timeout",))
            self._timer.daemon = True
            self._timer.start()
        try:
            return self._run()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _run(self) -> ExitStatus:
        while not self._over:
            while self._soon and not self._stop_requested:
                self._soon.popleft()()
            if self._stop_requested and (self._connection.is_ours or not self._hits.is_busy(self.current)):
                return self._stopped_early()
            if not self._hits.is_busy(self.current):
                self._glances.stopped(self._family)
            self._hits.go_on(self.current)
            try:
                stop = self.runner.wait(patiently=self._hits.is_busy(self.current))
            except Lost:  # Ctrl-C at a terminal reaches our emulator as well, and may end it
                if not (self._stop_requested and self._connection.is_ours):
                    raise
                return self._stopped_early()
            self.take(stop)
        assert self._ended is not None
        return self._ended

    def _stopped_early(self) -> ExitStatus:
        """The run was to end; what becomes of the program is its connection's to say."""
        if not self._hits.is_busy(self.current):
            self._glances.look(self._family)
        self._leave()
        return ExitStatus(signal=_SIGKILL, reason=self._stop_requested)

    def request_stop(self, reason: str) -> None:
        """See :class:`uprobe_core.backend.Machine`."""
        if not self._stop_requested:
            self._stop_requested = reason or "stopped"
        self._client.channel.ring()

    def call_soon(self, function: Callable[[], None]) -> None:
        """See :class:`uprobe_core.backend.Machine`."""
        self._soon.append(function)
        self._client.channel.ring()

    def statistics(self) -> Mapping[str, int]:
        """See :class:`uprobe_core.backend.Machine`; system calls are seen if somebody asks for them."""
        packets, calls = self._client.channel.packets, 0 if self._calls is None else self._calls.count
        left = self._forks.left or self._connection.left_alone()
        warned = {LEFT_ALONE: left, MAPPED_LATE: self._glances.late}
        return {"syscalls": calls, "unknown-syscalls": 0, "packets": packets, **warned}

    def close(self) -> None:
        """See :class:`uprobe_core.backend.Machine`."""
        if not self._over and not self._connection.is_ours:
            self._detach()
        elif not self._over:
            self._connection.kill()
        self._over = True
        self._connection.close()

    # --- stops -----------------------------------------------------------------------------------------

    def take(self, stop: Stop) -> None:
        """Do what *stop* asks for, up to where the program can go on."""
        for task in self._family.tasks.values():
            task.registers.forget()
        self._connection.names = None
        self._alone_with(stop.thread)
        if stop.kind in ("exited", "killed"):
            with suppress(Lost):  # a stub may go with its program
                self._client.channel.settle()
            self._process_ended(stop)
        elif stop.kind == "thread-exit":
            self._thread_ended(stop.thread)
        elif stop.kind == "signal":
            self._connection.heed(stop.thread)
            self.current = task = self._family.task(stop.thread or self.current.thread, self.current)
            if self._client.several:
                self._client.selected = b""
                self._client.select(task.thread)
            task.registers.foresee(*self._client.answer_ahead())
            task.registers.note_all(stop.registers)
            if self._calls is not None and is_at_call(stop):
                self._calls.take(task, stop)
            elif stop.signal == SIGTRAP:
                self._hits.trapped(task, stop)
            elif not self._connection.is_own(stop):
                self._hits.signalled(task, stop.signal)

    def _alone_with(self, speaker: bytes) -> None:
        """Have no thread but *speaker* run while it is spoken to, if the stub does not see to that."""
        crowd = self._connection.crowd
        size = 0 if crowd is None or not speaker else crowd.size
        if self._client.crowd is None:
            if not size:
                return
            self._client.channel.unread = 0
        self._client.crowd = crowd if size else None
        self._client.channel.spare = size
        self.process.areas.apart = bool(size)
        if crowd is not None and size:
            more = crowd.hold(thread_numbers(speaker)[1])
            self._client.selected = b""
            if more:
                self.process.points.insert_again()

    def _thread_ended(self, thread: bytes) -> None:
        task = self._family.tasks.pop(thread, None)
        if task is not None:
            self.handler.on_exit(task)

    def _process_ended(self, stop: Stop) -> None:
        """One process has ended; the run is over when all have, and its status is that of the first."""
        if self._family.is_last:
            self._settle()
        if self._family.ended(stop.process) is self.process:
            self._ended = ExitStatus(stop.code, stop.signal)
        if self._family.tasks:
            self.current = next(iter(self._family.tasks.values()))
        else:
            self._over = True

    def _end(self) -> None:
        self._over = True
        for process in self._family:
            self._family.ended(process.pid)

    def _leave(self) -> None:
        """The run is over before the program: end it if it is ours, else let it go on as it was."""
        if self._connection.is_ours:
            self._connection.kill()
        else:
            self._detach()
        self._end()

    def _settle(self) -> None:
        if self.conditions is not None:
            self.conditions.settle()

    def _detach(self) -> None:
        """Take out everything that is ours and let the program go on.

        A stub that refuses something has lost its program, and with it what was in it.
        """
        self._settle()
        for process in self._family:
            with suppress(StubError, BackendError):
                self._let_go(process)
        self._client.several = False  # of what is gone nothing can be asked

    def _let_go(self, process: RemoteProcess) -> None:
        process.select()
        # Threads that are held from outside may be in slots, which stay then.
        tasks = self._family.of(process) if self._client.crowd is None else [self.current]
        for point in process.points.all():
            process.points.lift(point)
        for task in tasks:
            self._hits.put_back(task)
        for area in process.areas.all() if self._client.crowd is None else ():
            self.system_call(process, MUNMAP, area.base, area.size)
        for task in tasks:
            task.registers.flush()
        self._connection.detach(tasks[0].thread[1:].partition(b".")[0])

    # --- what others ask for -----------------------------------------------------------------------------

    def system_call(self, process: RemoteProcess, number: int, *arguments: int) -> int:
        """Make a system call in the name of *process*, in the thread that stopped last if it can be."""
        before = self.current
        if not before.process.has_memory_of(process):
            self.current = self._family.of(process)[0]
        try:
            self._injector.svc = 0 if process.world is None else process.world.svc
            return self._injector.call(self.current.registers, number, *arguments)
        finally:
            self.current = before

    def prepare(self, process: RemoteProcess, address: int) -> None:
        """Have room for what lies at *address* before there are threads that could be in each other's way."""
        if self._connection.crowd is not None and process.can_map:
            insn = process.read(address, SIZE)
            process.slots.of(address, insn)

    def look(self, task: RemoteTask) -> None:
        """Libraries of the process of *task* came or went."""
        if task.process.world is not None:
            task.process.world.look()

    def adopt(self, parent: RemoteTask, child: bytes, *, borrows: bool) -> RemoteProcess:
        """The thread *child* is that of a process that *parent* has forked."""
        made = self._family.adopt(parent, child, borrows=borrows)
        if self._calls is not None:
            self._calls.begin(made)
        return made

    def decide_here(self, why: str) -> None:
        """Have the stub decide no filters any more, because of *why*."""
        if self.conditions is not None:
            self.conditions.stop(why)

    def signal_code(self) -> int | None:
        """The si_code of the signal that the program stopped with, None where the stub does not tell."""
        if not self._client.has("swbreak"):
            return None
        data = self._client.object("siginfo") or b""
        return int.from_bytes(data[8:12], "little", signed=True) if len(data) >= 12 else None

    def executed(self, task: RemoteTask, path: str) -> None:
        """The process of *task* is the program at *path* now, and is told of if there is a copy here."""
        if self.conditions is not None and task.process is self.process:
            self.conditions.begin_again()
        if not self._family.executed(task, path):
            self._forks.left += 1

    @property
    def registers(self) -> ThreadRegisters:
        """Those of the thread that stopped last."""
        return self.current.registers

    @property
    def is_running(self) -> bool:
        """Whether the program runs, so that its stub can be asked nothing."""
        return self.runner.is_running

    def run_alone(self) -> bool:
        """Let the current thread, and no other, run until it stops; whether that was a trap of its own.

        Signals that come wait.
        """
        task = self.current
        self.runner.resume(task, alone=True)
        stop = self.runner.wait(patiently=True)
        if stop.kind != "signal":
            raise BackendError("the program ended while a system call was made in its name")
        if self._client.crowd is not None and stop.thread != task.thread:
            return False  # it will stop again
        self._alone_with(stop.thread)
        task.registers.forget()
        if stop.signal != SIGTRAP:
            task.hold(stop.signal)
        return stop.signal == SIGTRAP and not is_at_call(stop)

    def run_to(self, *addresses: int, until_fault: bool = False) -> int:
        """Let the current thread, and no other, run to one of *addresses*; signals that come wait.

        :param until_fault: a signal that an instruction makes ends it, and is what is returned, else 0
        """
        task = self.current
        known = task.process.points
        points = [known.make(address) for address in addresses]
        for point in points:
            point.kept += 1
        try:
            while not self.run_alone() or task.pc not in addresses:
                if until_fault and task.held and task.held[-1] in FAULTS:
                    return task.held.pop()
        finally:
            for point in points:
                point.kept -= 1
                known.release(point)
        return 0
