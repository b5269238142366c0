"""A question that waits at qemu-user's stub for the next stop: one exchange a hit instead of two."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.packets import frame
from uprobe_gdbremote.registers import PC, Habit, ThreadRegisters
from uprobe_gdbremote.runner import Runner

from tests.gdbremote.test_client import block, names

READ = 256
"""Bytes that qemu-user's gdb_handlesig reads at a time."""


class Late:
    """A client whose program goes on at 0x1000, and the other end of its connection."""

    def __init__(self) -> None:
        ours, self.stub = socket.socketpair()
        self.client = Client(Channel(ours, "a stub"))
        self.stub.sendall(b"+$#00")  # it knows no vCont
        self.runner = Runner(self.client, takes_address=True, reads_late=True, interrupt=lambda: None)
        self.stub.recv(4096)
        self.registers = ThreadRegisters(self.client, names(), b"", Habit())
        self.task: Any = SimpleNamespace(registers=self.registers, thread=b"")

    def go_on(self) -> bytes:
        """What is sent to go on."""
        self.registers.forget()
        self.registers.set(PC, 0x1000)
        self.runner.resume(self.task)
        return self.stub.recv(4096)

    def stop(self, *answers: bytes) -> int:
        """The stub says that the program was stopped, and *answers*; what PC is then."""
        self.stub.sendall(b"".join(b"+" + frame(each) for each in (b"T05", *answers)))
        assert self.runner.wait().kind == "signal"
        self.registers.forget()
        self.registers.foresee(*self.client.answer_ahead())
        return self.registers.get(PC)


@pytest.fixture
def late() -> Iterator[Late]:
    """Such a client; closed at the end."""
    made = Late()
    yield made
    made.client.channel.close()
    made.stub.close()


def test_the_stub_reads_the_question_only_when_the_program_has_stopped(late: Late) -> None:
    """It takes the acknowledgement by itself, and all of a read before it lets the program run."""
    sent = late.go_on()
    assert sent[:1] == b"+"
    assert sent[1 : 1 + READ].lstrip(b"+") == frame(b"c1000")
    assert sent[1 + READ :] == b"+" + frame(b"p20")


def test_the_answer_is_there_with_the_stop(late: Late) -> None:
    late.go_on()
    assert late.stop(b"0020000000000000") == 0x2000
    late.stub.setblocking(False)
    with pytest.raises(BlockingIOError):
        late.stub.recv(1)


def test_all_registers_are_asked_for_where_the_last_stop_wanted_more_than_pc(late: Late) -> None:
    late.go_on()
    late.stop(b"0020000000000000")
    threading.Timer(0, late.stub.sendall, (b"+" + frame(block(x0=7, pc=0x2000)),)).start()
    assert late.registers.get(0) == 7
    late.stub.recv(4096)
    assert late.go_on().endswith(frame(b"g"))
    assert late.stop(block(x0=8, pc=0x3000)) == 0x3000
    assert late.registers.get(0) == 8


def test_a_stop_of_another_length_than_the_last_is_read_as_well(late: Late) -> None:
    late.go_on()
    late.stop(b"0020000000000000")
    late.go_on()
    assert late.stop(b"00200000") == 0x2000
    late.go_on()
    assert late.stop(b"0030000000000000") == 0x3000


def test_an_answer_that_comes_before_the_stop_is_of_no_use_and_nothing_is_asked_ahead_again(
    late: Late,
) -> None:
    late.go_on()
    late.stub.sendall(b"+" + frame(b"0010000000000000") + b"+" + frame(b"T05"))
    assert late.runner.wait().kind == "signal"
    assert late.client.answer_ahead() == (b"", b"")
    assert late.go_on() == b"+" + frame(b"c1000")
