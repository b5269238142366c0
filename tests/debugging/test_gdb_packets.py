"""What the stub answers to packets, and to whom."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.debugging.packets import Asked, exchange
from tests.debugging.visits import PATIENCE, Ended, environment, started
from tests.programs import GUEST, either
from uprobe_core.control.doors import Door
from uprobe_core.debugging.packets import INTERRUPT, framed, take
from uprobe_core.errors import UsageError


@pytest.fixture(scope="module")
def program() -> Path:
    return either(GUEST / "visited.c")


@pytest.fixture(scope="module")
def undisturbed(program: Path) -> Ended:
    """The run without a debugger."""
    command = [sys.executable, "-m", "uprobe_core.cli", "run", str(program)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]"])
def test_others_than_this_machine_have_no_door(host: str) -> None:
    with pytest.raises(UsageError, match="not this machine's own address"):
        Door.tcp(host, 0)


@pytest.mark.parametrize("address", ["unix:gdb", "tcp:127.0.0.1:0"])
def test_a_second_client_is_refused_at_once_and_a_lost_one_lets_the_run_go_on(
    address: str, program: Path, undisturbed: Ended, tmp_path: Path
) -> None:
    with started(["--gdb", address, str(program)], tmp_path) as run:
        asked = Asked(run, tmp_path)
        first = asked.connect()
        assert exchange(first, b"?").startswith(b"T05")
        with pytest.raises(ConnectionRefusedError):
            asked.connect()
        first.close()
        assert run.wait(timeout=PATIENCE) == undisturbed.status
    assert (tmp_path / "out").read_text() == undisturbed.out


def test_an_interrupt_stops_what_runs_and_is_told_as_one(tmp_path: Path) -> None:
    program = either(GUEST / "spin.c")
    words = ["--gdb", "unix:gdb", str(program), "1000000000"]
    with started(words, tmp_path) as run, Asked(run, tmp_path).connect() as connection:
        assert exchange(connection, b"?").startswith(b"T05")
        connection.sendall(framed(b"c"))
        time.sleep(0.3)
        assert exchange_interrupt(connection).startswith(b"T02")
        connection.sendall(framed(b"k"))
        assert run.wait(timeout=PATIENCE) == 137


@pytest.mark.parametrize("order", [b"c", b"bc"])
def test_an_interrupt_right_behind_an_order_is_not_lost(order: bytes, tmp_path: Path) -> None:
    """As an editor sends it, or who types fast; one that comes to what stands still is dropped."""
    with (
        started(["--gdb", "unix:gdb", str(either(GUEST / "spin.c")), "1000000000"], tmp_path) as run,
        Asked(run, tmp_path).connect() as connection,
    ):
        connection.sendall(INTERRUPT)
        start = int.from_bytes(bytes.fromhex(exchange(connection, b"p20").decode()), "little")
        assert exchange(connection, b"Z0,%x,4" % start) == b"OK"
        connection.sendall(framed(b"c"))
        time.sleep(0.5)
        assert exchange_interrupt(connection).startswith(b"T02")
        connection.sendall(framed(order) + INTERRUPT)
        assert stop_of(connection).startswith(b"T02")
        connection.sendall(framed(b"k"))
        assert run.wait(timeout=PATIENCE) == 137


def stop_of(connection: socket.socket) -> bytes:
    """The next packet."""
    buffer, found = bytearray(), None
    while found is None:
        buffer += connection.recv(1 << 16)
        found = take(buffer)
    return found


def exchange_interrupt(connection: socket.socket) -> bytes:
    """What the stub says to Ctrl-C."""
    connection.sendall(INTERRUPT)
    return stop_of(connection)


def test_an_interrupt_on_the_way_back_leaves_everything_where_it_was(tmp_path: Path) -> None:
    with (
        started(["--gdb", "unix:gdb", str(either(GUEST / "spin.c")), "1000000000"], tmp_path) as run,
        Asked(run, tmp_path).connect() as connection,
    ):
        start = exchange(connection, b"p20")
        connection.sendall(framed(b"c"))
        time.sleep(2)
        assert exchange_interrupt(connection).startswith(b"T02")
        here = exchange(connection, b"g")
        assert (
            exchange(connection, b"Z0,%x,4" % int.from_bytes(bytes.fromhex(start.decode()), "little"))
            == b"OK"
        )
        connection.sendall(framed(b"bc"))
        connection.settimeout(0.05)
        while not (stop := received(connection)):
            connection.sendall(INTERRUPT)
        connection.settimeout(PATIENCE)
        assert stop.startswith(b"T02")
        assert exchange(connection, b"g") == here
        connection.sendall(framed(b"k"))
        assert run.wait(timeout=PATIENCE) == 137


def received(connection: socket.socket) -> bytes:
    """The packet that comes, b"" if none does in time."""
    try:
        return take(bytearray(connection.recv(1 << 16))) or b""
    except TimeoutError:
        return b""


def test_all_registers_are_written_at_once(program: Path, tmp_path: Path) -> None:
    """The first and a middle one; the others stay."""
    with (
        started(["--gdb", "unix:gdb", str(program)], tmp_path) as run,
        Asked(run, tmp_path).connect() as connection,
    ):
        before = bytes.fromhex(exchange(connection, b"g").decode())
        words = {0: 0x1122334455667788, 7: 0x99AABBCCDDEEFF00}
        wanted = bytearray(before)
        for number, value in words.items():
            wanted[8 * number : 8 * number + 8] = value.to_bytes(8, "little")
        assert exchange(connection, b"G" + wanted.hex().encode()) == b"OK"
        assert bytes.fromhex(exchange(connection, b"g").decode()) == wanted


def test_memory_is_read_up_to_where_it_ends(program: Path, tmp_path: Path) -> None:
    """What is there of it, and an error where nothing is."""
    with (
        started(["--gdb", "unix:gdb", str(program)], tmp_path) as run,
        Asked(run, tmp_path).connect() as connection,
    ):
        registers = bytes.fromhex(exchange(connection, b"g").decode())
        top = int.from_bytes(registers[8 * 31 : 8 * 32], "little") & -4096
        while not exchange(connection, b"m%x,1" % top).startswith(b"E"):
            top += 4096
        whole = exchange(connection, b"m%x,%x" % (top - 0x1010, 0x1010))
        assert len(whole) == 2 * 0x1010
        assert exchange(connection, b"m%x,%x" % (top - 0x1010, 0x1800)) == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user, whom root can be")
def test_another_user_is_turned_away_at_a_port(tmp_path: Path, program: Path) -> None:
    stranger = "import encodings.idna, os, socket, sys\nos.setuid(65534)\n"
    stranger += "c = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
    stranger += "try:\n    c.sendall(b'$?#3f')\n    print(c.recv(99))\nexcept OSError:\n    print(b'')\n"
    with started(["--gdb", "tcp:127.0.0.1:0", str(program)], tmp_path) as run:
        asked = Asked(run, tmp_path)
        port = asked.where.rpartition(":")[2]
        done = subprocess.run([sys.executable, "-c", stranger, port], capture_output=True, check=False)
        assert (done.stdout, done.stderr) == (b"b''\n", b"")
        with asked.connect() as ours:
            assert exchange(ours, b"?").startswith(b"T05")
