"""The protocol with the gdbserver of this machine: greeted, read, written, run to the end."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.stops import parse_stop

import uprobe_core as up
from tests.programs import ROOT
from uprobe_core.errors import UprobeError

LOOP = ROOT / "examples" / "loop"


def test_it_is_greeted_and_stops_acknowledging(client: Client) -> None:
    stop = parse_stop(client.greet())
    assert (stop.kind, stop.signal) == ("signal", 5)
    assert not client.channel.acks
    assert stop.thread in set(client.threads())


def test_memory_is_read_whatever_its_size_and_written(client: Client) -> None:
    """Where the kernel put the program's random bytes (AT_RANDOM), and what is above them on the stack."""
    client.greet()
    data = client.object("auxv") or b""
    address = next(value for tag, value in struct.iter_unpack("<QQ", data) if tag == 25)
    before = client.read(address, 400)
    assert len(before) == 400
    assert client.write(address, before[:16][::-1])
    assert client.read(address, 400) == before[:16][::-1] + before[16:]
    assert client.read(0x10, 4) == b""


def test_objects_are_read(client: Client) -> None:
    client.greet()
    assert client.object("exec-file") == str(Path(sys.executable).resolve()).encode()
    assert len(client.object("auxv") or b"") % 16 == 0


def test_a_program_that_is_left_runs_to_its_end(client: Client) -> None:
    client.greet()
    stop = parse_stop(client.channel.ask(b"vCont;c"))
    while stop.kind == "signal":
        stop = parse_stop(client.channel.ask(b"vCont;c"))
    assert (stop.kind, stop.code) == ("exited", 0)


@pytest.mark.parametrize("argv", [[str(LOOP)], ["/no/copy"], []], ids=["other", "missing", "not named"])
def test_a_refused_set_up_does_not_end_the_program(
    server: tuple[subprocess.Popen[str], int], argv: list[str]
) -> None:
    """A gdbserver that serves once kills what it has started when its connection just ends."""
    process, port = server
    run = up.Session(argv, backend="gdbremote", address=f"tcp:localhost:{port}")
    with run, pytest.raises(UprobeError):
        run.open()
    assert process.communicate(timeout=10)[0] == "7\n"
