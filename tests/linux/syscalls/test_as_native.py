"""Families of system calls: one program prints the same under the host's kernel and as a guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linux.guests import build
from tests.linux.native import agrees_with_the_host, both, in_private_root, run_inside


@pytest.mark.parametrize(
    "name",
    [
        "aio_calls",
        "file_calls",
        "event_calls",
        "policies",
        "size_limits",
        "fork_pages",
        "hung_up",
        "interfaces",
        "neighbours",
        "shrinking",
        "shared_timer",
        "process_memory",
        "memory_file",
        "vfork_copy",
        "cut_control",
        "many_messages",
        "vector_flags",
    ],
)
def test_a_program_sees_what_it_sees_on_the_host(name: str, tmp_path: Path) -> None:
    agrees_with_the_host(name, tmp_path)


def test_a_thread_that_never_stops_calling_does_not_keep_another_from_its_data(tmp_path: Path) -> None:
    assert run_inside(build("busy_poll"), tmp_path) == "read\n"


def test_the_two_ends_of_a_fifo_wait_for_each_other(tmp_path: Path) -> None:
    assert run_inside(build("fifo"), tmp_path) == "60\n"


def test_shared_memory_segments_are_those_of_a_kernel(tmp_path: Path) -> None:
    """In an IPC namespace of its own on the host, where no other segment is counted."""
    host, guest = both("shared_segments")
    (tmp_path / "host").mkdir()
    (tmp_path / "guest").mkdir()
    expected = in_private_root(host, tmp_path / "host", proc=True)
    assert run_inside(guest, tmp_path / "guest").splitlines() == expected.splitlines()
