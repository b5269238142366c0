"""A process that is kept warm and forks a child for each cell; and how it is talked to.

Everything that a run needs is imported once.  Messages are pickles with their
length in front, over a pair of pipes: both ends are this package.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from typing import IO, Any

from uprobe_core.session.own_python import own_python
from uprobe_core.sweeping.cell_run import CellResult, CellTask, end_with_parent, no_result, run_cell

__all__ = ("Server", "serve")

_LENGTH = struct.Struct("<Q")


def _send(stream: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)  # noqa: S301  # from a process that we started ourselves


class Server:
    """The other end of a server process, one cell at a time."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        command = own_python("from uprobe_core.sweeping.server import serve; serve()")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours: what a cell does then is not its result
        )

    def fileno(self) -> int:
        """Readable when an answer is there."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def submit(self, task: CellTask) -> None:
        """Have *task* run."""
        assert self._process.stdin is not None
        try:
            _send(self._process.stdin, task)
        except BrokenPipeError:
            self.restart()
            _send(self._process.stdin, task)

    def answer(self) -> CellResult:
        """Its result, waited for; one of a server that was killed says so."""
        assert self._process.stdout is not None
        try:
            found: CellResult = _receive(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            status = self._process.wait()
            self.restart()
            return no_result(f"its worker ended with {status}")
        return found

    def restart(self) -> None:
        """Take a new process."""
        self.close()
        self._start()

    def close(self) -> None:
        """End it, with what it runs."""
        process = self._process
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        if process.poll() is None:
            process.terminate()
        process.wait()


def serve() -> None:
    """Answer tasks from standard input until it ends."""
    tasks, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    end_with_parent()
    import uprobe_core.session.session  # noqa: F401  # before the first fork, once for all cells

    while True:
        try:
            task = _receive(tasks)
        except EOFError:
            return
        _warm(task)
        _send(answers, run_cell(task))


def _warm(task: CellTask) -> None:
    """Load what every cell with this backend loads."""
    from uprobe_core.discovery.load import load_arch, load_backend, load_consumer
    from uprobe_core.errors import UprobeError

    try:
        load_backend(task.setup.backend)
        load_arch(task.setup.arch)
        for use in task.setup.consumers:
            load_consumer(use.name, use.options)
    except UprobeError:
        return  # the cell says so itself
