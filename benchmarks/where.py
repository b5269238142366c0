"""Where the processor time of a run goes: ``python -m benchmarks.where FILE run ...``, as ``uprobe run ...``.

Each process of the run appends one line to FILE when it ends: a JSON object of seconds.  ``start`` is
all before the program runs, ``guest`` translation, translated code and what is done in C, ``pages``
the answers of Python to misses, ``fork`` forking the host process, ``python`` the rest of the run
(system calls, scheduling, programs being loaded), ``end`` what comes after it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ("PARTS",)

PARTS = ("start", "guest", "pages", "fork", "python", "end")


class _Account:
    """Processor seconds of this process by part; what is inside of another part is not counted twice."""

    def __init__(self, file: str) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # behind the walls it cannot be
        self._part = "start"
        self.spent = dict.fromkeys(PARTS, 0.0)
        self._since = 0.0

    def enter(self, part: str) -> str:
        """*part* begins; returns the one before."""
        now = time.process_time()
        self.spent[self._part] += now - self._since
        before, self._part, self._since = self._part, part, now
        return before

    def timed(self, owner: Any, name: str, part: str, after: str = "") -> None:
        """Count what the function *name* of *owner* does for *part*, what follows for *after* (as before)."""
        function: Callable[..., Any] = getattr(owner, name)

        def inside(*args: Any, **options: Any) -> Any:
            before = self.enter(part)
            try:
                return function(*args, **options)
            finally:
                self.enter(after or before)

        setattr(owner, name, inside)

    def in_child(self) -> None:
        """A forked process has spent nothing yet, but what making it took."""
        self.spent = dict.fromkeys(PARTS, 0.0)
        self._since = 0.0

    def write(self) -> None:
        """Append the line of this process."""
        self.enter(self._part)
        os.write(self._file, json.dumps(self.spent).encode() + b"\n")


def main() -> None:
    """Run ``uprobe`` with the rest of the command line."""
    account = _Account(sys.argv[1])
    from uprobe_core.cli import compiled, process

    compiled.keep_modules()  # before what follows is imported, as the command would
    compiled.keep_dataclasses()
    vars(process).update(keep_modules=lambda: None, keep_dataclasses=lambda: None)
    from uprobe_linux.machine import LinuxMachine
    from uprobe_unicorn.native.cpu import NativeCpu

    leave = os._exit

    def leaving(status: int) -> NoReturn:
        account.write()
        leave(status)

    os._exit = leaving
    os.register_at_fork(after_in_child=account.in_child)
    account.timed(LinuxMachine, "run", "python", after="end")
    account.timed(NativeCpu, "run", "guest")
    account.timed(NativeCpu, "_answer_fill", "pages")
    account.timed(os, "fork", "fork")
    sys.argv[1:] = sys.argv[2:]
    try:
        process.command()
    except SystemExit:
        account.write()
        raise


if __name__ == "__main__":
    main()
