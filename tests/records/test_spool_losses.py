"""What a forked process found and had no room for: the session knows that something is missing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from uprobe_core.records.spool import Spool


@pytest.fixture
def spool() -> Iterator[Spool]:
    made = Spool()
    made.prepare()
    yield made
    made.close()


def test_a_message_without_room_is_known_once_the_children_were_waited_for(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.put(("first", 1))
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    spool.put(("second", 2))
    spool.wait_for_children()
    assert spool.lost
    assert list(spool.messages()) == [("first", 1)]


def test_without_a_loss_nothing_is_said(spool: Spool) -> None:
    spool.put(("first", 1))
    spool.wait_for_children()
    assert not spool.lost


def test_a_forked_process_tells_the_session(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data) if len(data) == 1 else len(data) - 1)
    child = os.fork()
    if child == 0:
        spool.put(("second", 2))
        os._exit(0)
    os.waitpid(child, 0)
    spool.wait_for_children()
    assert spool.lost
