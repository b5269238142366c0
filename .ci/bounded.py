#!/usr/bin/env python3
"""``bounded.py SECONDS COMMAND...``: what the command does, and an end of everything that it has started.

A process that a test has left behind holds the output open, and whoever reads that waits for it.  After
SECONDS the processes that still run are named and get SIGABRT, at which pytest's say where they are; the exit
status is 124 then, as of timeout(1), else the command's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_TOO_LATE = 124
_GRACE_SECONDS = 20


def _descendants() -> list[int]:
    """All that descend from this process: what has lost its parent is our child."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text(errors="replace").rpartition(")")
            parents[int(stat.parent.name)] = int(rest.split()[1])
        except OSError:
            continue
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _signal(number: signal.Signals) -> None:
    for pid in _descendants():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _status(pid: int, seconds: int) -> int | None:
    """The exit status of *pid*, None if it has none after *seconds*; meanwhile the dead are buried."""

    def late(_number: int, _frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        while True:
            found, status = os.waitpid(-1, 0)
            if found == pid:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
    except TimeoutError:
        return None
    finally:
        signal.alarm(0)


def _say(command: list[str], seconds: int) -> None:
    lines = [f"bounded: not done after {seconds} s: {' '.join(command)}; what runs:"]
    for pid in _descendants():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        lines.append(f"  {pid} {b' '.join(words).decode(errors='replace')[:200]}")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _end_the_others() -> None:
    for _ in range(1000):
        _signal(signal.SIGKILL)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.01)


def main(seconds: int, command: list[str]) -> int:
    """Run *command*; returns the exit status."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ignored_by_python = [signal.SIGPIPE, signal.SIGXFSZ]
    pid = os.posix_spawnp(command[0], command, os.environ, setsigdef=ignored_by_python)
    status = _status(pid, seconds)
    if status is None:
        _say(command, seconds)
        _signal(signal.SIGABRT)
        _status(pid, _GRACE_SECONDS)
    _end_the_others()
    return _TOO_LATE if status is None else status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
