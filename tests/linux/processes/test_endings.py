"""How programs end, as their parent and the shell see it, and that nobody is left behind."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.linux.guests import build, run


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("exit",), 300 & 0xFF),
        (("kill", str(int(signal.SIGKILL))), 128 + signal.SIGKILL),
        (("kill", str(int(signal.SIGTERM))), 128 + signal.SIGTERM),
        (("kill", "40"), 128 + 40),
        (("kill", str(int(signal.SIGCHLD))), 0),
        (("fault",), 128 + signal.SIGSEGV),
        (("udf",), 128 + signal.SIGILL),
        (("brk",), 128 + signal.SIGTRAP),
        (("smash",), 128 + signal.SIGSEGV),
        (("stack",), 128 + signal.SIGSEGV),
    ],
)
def test_shell_status(arguments: tuple[str, ...], status: int) -> None:
    """The exit status, or 128 and the signal's number."""
    assert run(build("endings"), *arguments).status == status


def test_wait_status_through_two_generations() -> None:
    """A killed grandchild and a terminated child, each to its own parent."""
    outcome = run(build("endings"), "chain")
    assert outcome.stdout.splitlines() == ["grandchild 9", "child f"]


def test_fork_bomb_meets_the_limit() -> None:
    """EAGAIN at the limit (the parent counts too), and the group can be killed."""
    outcome = run(build("endings"), "bomb", processes=10)
    assert outcome.stdout.splitlines() == ["9 children, then errno is EAGAIN: 1"]
    assert outcome.status == 128 + signal.SIGKILL


def test_background_job_is_waited_for() -> None:
    """What a process of the session prints after the program's end is not lost."""
    assert run(build("endings"), "background").stdout.splitlines() == ["early", "late"]


def test_daemon_is_killed_when_the_program_ends() -> None:
    """A process that left the session does not outlive the run."""
    program = build("endings")
    start = time.monotonic()
    assert run(program, "daemon").stdout.splitlines() == ["done"]
    assert time.monotonic() - start < 20
    left = subprocess.run(["pgrep", "-f", f"{program} daemon"], capture_output=True, check=False)
    assert left.stdout == b""
