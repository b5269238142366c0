"""What brk, mmap and relatives answer, and what a program finds at its start, is what a real kernel gives.

``recorded/*.txt`` was printed under Linux 6.12 (Debian 6.12.117, arm64, two CPUs) by the
programs of the same name.
"""

from __future__ import annotations

import pytest

from tests.linux.guests import RECORDED, build, run


def recorded(name: str) -> list[str]:
    return (RECORDED / f"{name}.txt").read_text().splitlines()


def test_memory_calls_answer_as_a_kernel_does() -> None:
    """Errors, faults, files, sharing, heap, code that is rewritten."""
    outcome = run(build("memory_calls"))
    assert outcome.stdout.splitlines() == recorded("memory_calls"), outcome.stderr
    assert outcome.status == 0


@pytest.mark.parametrize("seed", ["7", "11"])
def test_absurd_arguments_are_refused_as_a_kernel_refuses_them(seed: str) -> None:
    """500 random calls each: sizes, addresses, flags at every edge; errors and addresses agree."""
    outcome = run(build("memory_refusals"), seed)
    assert outcome.stdout.splitlines() == recorded(f"memory_refusals_{seed}"), outcome.stderr


def test_program_finds_the_stack_that_a_kernel_builds() -> None:
    """Vectors, strings and auxiliary values."""
    outcome = run(build("start_state"), "one", "two")
    assert [line for line in outcome.stdout.splitlines() if not _of_user(line)] == [
        line for line in recorded("start_state") if not _of_user(line)
    ]


def _of_user(line: str) -> bool:
    """Lines with the user's ids, which are the host's."""
    return line.startswith(("aux 11:", "aux 12:", "aux 13:", "aux 14:"))
