"""A target that is ready to run; see :class:`uprobe_core.backend.Machine`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from uprobe_core.backend import LEFT_ALONE, Capabilities, ExitStatus
from uprobe_core.errors import BackendError
from uprobe_gdbremote.calls import CaughtCalls, is_at_call
from uprobe_gdbremote.channel import Lost
from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.conditions import NEEDED, RemoteConditions
from uprobe_gdbremote.forks import Forks
from uprobe_gdbremote.hits import Hits
from uprobe_gdbremote.inject import MMAP, MPROTECT, MUNMAP, Injector
from uprobe_gdbremote.points import SIZE
from uprobe_gdbremote.process import RemoteProcess
from uprobe_gdbremote.registers import Habit, RegisterNames, ThreadRegisters
from uprobe_gdbremote.runner import Runner
from uprobe_gdbremote.stops import SIGTRAP, Stop
from uprobe_gdbremote.target_xml import read_layout
from uprobe_gdbremote.task import RemoteTask, thread_numbers
from uprobe_gdbremote.world import World

if TYPE_CHECKING:
    from uprobe_core import types
    from uprobe_core.backend import ProbeHandler, Target
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
        self._habit = Habit()
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
        self.tasks: dict[bytes, RemoteTask] = {}
        self.current: RemoteTask = self._task(thread)
        self.runner = Runner(
            self._client,
            takes_address=connection.is_qemu,
            reads_late=connection.is_qemu_user,
            interrupt=connection.interrupt,
        )
        self.runner.on_idle = handler.on_idle
        self.runner.rung = lambda: bool(self._soon or self._stop_requested)
        self.world = World(self._client, self.process, handler, files)
        self._injector = Injector(self, 0)
        self._forks = Forks(self._client, self.process.points)
        self._hits = Hits(self.runner, self.process, handler, self._forks, self)
        watcher = target.on_syscall
        self._calls = (
            None if watcher is None else CaughtCalls(self._client, watcher, is_qemu=connection.is_qemu)
        )
        self.conditions: RemoteConditions | None = None
        if all(map(self._client.has, NEEDED)) and not connection.filters_here:
            self.conditions = RemoteConditions(self._client, self.process, self._names, self, handler.analyze)

    def _document(self, annex: str) -> bytes:
        found = self._client.object("features", annex)
        if found is None:
            raise BackendError(f"{self._client.channel.where} has no description of its registers")
        return found

    def load(self, program: LoadedFile) -> None:
        """Tell the core of everything that is loaded; raises BackendError."""
        self.world.load(program)

    def _task(self, thread: bytes) -> RemoteTask:
        """The task of a thread id, made when it is first seen."""
        task = self.tasks.get(thread)
        if task is None:
            number = thread_numbers(thread)[1] if thread else 1
            registers = ThreadRegisters(self._client, self._names, thread, self._habit)
            tid = self.process.pid if not self.tasks else number
            task = self.tasks[thread] = RemoteTask(self.process, thread, tid, registers, self.clock)
            task.name = partial(self._connection.comm, task)
            if len(self.tasks) > 1:
                self.handler.on_task(self.current, task)
        return task

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
        while self._ended is None:
            while self._soon and not self._stop_requested:
                self._soon.popleft()()
            if self._stop_requested and (self._connection.is_ours or not self._hits.is_busy(self.current)):
                return self._stopped_early()
            self._hits.go_on(self.current)
            try:
                stop = self.runner.wait(patiently=self._hits.is_busy(self.current))
            except Lost:  # Ctrl-C at a terminal reaches our emulator as well, and may end it
                if not (self._stop_requested and self._connection.is_ours):
                    raise
                return self._stopped_early()
            self.take(stop)
        return self._ended

    def _stopped_early(self) -> ExitStatus:
        """The run was to end; what becomes of the program is its connection's to say."""
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
        return {"syscalls": calls, "unknown-syscalls": 0, "packets": packets, LEFT_ALONE: self._forks.left}

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
        for task in self.tasks.values():
            task.registers.forget()
        self._connection.names = None
        self._alone_with(stop.thread)
        if stop.kind in ("exited", "killed"):
            with suppress(Lost):  # a stub may go with its program
                self._client.channel.settle()
            self._settle()
            self._end()
            self._ended = ExitStatus(stop.code, stop.signal)
        elif stop.kind == "thread-exit":
            self._thread_ended(stop.thread)
        elif stop.kind == "signal":
            self.current = task = self._task(stop.thread or self.current.thread)
            task.registers.foresee(*self._client.answer_ahead())
            self._note(task, stop)
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

    def _note(self, task: RemoteTask, stop: Stop) -> None:
        for number, value in stop.registers.items():
            index = self._names.by_number.get(number)
            if index is not None:
                task.registers.note(index, int.from_bytes(value, "little"))

    def _thread_ended(self, thread: bytes) -> None:
        task = self.tasks.pop(thread, None)
        if task is not None:
            self.handler.on_exit(task)

    def _end(self) -> None:
        self._over = True
        for task in list(self.tasks.values()):
            self.handler.on_exit(task)
        self.tasks.clear()

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
        try:
            for point in self.process.points.all():
                self.process.points.lift(point)
            for task in self.tasks.values():
                self._hits.put_back(task)
            for area in self.process.areas.all():
                self.system_call(MUNMAP, area.base, area.size)
            for task in self.tasks.values():
                task.registers.flush()
            self._connection.detach(self.current.thread[1:].partition(b".")[0])
        except (StubError, BackendError):
            return

    # --- what others ask for -----------------------------------------------------------------------------

    def known_mappings(self) -> list[types.Mapping]:
        """What is mapped, by address."""
        return self.world.mappings

    def system_call(self, number: int, *arguments: int) -> int:
        """Make a system call in the program's name, in the thread that stopped last."""
        self._injector.svc = self.world.svc
        return self._injector.call(self.current.registers, number, *arguments)

    @property
    def can_map(self) -> bool:
        """Whether a system call can be made in the program's name."""
        return bool(self.world.svc)

    def map_code(self, hint: int, size: int) -> int:
        """Map memory for displaced instructions near *hint*; raises BackendError."""
        base = self.system_call(MMAP, hint, size, 7, 0x22, (1 << 64) - 1, 0)
        if base < 0:
            raise BackendError(f"the program got no memory for displaced instructions: errno {-base}")
        self.world.add_area(base, size)
        return base

    def prepare(self, address: int) -> None:
        """Have room for what lies at *address* before there are threads that could be in each other's way."""
        if self._connection.crowd is not None and self.world.svc:
            insn = self.process.read(address, SIZE)
            self.process.slots.of(address, insn)

    def look(self) -> None:
        """Libraries came or went."""
        self.world.look()

    def signal_code(self) -> int | None:
        """The si_code of the signal that the program stopped with, None where the stub does not tell."""
        if not self._client.has("swbreak"):
            return None
        data = self._client.object("siginfo") or b""
        return int.from_bytes(data[8:12], "little", signed=True) if len(data) >= 12 else None

    def executed(self, path: str) -> None:
        """The process is the program at *path* now, and is told of if there is a copy here."""
        if self.conditions is not None:
            self.conditions.begin_again()
        self.handler.on_exec(self.current)
        self.tasks = {self.current.thread: self.current}
        self.current.begin_again()
        self.process.begin_again()
        self.world = World(self._client, self.process, self.handler, self._files)
        program = self._files.load(path)
        if program is None:
            self._forks.left += 1
        else:
            self.world.load(program)

    def gains_thread(self) -> None:
        """The program has begun a thread."""
        if self.conditions is not None:
            self.conditions.stop("the program has threads")

    @property
    def registers(self) -> ThreadRegisters:
        """Those of the thread that stopped last."""
        return self.current.registers

    @property
    def is_running(self) -> bool:
        """Whether the program runs, so that its stub can be asked nothing."""
        return self.runner.is_running

    def open_code(self, address: int, size: int) -> None:
        """Have the stub let us write memory of ours: qemu-user refuses pages whose code it has translated."""
        self.system_call(MPROTECT, address, size, 7)

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
            task.held.append(stop.signal)
        return stop.signal == SIGTRAP and not is_at_call(stop)

    def run_to(self, *addresses: int) -> None:
        """Let the current thread, and no other, run to one of *addresses*; signals that come wait."""
        task = self.current
        points = [self.process.points.make(address) for address in addresses]
        for point in points:
            point.kept += 1
        try:
            while not self.run_alone() or task.pc not in addresses:
                continue
        finally:
            for point in points:
                point.kept -= 1
                self.process.points.release(point)
