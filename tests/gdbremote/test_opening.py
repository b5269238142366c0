"""A stub that waits for somebody to say what to run or to attach to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.opening import _attach

from tests.gdbremote.stub import Stub
from uprobe_core.backend import Target
from uprobe_core.errors import BackendError


def attach(answers: dict[bytes, Any], target: Target, first: bytes = b"W00") -> tuple[bytes, list[bytes]]:
    """The stop that comes of it, and what was asked."""
    stub = Stub(answers)
    channel = Channel(stub.client, "a stub")
    connection: Any = SimpleNamespace(client=Client(channel), first=first)
    try:
        _attach(connection, target)
    finally:
        channel.close()
        stub.join()
    return connection.first, stub.asked


def test_a_process_is_attached_to_by_its_number() -> None:
    stop, asked = attach({b"!": b"OK", b"vAttach": b"T00thread:p1f.1f;"}, Target([], pid=31))
    assert stop == b"T00thread:p1f.1f;"
    assert asked == [b"!", b"vAttach;1f"]


def test_a_program_is_started_with_its_arguments() -> None:
    stop, asked = attach({b"!": b"OK", b"vRun": b"T05thread:p2.2;"}, Target(["/root/app", "1 2"]))
    assert stop == b"T05thread:p2.2;"
    assert asked[-1] == b"vRun;2f726f6f742f617070;312032"


def test_a_stub_that_has_a_program_is_asked_nothing() -> None:
    assert attach({}, Target(["./app"]), first=b"T05thread:1;") == (b"T05thread:1;", [])


def test_a_stub_that_cannot_says_so_with_what_to_start() -> None:
    with pytest.raises(
        BackendError, match="a stub cannot attach to process 31: it does not know how"
    ) as caught:
        attach({b"!": b"OK"}, Target([], pid=31))
    assert "--multi" in caught.value.hint
