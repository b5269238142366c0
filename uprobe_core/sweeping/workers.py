"""Where cells run: processes of this machine, or a Dask cluster; both as one Protocol."""

from __future__ import annotations

import os
import queue
import select
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from uprobe_core.errors import PluginError, UsageError
from uprobe_core.sweeping.cell_run import CellResult, CellTask, no_result
from uprobe_core.sweeping.server import Server

__all__ = ("DaskWorkers", "LocalWorkers", "Workers", "workers_for")


class Workers(Protocol):
    """Runs cells, several at a time."""

    @property
    def room(self) -> int:
        """How many more may be submitted now."""
        ...

    def submit(self, task: CellTask) -> None:
        """Have *task* run; there must be room."""
        ...

    def wait(self, seconds: float) -> Iterator[tuple[CellTask, CellResult]]:
        """What has ended, waiting *seconds* at most for the first."""
        ...

    def close(self) -> None:
        """Stop what still runs; its results are lost."""
        ...


def workers_for(where: str, jobs: int | None) -> Workers:
    """Those of ``local`` or ``dask:ADDRESS``, *jobs* cells at a time; raises UsageError, PluginError."""
    if where == "local":
        return LocalWorkers(jobs or len(os.sched_getaffinity(0)))
    kind, _, address = where.partition(":")
    if kind != "dask" or not address:
        raise UsageError(f"--on {where!r} is not local or dask:ADDRESS", hint="such as dask:127.0.0.1:8786")
    return DaskWorkers(address, jobs)


class LocalWorkers:
    """Processes of this machine.

    :param jobs: how many
    """

    def __init__(self, jobs: int) -> None:
        self._idle = [Server() for _ in range(jobs)]
        self._busy: dict[Server, CellTask] = {}

    @property
    def room(self) -> int:
        """Idle processes."""
        return len(self._idle)

    def submit(self, task: CellTask) -> None:
        """Give it to an idle process."""
        server = self._idle.pop()
        server.submit(task)
        self._busy[server] = task

    def wait(self, seconds: float) -> Iterator[tuple[CellTask, CellResult]]:
        """Answers that are there."""
        servers = {server.fileno(): server for server in self._busy}
        poll = select.poll()
        for fd in servers:
            poll.register(fd, select.POLLIN)
        for server in [servers[fd] for fd, _ in poll.poll(seconds * 1000)]:
            task = self._busy.pop(server)
            self._idle.append(server)
            yield task, server.answer()

    def close(self) -> None:
        """End all of them."""
        for server in (*self._idle, *self._busy):
            server.close()
        self._idle, self._busy = [], {}


class DaskWorkers:
    """A Dask cluster, whose workers have uprobe and see the programs.

    :param jobs: cells at a time, twice the cluster's threads if not given
    """

    def __init__(self, address: str, jobs: int | None) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise PluginError(
                f"a Dask cluster needs the package distributed: {error}",
                plugin="dask",
                hint="pip install 'uprobe[farm]'",
                slug="missing-extra",
            ) from error
        try:
            self._client = Client(address, timeout=10)
        except OSError as error:
            raise UsageError(
                f"no Dask scheduler answers at {address!r}: {error}",
                hint="'dask scheduler' prints its address when it starts",
            ) from None
        self._jobs = jobs
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[str, tuple[Any, CellTask]] = {}
        """By the key of the future, which is held until it has a result."""

    @property
    def room(self) -> int:
        """What the cluster may get now; workers come and go."""
        jobs = self._jobs or 2 * max(1, sum(self._client.nthreads().values()))
        return max(0, jobs - len(self._tasks))

    def submit(self, task: CellTask) -> None:
        """Queue it; the cells of a worker that is lost run elsewhere."""
        future = self._client.submit(run_on_worker, task, key=f"uprobe-{task.key}", pure=False, retries=3)
        self._tasks[future.key] = future, task
        future.add_done_callback(self._done.put)

    def wait(self, seconds: float) -> Iterator[tuple[CellTask, CellResult]]:
        """What has come back."""
        ended: list[Any] = []
        try:
            ended.append(self._done.get(timeout=seconds))
            while True:
                ended.append(self._done.get_nowait())
        except queue.Empty:
            pass
        for future in ended:
            _, task = self._tasks.pop(future.key)
            try:
                found: CellResult = future.result()
            except Exception as error:  # the cluster's own, such as a worker that is lost each time
                found = no_result(f"lost: {type(error).__name__}: {error}")
            yield task, found

    def close(self) -> None:
        """Give up what still runs."""
        self._client.cancel([future for future, _ in self._tasks.values()])
        self._client.close()


_of_thread = threading.local()


def run_on_worker(task: CellTask) -> CellResult:
    """Run a cell in the server of this thread of a cluster's worker."""
    server = getattr(_of_thread, "server", None)
    if server is None:
        server = _of_thread.server = Server()
    server.submit(task)
    return server.answer()
