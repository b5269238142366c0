"""The command as a process of its own: what a library would not do to who calls it.

A command makes a hundred thousand objects that stay to its end.  Python's collector would look
through all of them again and again while they are made, and once more at exit, where
Python also frees them one by one: together a fifth of a short run.
"""

from __future__ import annotations

import _thread
import atexit
import gc
import os
import sys

from uprobe_core.cli import COMMANDS, main
from uprobe_core.cli.compiled import keep_dataclasses, keep_modules, save_compiled, settle_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from uprobe_core.session.session import Session

__all__ = ("collect_from_now_on", "command", "confine")

_owned: list[bool] = []
"""Not empty if this process does nothing but the command."""


def command() -> NoReturn:
    """Do what ``sys.argv`` asks for, and end with its status."""
    gc.disable()
    _owned.append(True)
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        keep_modules()
        keep_dataclasses()
    status = main()
    save_compiled()
    if _is_all_ours():
        _leave(status)
    sys.exit(status)


def confine(session: Session) -> None:
    """The command is about to open what it does not trust: give up what *session* does not need.

    Not in the process of somebody who calls :func:`~uprobe_core.cli.main`, who would lose it, too.
    """
    if _owned:
        session.confine(before=save_compiled)


def collect_from_now_on() -> None:
    """The command is about to run a program: collect what becomes garbage, but not among what is there."""
    settle_modules()
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _is_all_ours() -> bool:
    """Whether nobody else's code waits for its objects to be freed: no plugin's, debugger's, profiler's."""
    importing = sys.modules.get("uprobe_core.discovery.importing")
    is_watched = sys.gettrace() is not None or sys.getprofile() is not None
    return not is_watched and not _thread._count() and not getattr(importing, "outsiders", None)


def _leave(status: int) -> None:
    """End here: exit functions are called and the standard streams written, as Python would."""
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(status)
