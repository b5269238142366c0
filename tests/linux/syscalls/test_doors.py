"""Each system call has its record, and those that are said to be ours do not reach the host."""

from __future__ import annotations

import pytest
from uprobe_linux.syscalls import table
from uprobe_linux.syscalls.doors import DOORS, Reach

from tests.linux.syscalls.host_reach import reached

HANDLERS = {entry.name: entry.handler for entry in table.Table().whole().values()}


def test_each_registered_call_has_a_record_and_each_record_a_call() -> None:
    assert HANDLERS.keys() == DOORS.keys()


def test_a_call_without_a_record_cannot_be_registered() -> None:
    with pytest.raises(KeyError):
        table.syscall("io_uring_setup")(lambda task: 0)


def test_kinds_are_those_of_the_manual() -> None:
    assert {door.kind for door in DOORS.values()} == {"emulated", "passed", "refused"}


def test_what_reaches_the_host_says_with_what() -> None:
    """But for those that are about the host process alone."""
    without = {name for name, door in DOORS.items() if door.reach is Reach.NOTHING}
    of_the_process = {"umask", "clone", "clone3", "exit", "exit_group"}
    assert without == of_the_process | {name for name, door in DOORS.items() if door.kind != "passed"}


@pytest.mark.parametrize("kind", ["emulated", "refused"])
def test_what_is_not_passed_on_calls_nothing_of_the_host(kind: str) -> None:
    names = [name for name, door in DOORS.items() if door.kind == kind]
    found = {name: reached(HANDLERS[name].__module__, HANDLERS[name].__qualname__) for name in names}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_calls_that_are_known_to_reach_the_host_are_seen_to_do_so() -> None:
    """The reading finds what it looks for: directly, by a function of another file, by a method."""
    expected = {"ftruncate": "os.ftruncate", "openat": "os.open", "dup": "fcntl.fcntl", "mkdirat": "os.mkdir"}
    for name, call in expected.items():
        assert call in reached(HANDLERS[name].__module__, HANDLERS[name].__qualname__)
