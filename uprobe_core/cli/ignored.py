"""Exceptions that Python ignores (of finalizers, of threads, at exit): a line each, not a traceback."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from uprobe_core.discovery.staying import owner
from uprobe_core.errors import described, said_by

__all__ = ("in_a_line_each",)


def in_a_line_each() -> None:
    """From now on in this process."""
    said: set[str] = set()

    def say(args: Any) -> None:
        error = args.exc_value if args.exc_value is not None else args.exc_type()
        who = _owner(args.exc_traceback) or described(getattr(args, "object", None) or args.thread)
        text = f"uprobe: warning: {who} raised {said_by(error)} where nobody takes it"
        if text not in said and sys.stderr is not None:
            said.add(text)
            print(text, file=sys.stderr)

    sys.unraisablehook = threading.excepthook = say


def _owner(trace: TracebackType | None) -> str | None:
    found = None
    while trace is not None:
        found = owner(trace.tb_frame.f_globals.get("__name__")) or found
        trace = trace.tb_next
    return found
