"""Everything that is installed, each tried in a process of its own: none can take another with it."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
from typing import NoReturn

from uprobe_core.discovery.contracts import construct
from uprobe_core.discovery.entries import Kind, PluginEntry, PluginStatus, entries
from uprobe_core.discovery.fitting import check_class, check_instance, try_writer
from uprobe_core.discovery.importing import import_plugin, patience
from uprobe_core.discovery.load import choose
from uprobe_core.errors import UprobeError

__all__ = ("survey",)

_HINT = "the plugin or something that it needs is broken or missing"


def survey() -> list[PluginStatus]:
    """Import and check everything that is installed, for ``uprobe plugins``; never raises UprobeError."""
    return [_apart(entry) for kind in Kind for entry in entries(kind)]


def _apart(entry: PluginEntry) -> PluginStatus:
    """The status of *entry*, found out in a forked process."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _report_and_exit(entry, writer)
    os.close(writer)
    try:
        report = _read_all(reader, patience() + 2)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if report:
        found: PluginStatus = pickle.loads(report)  # noqa: S301  # our own child's
        return found
    return PluginStatus(entry, f"{entry} {_ending(status)}", "", _HINT)


def _ending(status: int) -> str:
    """How a process ended that did not report."""
    if not os.WIFSIGNALED(status):
        return f"ended the process while it was tried (status {os.WEXITSTATUS(status)})"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return f"was not done after {patience():g} s"
    return f"crashed while it was tried ({signal.Signals(number).name})"


def _report_and_exit(entry: PluginEntry, writer: int) -> NoReturn:
    """In the child: whatever the plugin does, the caller's code is not come back to."""
    try:
        report = pickle.dumps(_status(entry))
        with open(writer, "wb") as file:
            file.write(report)
        os._exit(0)
    finally:
        os._exit(1)


def _read_all(reader: int, seconds: float) -> bytes:
    """What is written to a pipe until its other end is closed; b"" if that takes longer than *seconds*."""
    data, end = b"", time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return b""
        part = os.read(reader, 1 << 16)
        if not part:
            return data
        data += part


def _status(entry: PluginEntry) -> PluginStatus:
    """Import *entry* and hold it against its contract."""
    from traceback import format_exception

    said: list[str] = []
    try:
        plugin = import_plugin(choose(entry.kind, entry.name), said.append)
        if entry.kind is Kind.WRITER:
            try_writer(entry, plugin)
        elif entry.kind is Kind.CONSUMER:
            check_class(entry, plugin)
        else:
            check_instance(entry, construct(entry, plugin))
    except UprobeError as error:
        trace = "".join(format_exception(error.__cause__ or error))
        return PluginStatus(entry, error.message, trace, error.hint, error.slug == "missing-extra")
    if said:
        text = said[0].removeprefix("uprobe: warning: ")
        hint = "standard output is the program's: a plugin writes to standard error"
        return PluginStatus(entry, text, hint=hint, usable=True)
    return PluginStatus(entry)
