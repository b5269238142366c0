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
        self._file = file
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
        with open(self._file, "a", encoding="ascii") as file:
            file.write(json.dumps(self.spent) + "\n")


def main() -> None:
    """Run ``uprobe`` with the rest of the command line."""
    account = _Account(os.path.abspath(sys.argv[1]))
    from uprobe_linux.machine import LinuxMachine
    from uprobe_unicorn.native.cpu import NativeCpu

    from uprobe_core.cli import main as uprobe

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
    status = uprobe(["run", *sys.argv[3:]])
    account.write()
    leave(status)


if __name__ == "__main__":
    main()
