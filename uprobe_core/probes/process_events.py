"""What becomes of probes when processes map, fork, execute and end: half of a ProbeHandler."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from uprobe_core.backend import Process, Task
from uprobe_core.consumer import Frame
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.probes.registry import Link, UprobeRegistry
from uprobe_core.probes.returns import ReturnStrategy
from uprobe_core.probes.utask import TaskState
from uprobe_core.types import Mapping, Policy, UtaskState
from uprobe_core.utask import MAX_RETURN_DEPTH

__all__ = ("OnError", "ProcessFollower")

OnError = Callable[[Link, Exception], None]


class ProcessFollower:
    """Keeps the state of tasks and address spaces up to what happens to them.

    :param on_error: called with (link, exception) when a consumer raised; it may re-raise
    :param on_process: called with (kind, task) for "task", "fork", "exec" and "exit"
    :param on_killed: called with a task and the signal that is about to end its process
    :param on_idle: called before the whole program waits
    :param on_map: called with a process when one of its mappings has come or is about to go
    :param on_end: called when this host process, a forked one, is about to end
    """

    returns: ReturnStrategy

    def __init__(
        self,
        arch: ArchOps,
        policy: Policy,
        registry: UprobeRegistry,
        *,
        on_error: OnError,
        on_process: Callable[[str, Task], None] | None = None,
        on_killed: Callable[[Task, int], None] | None = None,
        on_map: Callable[[Process], None] | None = None,
        on_end: Callable[[], None] = lambda: None,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        self.arch = arch
        self.registers = arch.info.registers
        self.policy = policy
        self.registry = registry
        self._on_error = on_error
        self._on_process = on_process or (lambda _kind, _task: None)
        self._on_killed = on_killed or (lambda _task, _signal: None)
        self._on_map = on_map or (lambda _process: None)
        self._on_end = on_end
        self._on_idle = on_idle or (lambda: None)
        self.on_file: Callable[[Process, Mapping], None] = lambda _process, _mapping: None
        """Called when a file was mapped, before the probes in it are placed."""
        self.unwind: Callable[[Task, int], tuple[Frame, ...]] | None = None
        """What hits ask for stacks."""
        self._utasks: dict[Task, TaskState] = {}
        self._host_pid = os.getpid()
        self.depth = MAX_RETURN_DEPTH if policy.is_kernel else None
        """Hijacked returns that may be pending for a task, None: any number."""

    def utask(self, task: Task) -> TaskState:
        """The probe state of *task*, made at its first hit."""
        state = self._utasks.get(task)
        if state is None:
            space = self.registry.spaces.get(task.process)
            state = self._utasks[task] = TaskState(jumps=int(bool(space and space.sees_jumps)))
        return state

    def _finish_step(self, task: Task, utask: TaskState) -> None:
        """Leave a step that will never be done."""
        raise AssertionError("the dispatcher defines it")

    def on_mmap(self, process: Process, mapping: Mapping) -> None:
        """A file was mapped: place the probes that lie in it."""
        self._on_map(process)
        self.on_file(process, mapping)
        self.registry.mapped(process, mapping)

    def on_munmap(self, process: Process, start: int, end: int) -> None:
        """A range goes away: its sites go with it, pending returns stay."""
        self._on_map(process)
        self.registry.unmapped(process, start, end)

    def on_code_written(self, process: Process, start: int, end: int) -> None:
        """The guest rewrote code: displaced instructions there are looked at again."""
        self.registry.code_written(process, start, end)

    def on_idle(self) -> None:
        """Nothing of the program can run now: what was found may be shown."""
        self._on_idle()

    def on_task(self, parent: Task, task: Task) -> None:
        """A thread starts with an empty stack of pending returns."""
        self._on_process("task", task)

    def on_fork(self, parent: Task, child: Task, *, shares_memory: bool) -> None:
        """A fork inherits traps with its memory, and the pending returns of the forking task."""
        if not self.registry.follow:
            self._leave(parent, child, shares_memory=shares_memory)
            return
        before = self._utasks.get(parent)
        space = self.registry.spaces.get(parent.process)
        if before is not None and child is not parent:
            self._utasks[child] = TaskState(
                returns=[replace(each) for each in before.returns],
                suspects=[replace(each) for each in before.suspects],
                jumps=before.jumps,
            )
        if space is not None and shares_memory:
            self.registry.spaces[child.process] = space
        elif space is not None:
            self.registry.spaces[child.process] = space.copy(child.process)
        if before is not None:
            self.returns.inherited(child, self.utask(child), shares_memory=shares_memory)
        if not shares_memory:
            for other in [t for t in self._utasks if t is not child and t.process is child.process]:
                del self._utasks[other]
        self._keep_only(child)
        self._on_process("fork", child)
        if not shares_memory:
            self.registry.forked(child.process)

    def _leave(self, parent: Task, child: Task, *, shares_memory: bool) -> None:
        """A fork that is not followed: it loses the traps that came with its memory."""
        space = self.registry.spaces.get(parent.process)
        if space is not None:
            self.registry.spaces[child.process] = space if shares_memory else space.copy(child.process)
        self._keep_only(child)
        self.registry.leave(child.process)
        self._on_process("left", child)

    def _keep_only(self, task: Task) -> None:
        """After a guest fork that was a fork of this host process: nothing but *task* lives here."""
        if os.getpid() == self._host_pid:
            return
        self._host_pid = os.getpid()
        self._utasks = {t: utask for t, utask in self._utasks.items() if t is task}
        self.registry.keep_only(task.process)

    def on_exec(self, task: Task) -> None:
        """The old image is gone; probes come back with the mappings of the new one."""
        self._keep_only(task)
        utask = self._utasks.pop(task, None)
        if utask is not None:
            self.returns.abandon(task, utask, "exec")
        self.registry.forget(task.process)
        if not self.registry.follow:
            self.registry.leave(task.process)
        self._on_process("exec", task)

    def on_killed(self, task: Task, signal: int) -> None:
        """*signal* is about to end the process of *task*."""
        self._on_killed(task, signal)

    def on_exit(self, task: Task) -> None:
        """A task ended: its step is cleaned up, its pending returns are missed."""
        utask = self._utasks.pop(task, None)
        if utask is not None:
            if utask.state is not UtaskState.RUNNING:
                self._finish_step(task, utask)
            self.returns.abandon(task, utask, "exit")
        self._on_process("exit", task)

    def on_gone(self, process: Process) -> None:
        """A process is gone that may have been in the memory of another one."""
        self.registry.visited(process)

    def on_end(self) -> None:
        """This host process, a forked one, is about to end."""
        self._on_end()
