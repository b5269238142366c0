"""The processes of a run, each with its memory and threads: forked, executed, ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from uprobe_gdbremote.process import RemoteProcess
from uprobe_gdbremote.registers import Habit, RegisterNames, ThreadRegisters
from uprobe_gdbremote.task import RemoteTask, thread_numbers
from uprobe_gdbremote.world import World

if TYPE_CHECKING:
    from uprobe_core.backend import ProbeHandler
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.files import LocalFiles

__all__ = ("Family",)


class Family:
    """Processes by id, and tasks by the stub's thread ids, those of *first* from the start on.

    :param clock: nanoseconds since the run began
    :param name: what a task is called
    """

    def __init__(
        self,
        client: Client,
        first: RemoteProcess,
        handler: ProbeHandler,
        files: LocalFiles,
        names: RegisterNames,
        clock: Callable[[], int],
        name: Callable[[RemoteTask], str],
    ) -> None:
        self._client, self._handler, self._files = client, handler, files
        self._names, self._habit = names, Habit()
        self._clock, self._name = clock, name
        self._first = first
        self._worlds: dict[RemoteProcess, World] = {}
        self._processes = {first.pid: first}
        self.tasks: dict[bytes, RemoteTask] = {}

    def __iter__(self) -> Iterator[RemoteProcess]:
        return iter(list(self._processes.values()))

    @property
    def is_last(self) -> bool:
        """Whether there is one process."""
        return len(self._processes) == 1

    def begin(self, process: RemoteProcess) -> World:
        """What is mapped in *process*, which is to be found out."""
        made = World(self._client, process, self._handler, self._files)
        self._worlds[process] = process.world = made
        return made

    def task(self, thread: bytes, current: RemoteTask | None) -> RemoteTask:
        """The task of a thread id; one that is new is a thread of a process that is known."""
        task = self.tasks.get(thread)
        if task is None:
            pid, number = thread_numbers(thread) if thread else (0, 1)
            process = self._processes.get(pid, self._first)
            known = self.of(process)
            task = self._make(process, thread, number if self.tasks else process.pid)
            if current is not None:
                self._handler.on_task(known[0] if known else current, task)
        return task

    def _make(self, process: RemoteProcess, thread: bytes, tid: int) -> RemoteTask:
        registers = ThreadRegisters(self._client, self._names, thread, self._habit)
        task = self.tasks[thread] = RemoteTask(process, thread, tid, registers, self._clock)
        task.name = partial(self._name, task)
        return task

    def of(self, process: RemoteProcess) -> list[RemoteTask]:
        """The tasks of *process*."""
        return [task for task in self.tasks.values() if task.process is process]

    def adopt(self, parent: RemoteTask, child: bytes, *, borrows: bool) -> RemoteProcess:
        """The thread *child* is the first of a process that *parent* has forked."""
        pid, tid = thread_numbers(child)
        self._client.several = True
        if borrows:
            made = parent.process.borrow(pid)
            self._worlds[made] = self._worlds[parent.process]
        else:
            made = parent.process.copy(pid)
            made.select()
            self.begin(made).take_over(self._worlds[parent.process])
        self._processes[pid] = made
        self._look_for_borrowers()
        self._handler.on_fork(parent, self._make(made, child, tid), shares_memory=borrows)
        return made

    def executed(self, task: RemoteTask, path: str) -> bool:
        """The process of *task* is the program at *path* now; False if it runs without probes."""
        process = task.process
        self._handler.on_exec(task)
        for thread, other in list(self.tasks.items()):
            if other.process is process and other is not task:
                del self.tasks[thread]
        task.begin_again()
        process.begin_again()
        self._look_for_borrowers()
        process.select()
        world = self.begin(process)
        program = self._files.load(path)
        if program is not None:
            world.load(program)
        return program is not None

    def ended(self, pid: int) -> RemoteProcess:
        """Process *pid* is gone, the first one if that is 0; its tasks are as well."""
        process = self._processes.get(pid, self._first)
        for thread, task in list(self.tasks.items()):
            if task.process is process:
                del self.tasks[thread]
                self._handler.on_exit(task)
        self._processes.pop(process.pid, None)
        self._worlds.pop(process, None)
        self._look_for_borrowers()
        return process

    def _look_for_borrowers(self) -> None:
        """Only the last process that has borrowed its memory may run, if there is one."""
        pids = [process.pid for process in self if process.borrows]
        self._client.only = b"p%x.-1" % pids[-1] if pids else b""
