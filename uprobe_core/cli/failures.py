"""What the user sees when something fails, and the exit status that goes with it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from uprobe_core.errors import SpecError, UprobeError, shortage

__all__ = ("guarded", "print_error")

INTERRUPTED = 130
"""128 + SIGINT."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: the reader of our output went away, as in ``uprobe list ... | head``."""
INTERNAL = 125
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT})


def guarded(action: Callable[[], int], *, debug: bool) -> int:
    """Run *action*; any failure becomes a message on standard error and an exit status.

    With *debug* the traceback comes first.
    """
    try:
        status = action()
        if sys.stdout is not None:  # it is None when the caller closed it
            sys.stdout.flush()
    except UprobeError as error:
        _traceback(debug)
        print_error(error)
        return error.exit_status
    except KeyboardInterrupt as interrupt:
        _traceback(debug)
        if interrupt.args:  # who was asked for something when it came
            _say(f"uprobe: {interrupt}")
        return INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes standard output at exit.
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        _traceback(debug)
        lacking = shortage(error, "go on") if error.filename is None else None
        if lacking is not None and error.errno not in _OUTPUT_ERRORS:
            print_error(lacking)
            return INTERNAL
        name = "" if error.filename is None else f"{error.filename}: "
        _say(f"uprobe: error: {name}{error.strerror or error}")
        if error.errno in _OUTPUT_ERRORS:
            _say("hint: standard output cannot be written: is the disk full?")
            _drop_output()
        return INTERNAL
    except MemoryError as error:
        _traceback(debug)
        print_error(shortage(error, "go on") or UprobeError("no memory"))
        return INTERNAL
    except Exception as error:  # the last line of defence: no traceback reaches a user
        _traceback(debug)
        _say(f"uprobe: error: internal: {type(error).__name__}: {error}")
        if not debug:
            _say("hint: this is a bug in uprobe or a plugin; --debug shows where")
        return INTERNAL
    return status


def _say(text: str) -> None:
    """Write a line to standard error, if there is one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


def _drop_output() -> None:
    """Send what is left of standard output nowhere: Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _traceback(debug: bool) -> None:
    """The traceback of the exception under way, if it is wanted."""
    if debug:
        import traceback

        traceback.print_exc()


def print_error(error: UprobeError, *, where: str = "") -> None:
    """Write *error* to standard error, with its hint on a line of its own.

    A malformed event line has the form of the kernel's error_log.

    :param where: "FILE:LINE: " or the like, to be put before the message; an error may carry it as a note
    """
    where = where or "".join(getattr(error, "__notes__", ()))
    lines = _spec_lines(error, where) if isinstance(error, SpecError) else []
    for problem in getattr(error, "problems", None) or ():
        lines.append(f"uprobe: error: {problem}")
        if problem.hint:
            lines.append(f"hint: {problem.hint}")
    if not lines:
        lines.append(f"{where}uprobe: error: {error.message}")
    if error.hint and not hasattr(error, "problems"):
        lines.append(f"hint: {error.hint}")
    _say("\n".join(lines))


def _spec_lines(error: SpecError, where: str) -> list[str]:
    """The kernel's form: message, command, caret; what it does not log has our own prefix."""
    prefix = "trace_uprobe" if error.logged else "uprobe"
    lines = [f"{where}{prefix}: error: {error.message}"]
    if error.line:
        lines.append(f"  Command: {error.line}")
    if error.line and error.caret is not None:
        lines.append(" " * (len("  Command: ") + error.caret) + "^")
    return lines
