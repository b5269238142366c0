"""What brk, mmap and relatives answer, and what a program finds at its start, is what a real kernel gives.

``recorded/*.txt`` was printed under Linux 6.12 (Debian 6.12.117, arm64, two CPUs) by the
programs of the same name, ``start_state`` with the arguments and environment below.
"""

from __future__ import annotations

from tests.linux.guests import RECORDED, build, run


def recorded(name: str) -> list[str]:
    return (RECORDED / f"{name}.txt").read_text().splitlines()


def test_memory_calls_answer_as_a_kernel_does() -> None:
    """Errors, faults, files, sharing, heap, code that is rewritten."""
    outcome = run(build("memory_calls"))
    assert outcome.stdout.splitlines() == recorded("memory_calls"), outcome.stderr
    assert outcome.status == 0


def test_program_finds_the_stack_that_a_kernel_builds() -> None:
    """Vectors, strings and auxiliary values."""
    outcome = run(build("start_state"), "one", "two")
    assert [line for line in outcome.stdout.splitlines() if not _of_user(line)] == [
        line for line in recorded("start_state") if not _of_user(line)
    ]


def _of_user(line: str) -> bool:
    """Lines with the user's ids, which are the host's."""
    return line.startswith(("aux 11:", "aux 12:", "aux 13:", "aux 14:"))
