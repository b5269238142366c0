"""Somebody's code while it is imported: it may raise, exit, print or hang, and is named for each."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from uprobe_core.discovery.entries import PluginEntry, load_point
from uprobe_core.discovery.moved import where_to_look
from uprobe_core.discovery.staying import keep_here
from uprobe_core.errors import PluginError, UprobeError, said_by

__all__ = ("PATIENCE_SWITCH", "import_plugin", "outsiders", "patience")

PATIENCE_SWITCH = "UPROBE_IMPORT_SECONDS"
"""Environment variable: how long the import of one plugin may take."""


def patience() -> float:
    """Seconds that the import of one plugin may take: 10, or what the environment says."""
    try:
        return float(os.environ.get(PATIENCE_SWITCH, "10"))
    except ValueError:
        return 10.0


outsiders: set[str] = set()
"""The packages, other than ours, that a plugin was imported from."""

_BROKEN = "the plugin or something that it needs is broken or missing; --debug shows its traceback"


_AGAIN_SECONDS = 1
"""An exception that is raised while an object is being finalized is lost: so long after it comes another."""


class _TooLongError(BaseException):
    """No Exception, so that a plugin that catches everything does not catch it."""


def import_plugin(entry: PluginEntry, say: Callable[[str], None] | None = None) -> Any:
    """Import what *entry* points to; raises PluginError that names it for whatever goes wrong.

    What it prints is kept from standard output, which is the program's, and
    told to *say* (default: standard error), with who printed it.
    """
    printed = StringIO()
    if not entry.is_ours:
        outsiders.add(entry.package)
        keep_here(entry)
    try:
        with _no_longer_than(patience()), _without_output(printed):
            return load_point(entry)
    except UprobeError:
        raise
    except _TooLongError as error:
        raise _failed(entry, f"was still importing after {patience():g} s") from error
    except SystemExit as error:
        raise _failed(entry, f"exited while it was imported (status {error.code})") from error
    except KeyboardInterrupt as interrupt:
        (say or _say)(f"uprobe: interrupted while {entry} was imported")
        raise interrupt
    except Exception as error:
        what = f"failed to import: {said_by(error)}"
        raise _failed(entry, what, where_to_look(error)) from error
    finally:
        if text := printed.getvalue().strip():
            (say or _say)(f"uprobe: warning: {entry} printed while it was imported: {_short(text)}")


def _failed(entry: PluginEntry, what: str, hint: str = "") -> PluginError:
    return PluginError(
        f"{entry} {what}",
        plugin=entry.name,
        hint=hint or _BROKEN,
        slug="plugin-import",
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _say(text: str) -> None:
    if sys.stderr is not None:  # it is None when the caller closed it
        print(text, file=sys.stderr, flush=True)


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise _TooLongError inside after *seconds*; Python has no means for it outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, interval)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _without_output(printed: StringIO) -> Iterator[None]:
    """Let what is printed inside end up in *printed*, by Python or behind its back."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # the caller closed it
        kept = -1
    aside = os.memfd_create("printed")
    try:
        if kept >= 0:
            os.dup2(aside, 1)
        with redirect_stdout(printed):
            yield
    finally:
        if kept >= 0:
            os.dup2(kept, 1)
            os.close(kept)
        printed.write(os.pread(aside, 1 << 16, 0).decode(errors="replace"))
        os.close(aside)
