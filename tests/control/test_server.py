"""Who is let in at the socket of a run, and until when."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from uprobe_core.control.doors import Door
from uprobe_core.control.server import Server
from uprobe_core.control.wire import Wire

PATIENCE = 20.0


class Nothing:
    """A run of which nothing can be had but that it is there."""

    add = report = switch = remove = None

    def listing(self) -> dict[str, str]:
        return {"kind": "answer"}

    def gone(self, wire: Wire) -> None:
        """Nothing of his is here."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, str]]:
    """A server of nothing, and where it is; its own process may come in."""
    monkeypatch.setattr("uprobe_core.control.server.peer_is_ours", lambda _connection: True)
    path = str(tmp_path / "door")
    server = Server([Door.unix(path, socket.SOCK_SEQPACKET)], cast("Any", Nothing()))
    server.begin()
    yield server, path
    server.end()


def visitor(stack: contextlib.ExitStack, path: str) -> socket.socket:
    """Who has connected and asked something."""
    client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    client.settimeout(PATIENCE)
    client.connect(path)
    with contextlib.suppress(OSError):  # he is turned away already
        client.send(b'{"do": "list"}')
    return client


def answer_to(client: socket.socket) -> bytes:
    """b"" where he is turned away."""
    try:
        return client.recv(99)
    except ConnectionResetError:  # before what he asked was read
        return b""


def test_sixteen_are_served_at_once_and_no_more(served: tuple[Server, str]) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            assert answer_to(visitor(stack, served[1]))
        assert answer_to(visitor(stack, served[1])) == b""


def test_at_its_end_a_server_hangs_up_and_lets_nobody_in(served: tuple[Server, str]) -> None:
    server, path = served
    with contextlib.ExitStack() as stack:
        client = visitor(stack, path)
        assert answer_to(client)
        server.end()
        assert client.recv(99) == b""
        with contextlib.suppress(ConnectionRefusedError):  # or hung up, who comes meanwhile
            assert answer_to(visitor(stack, path)) == b""
