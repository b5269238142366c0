"""The protocol with the gdbserver of this machine: greeted, read, written, run to the end."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from uprobe_gdbremote.client import Client
from uprobe_gdbremote.stops import parse_stop


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
