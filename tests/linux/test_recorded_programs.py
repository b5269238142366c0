"""Programs that ask Linux about signals, threads and processes get the answers of a real arm64 kernel.

``recorded/NAME.txt`` is what ``programs/NAME.c`` printed under Linux 6.12 (Debian
6.12.117, arm64, two CPUs).  The programs print nothing that depends on time,
place or the C library.
"""

from __future__ import annotations

import pytest

from tests.linux.guests import RECORDED, build, run

SVE_RECORD = " 53564501:16"
"""The recording machine had SVE, so each of its frames has an SVE record; ours has no SVE."""


PROGRAMS = ("signal_calls", "signal_frame", "thread_calls", "process_calls", "nonblocking", "vdso")


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_prints_what_it_printed_on_a_kernel(name: str) -> None:
    """Line by line; a missing tail means that the program hung or died."""
    outcome = run(build(name))
    recorded = (RECORDED / f"{name}.txt").read_text().replace(SVE_RECORD, "")
    assert outcome.stdout.splitlines() == recorded.splitlines(), outcome.stderr
    assert outcome.status == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_program_results_do_not_depend_on_the_seed(seed: int) -> None:
    """Other interleavings, the same answers."""
    outcome = run(build("thread_calls"), seed=seed)
    assert outcome.stdout == (RECORDED / "thread_calls.txt").read_text(), outcome.stderr
