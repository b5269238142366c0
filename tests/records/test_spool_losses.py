"""What a forked process found and had no room for: the session knows that something is missing."""

from __future__ import annotations

import errno
import os
import pickle
import struct
from pathlib import Path

import pytest

from uprobe_core.records.spool import Spool


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
    spool.put_output(1, 2, b"third")
    spool.wait_for_children()
    assert (spool.lost_messages, spool.lost_records) == (1, 1)
    assert spool.lacked == "what forked processes found is lost, 1 records of forked processes are lost"
    assert list(spool.messages()) == [("first", 1)]
    assert list(spool.outputs()) == []


def test_without_a_loss_nothing_is_said(spool: Spool) -> None:
    spool.put(("first", 1))
    spool.wait_for_children()
    assert (spool.lost_messages, spool.lost_records) == (0, 0)


def test_a_forked_process_tells_the_session(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data) if len(data) == 1 else len(data) - 1)
    child = os.fork()
    if child == 0:
        spool.put(("second", 2))
        os._exit(0)
    os.waitpid(child, 0)
    spool.wait_for_children()
    assert (spool.lost_messages, spool.lost_records) == (1, 0)


class Planted:
    """What does something when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("planted",)


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 20, 39, 40, 45, 200])
def test_nothing_of_the_programs_is_taken_for_a_message_where_one_is_torn(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: int
) -> None:
    """The disk is full in the middle of one entry, and has room for the next, whose text looks like one."""
    monkeypatch.chdir(tmp_path)
    write, body = os.write, pickle.dumps(Planted())
    spool.put_output(1, 7, b"first")
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:kept]))
    spool.put_output(2, 7, b"x" * 300)
    monkeypatch.setattr(os, "write", write)
    fake = b"".join(struct.pack("<IIqq", len(body), kind, 3, 7) + body for kind in range(3))
    texts = [fake, struct.pack("<16sIIqq", b"y" * 16, len(body), 1, 3, 7) + body, b"last"]
    for text in texts:
        spool.put_output(3, 7, text)
    spool.wait_for_children()
    assert list(spool.messages()) == []
    assert list(spool.outputs()) == [b"first", *texts]
    assert spool.lost_records == 1
    assert list(tmp_path.iterdir()) == []
