"""One cell, run in a forked process of its own: what it found, or why it did not."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from uprobe_core.errors import UprobeError
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.decisive import note
from uprobe_core.writer import escaped

__all__ = ("CellResult", "CellTask", "end_with_parent", "no_result", "run_cell")

CellResult = Mapping[str, Any]
"""Plain data: status, signal, reason, error, stdout, stderr, events, consumers, expectations, records."""
_POLL = 0.25
"""Seconds between two looks at the memory of a cell."""
_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class CellTask:
    """What a worker is given.

    :param seconds: of wall time that the cell may take, after which it is killed
    :param memory: bytes that its processes may hold together, None: any
    :param records: whether its records are wanted
    :param capture: bytes of each of its output streams that are kept
    :param kept: files and folders of the sweep's that no cell may change
    """

    index: int
    key: str
    setup: RunSetup
    seconds: float = 600.0
    memory: int | None = None
    records: bool = False
    capture: int = 4096
    kept: tuple[str, ...] = ()


def run_cell(task: CellTask) -> CellResult:
    """Run it to its end, or to that of its time or memory; never raises for what the cell does."""
    # The folder is ours to remove: to the cell, behind its wall, it is a mount.
    with (
        tempfile.TemporaryDirectory(prefix="uprobe-cell-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as result,
    ):
        gc.freeze()  # the child shares our pages as long as nobody counts its references
        pid = os.fork()
        if not pid:
            _in_child(task, folder, out, err, result)
        gc.unfreeze()
        ended, reason = _wait(pid, task)
        found = _read(result)
        streams = {"stdout": _head(out, task.capture), "stderr": _head(err, task.capture)}
    if reason or found is None:
        reason = reason or _why_ended(ended)
        found = dict(no_result(reason))
    return {**found, **streams}


def no_result(reason: str, error: str = "") -> CellResult:
    """The result of a cell that found nothing."""
    found: dict[str, Any] = {"status": None, "signal": None, "reason": reason, "error": error}
    return found | {
        "events": [],
        "consumers": [],
        "expectations": [],
        "records": [],
        "stdout": "",
        "stderr": "",
    }


def end_with_parent() -> None:
    """A process that is killed takes the ones below it, which say this, with it."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
    if os.getppid() != parent:
        os._exit(1)


def _wait(pid: int, task: CellTask) -> tuple[int, str]:
    """The wait status of *pid*, and why it was killed by us ("" if it was not)."""
    end, reason = time.monotonic() + task.seconds, ""
    handle = os.pidfd_open(pid)
    try:
        ending = select.poll()
        ending.register(handle, select.POLLIN)
        while not ending.poll(_POLL * 1000):
            if time.monotonic() > end:
                reason = "timeout"
            elif task.memory is not None and _held(pid) > task.memory:
                reason = "memory"
            if reason:
                break
    finally:
        os.close(handle)
        _kill(pid)
    return os.waitpid(pid, 0)[1], reason


def _kill(pid: int) -> None:
    """End the group of *pid*, with what it left behind."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it had no time to have a group, or has none any more
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(pid, signal.SIGKILL)


def _held(pid: int) -> int:
    """Resident bytes of *pid* and its descendants that are its own."""
    held, todo = 0, [pid]
    while todo:
        each = todo.pop()
        try:
            with open(f"/proc/{each}/statm") as file:
                _, resident, shared, *_ = map(int, file.read().split())
            held += (resident - shared) * _PAGE
            with open(f"/proc/{each}/task/{each}/children") as file:
                todo += map(int, file.read().split())
        except (OSError, ValueError):
            continue
    return held


def _why_ended(status: int) -> str:
    """How a cell ended that left no result."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with {os.WEXITSTATUS(status)} and no result"


def _read(result: BinaryIO) -> dict[str, Any] | None:
    result.seek(0)
    try:
        found = json.loads(result.read())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _head(stream: BinaryIO, size: int) -> str:
    stream.seek(0)
    return escaped(stream.read(size).decode("utf-8", "surrogateescape"))


# --- in the child -----------------------------------------------------------------------------------------


def _in_child(task: CellTask, folder: str, out: BinaryIO, err: BinaryIO, result: BinaryIO) -> None:
    """Become the cell; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        end_with_parent()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out.fileno(), 1), (err.fileno(), 2)):
            os.dup2(source, target)
        found = _found(task, folder)
        # In one piece: half a result is none.
        result.write(json.dumps(found).encode())
        result.flush()
        status = 0
    except BaseException:  # whatever it is, it is the cell's and stays in it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _found(task: CellTask, folder: str) -> dict[str, Any]:
    report, records = os.path.join(folder, "report"), os.path.join(folder, "records")
    for path in task.kept:
        note(path)
    output, form = (records, "jsonl") if task.records else (os.devnull, "tracefs")
    try:
        ended = _run(replace(task.setup, report=(report,), output=output, format=form))
    except UprobeError as error:
        return dict(no_result("error", escaped(f"{error.slug}: {error.message}")))
    with open(report, encoding="utf-8") as file:
        document = json.load(file)
    rows = _records(records) if task.records else []
    kept = {name: document[name] for name in ("events", "consumers", "expectations")}
    return {**kept, **ended, "error": "", "records": rows}


def _run(setup: RunSetup) -> dict[str, Any]:
    from uprobe_core.session.session import Session

    with Session.from_setup(setup) as session:
        session.confine()  # the process is the cell's own
        status = session.run()
    return {"status": status.shell_status, "signal": status.signal, "reason": status.reason}


def _records(path: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        return [record for record in map(json.loads, file) if "event" in record]
