"""A scripted backend: what a program does is written in Python, event by event.

It carries the whole life of a hit without an emulator, and shows that nothing
of an emulator is in the contract.  A *script* is a function that is given the
:class:`FakeMachine` when the run starts and drives its tasks.  Tests of the
mechanisms use a machine alone; tests of sessions open it through
:class:`FakeBackend`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingABC

from uprobe_core.backend import Capabilities, ExitStatus, ProbeHandler, Target
from uprobe_core.testing.fake_memory import PAGE, FakeFile, FakeProcess
from uprobe_core.testing.fake_task import FakeTask
from uprobe_core.testing.toy_arch import ToyArch
from uprobe_core.types import Mode, Returns

__all__ = ("ALL_CAPABILITIES", "FakeBackend", "FakeMachine", "Script")

Script = Callable[["FakeMachine"], ExitStatus]

ALL_CAPABILITIES = Capabilities(
    modes=frozenset({Mode.TRAP, Mode.INLINE}),
    returns=frozenset({Returns.WATCH, Returns.HIJACK}),
    threads=True,
    processes=True,
    invisible_traps=True,
    work=True,
)


class FakeMachine:
    """A machine without a CPU.

    :param xol_slots: how many slots a process gets
    :param arch: what it executes
    :ivar handler: what is told of everything; set before anything is mapped
    """

    handler: ProbeHandler

    def __init__(
        self,
        handler: ProbeHandler | None = None,
        *,
        xol_slots: int = 64,
        script: Script | None = None,
        target: Target | None = None,
        capabilities: Capabilities = ALL_CAPABILITIES,
        arch: ToyArch | None = None,
    ) -> None:
        self.architecture = (arch or ToyArch()).architecture()
        if handler is not None:
            self.handler = handler
        self.capabilities = capabilities
        self.xol_slots = xol_slots
        self.ticks = 0
        self.target = target
        self.stop_reason = ""
        self.files: dict[str, FakeFile] = {}
        self._script = script
        self._processes: list[FakeProcess] = []
        self._soon: deque[Callable[[], None]] = deque()
        self._next_pid = 100
        self.closed = False

    # --- what a script does --------------------------------------------------------------------------

    def add_file(self, path: str, words: Sequence[bytes], *, pages: int = 1) -> FakeFile:
        """A file that holds *words*, instructions one behind the other, from its start."""
        file = FakeFile(path, b"".join(words).ljust(pages * PAGE, b"\0"))
        self.files[path] = file
        return file

    def new_pid(self) -> int:
        """A number for a process or thread."""
        self._next_pid += 1
        return self._next_pid

    def start_process(self) -> FakeTask:
        """A new process with nothing mapped; returns its first thread."""
        pid = self.new_pid()
        process = FakeProcess(self, pid)
        self._processes.append(process)
        return FakeTask(process, pid)

    def start_thread(self, parent: FakeTask) -> FakeTask:
        """A thread of the process of *parent*, with its registers."""
        task = FakeTask(parent.space, self.new_pid())
        task.regs = list(parent.regs)
        self.handler.on_task(parent, task)
        return task

    def fork(self, parent: FakeTask, *, shares_memory: bool = False) -> FakeTask:
        """A child process; *shares_memory* is vfork: another process on the same memory."""
        pid = self.new_pid()
        process = parent.space.copy(pid)
        if shares_memory:
            vars(process).update({**vars(parent.space), "pid": pid, "tasks": []})
        self._processes.append(process)
        child = FakeTask(process, pid)
        child.regs = list(parent.regs)
        self.handler.on_fork(parent, child, shares_memory=shares_memory)
        return child

    def execve(self, task: FakeTask) -> None:
        """The old image of *task* goes away; map the new one afterwards."""
        self.handler.on_exec(task)
        fresh = FakeProcess(self, task.space.pid)
        vars(task.space).update({**vars(fresh), "tasks": [task]})

    def exit(self, task: FakeTask) -> None:
        """*task* ends."""
        self.handler.on_exit(task)
        task.space.tasks.remove(task)
        if not task.space.tasks:
            self._processes.remove(task.space)

    def tick(self) -> None:
        """Time passes, and what was asked for by call_soon is done: this is a safe point."""
        self.ticks += 1
        while self._soon:
            self._soon.popleft()()

    # --- the contract ----------------------------------------------------------------------------------

    native = None

    @property
    def current(self) -> FakeTask | None:
        """The last task of the last process: a script calls for whom it likes."""
        tasks = [task for process in self._processes for task in process.tasks]
        return tasks[-1] if tasks else None

    def run(self) -> ExitStatus:
        """Run the script."""
        assert self._script is not None, "a machine without a script is driven by the test itself"
        return self._script(self)

    def request_stop(self, reason: str) -> None:
        """Remember why; a script looks at *stop_reason*."""
        self.stop_reason = reason

    def call_soon(self, function: Callable[[], None]) -> None:
        """See :class:`uprobe_core.backend.Machine`."""
        self._soon.append(function)

    def statistics(self) -> MappingABC[str, int]:
        """Nothing is counted but time."""
        return {"syscalls": 0, "unknown-syscalls": 0, "instructions": self.ticks}

    def close(self) -> None:
        """See :class:`uprobe_core.backend.Machine`."""
        self.closed = True


class FakeBackend:
    """A backend that runs one script.

    :param load: maps the program's files, before probes are placed
    :param script: what the program does
    """

    name = "fake"

    def __init__(
        self,
        script: Script,
        load: Callable[[FakeMachine], None] | None = None,
        *,
        capabilities: Capabilities = ALL_CAPABILITIES,
    ) -> None:
        self._script = script
        self._load = load
        self.capabilities = capabilities
        self.machine: FakeMachine | None = None

    def open(self, target: Target, handler: ProbeHandler) -> FakeMachine:
        """See :class:`uprobe_core.backend.Backend`."""
        machine = FakeMachine(handler, script=self._script, target=target, capabilities=self.capabilities)
        self.machine = machine
        if self._load is not None:
            self._load(machine)
        return machine
