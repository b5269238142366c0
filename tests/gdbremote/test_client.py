"""What is asked of a stub, and what is made of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from uprobe_gdbremote.channel import Channel, Lost
from uprobe_gdbremote.client import Client, StubError
from uprobe_gdbremote.packets import frame
from uprobe_gdbremote.registers import PC, Habit, RegisterNames, ThreadRegisters
from uprobe_gdbremote.stops import Stop, parse_stop, to_linux, to_stub
from uprobe_gdbremote.target_xml import read_layout

from tests.gdbremote.stub import Stub
from uprobe_core.errors import BackendError

Connect = Callable[[dict[bytes, Any]], tuple[Client, Stub]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A client of a stub with these answers."""
    made: list[tuple[Client, Stub]] = []

    def make(answers: dict[bytes, Any]) -> tuple[Client, Stub]:
        stub = Stub(answers)
        made.append((Client(Channel(stub.client, "a stub")), stub))
        return made[-1]

    yield make
    for client, stub in made:
        client.channel.close()
        stub.join()


def test_features_are_agreed_on_and_question_mark_is_asked_before_any_breakpoint(connect: Connect) -> None:
    client, stub = connect({b"qSupported": b"PacketSize=fa0;QStartNoAckMode+;x-", b"?": b"T05"})
    assert client.greet() == b"T05"
    assert (client.has("QStartNoAckMode"), client.has("x"), client.room) == (True, False, 0xFA0 - 16)
    assert [packet.partition(b":")[0] for packet in stub.asked] == [b"qSupported", b"QStartNoAckMode", b"?"]


def test_a_machine_that_ran_may_tell_that_it_stopped_before_it_answers(connect: Connect) -> None:
    """QEMU's system emulation does."""

    def supported(_: bytes) -> bytes:
        stub._own.sendall(frame(b"T02thread:01;"))
        return b"PacketSize=fa0"

    client, stub = connect({b"qSupported": supported, b"?": b"T05"})
    assert client.greet() == b"T05"
    assert client.features == {"PacketSize": "fa0"}


def test_an_answer_to_another_question_is_another_thread_that_ran_on(connect: Connect) -> None:
    """As two threads of qemu-user give it that both read what was asked."""
    client, _ = connect({b"z0": b"d406400000000000", b"p20": b"05thread:01;", b"m": b"OK"})
    registers = ThreadRegisters(client, names(), b"", Habit())
    asked: list[Callable[[], Any]] = [
        lambda: client.remove(0x1000, 4),
        lambda: client.read(0x1000, 4),
        lambda: registers.get(PC),
    ]
    for ask in asked:
        with pytest.raises(BackendError, match="another thread ran on"):
            ask()


def test_a_stub_that_wants_none_gets_no_acknowledgements(connect: Connect) -> None:
    client, _stub = connect({b"qSupported": b"QStartNoAckMode+", b"QStart": b"OK", b"?": b"T05"})
    client.greet()
    assert not client.channel.acks


def test_memory_is_read_in_pieces_that_fit_into_a_packet(connect: Connect) -> None:
    def answer(packet: bytes) -> bytes:
        address, size = (int(word, 16) for word in packet[1:].split(b","))
        return bytes((address + n) & 0xFF for n in range(size)).hex().encode()

    client, stub = connect({b"m": answer})
    assert client.read(0x100, 600) == bytes(n & 0xFF for n in range(600))
    assert len(stub.asked) == 4


def test_a_read_ends_where_memory_does(connect: Connect) -> None:
    client, _stub = connect({b"m": b"0102"})
    assert client.read(0x100, 4) == b"\1\2"
    client, _stub = connect({b"m": b"E14"})
    assert client.read(0x100, 4) == b""


def test_an_object_is_read_to_its_end(connect: Connect) -> None:
    answers = {b"qXfer:auxv:read::0,": b"mab", b"qXfer:auxv:read::2,": b"lcd"}
    client, _stub = connect(answers)
    client.features["qXfer:auxv:read"] = ""
    assert client.object("auxv") == b"abcd"
    assert client.object("exec-file") is None


def test_a_breakpoint_that_the_stub_refuses_is_an_error(connect: Connect) -> None:
    client, _stub = connect({b"Z0": b"E01"})
    with pytest.raises(StubError, match="E01"):
        client.insert(0x1000, 4)


def test_a_connection_that_breaks_says_to_whom_and_what_to_do(connect: Connect) -> None:
    client, _stub = connect({b"g": None})
    with pytest.raises(Lost, match="the connection to a stub is lost: it closed the connection") as caught:
        client.ask(b"g")
    assert "kept" in caught.value.hint


def test_a_damaged_answer_is_asked_for_again() -> None:
    stub = Stub({})
    channel = Channel(stub.client, "a stub")
    stub._own.sendall(b"$OK#00$OK#9a")
    assert channel.receive(5) == b"OK"
    channel.close()
    stub.join()


@pytest.mark.parametrize("answer", [b"T05thread:p1.2;", b"00" * 100])
def test_a_stop_in_place_of_an_answer_is_another_thread_that_ran_on(connect: Connect, answer: bytes) -> None:
    client, _stub = connect({b"Z0": answer})
    with pytest.raises(BackendError, match="another thread ran on") as caught:
        client.insert(0x1000, 4)
    assert caught.value.slug == "target-threads"
    assert "gdbserver" in caught.value.hint


# --- stops --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packet", "stop"),
    [
        (b"S0b", Stop("signal", 11)),
        (b"T05thread:p1.2;swbreak:;20:0010000000000000;", None),
        (b"W2a;process:1f", Stop("exited", code=42, process=0x1F)),
        (b"X09", Stop("killed", 9)),
        (b"N", Stop("none")),
        (b"O6869", Stop("output", text=b"hi")),
        (b"w00;p1.2", Stop("thread-exit", thread=b"p1.2")),
    ],
)
def test_a_stop_reply_is_read(packet: bytes, stop: Stop | None) -> None:
    if stop is None:
        stop = Stop(
            "signal", 5, thread=b"p1.2", reasons={"swbreak": b""}, registers={32: b"\0\x10" + bytes(6)}
        )
    assert parse_stop(packet) == stop


def test_what_is_no_stop_reply_is_refused() -> None:
    with pytest.raises(ValueError, match="no stop reply"):
        parse_stop(b"l")


@pytest.mark.parametrize(
    ("stub", "linux"), [(10, 7), (30, 10), (20, 17), (11, 11), (45, 33), (75, 63), (78, 64)]
)
def test_signals_have_other_numbers_in_the_protocol(stub: int, linux: int) -> None:
    assert (to_linux(stub), to_stub(linux)) == (linux, stub)


# --- registers ----------------------------------------------------------------------------------------

NAMES = (*(f"x{n}" for n in range(31)), "sp", "pc", "cpsr")
CORE = "".join(f'<reg name="{n}" bitsize="{32 if n == "cpsr" else 64}"/>' for n in NAMES)
DOCUMENTS = {
    "target.xml": '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>'
    '<architecture>aarch64</architecture><xi:include href="core.xml"/><xi:include href="fpu.xml"/></target>',
    "core.xml": f'<?xml version="1.0"?><feature name="org.gnu.gdb.aarch64.core">{CORE}</feature>',
    "fpu.xml": '<feature name="f"><reg name="v0" bitsize="128" regnum="40"/></feature>',
}


def names() -> RegisterNames:
    """Those of the documents above."""
    return RegisterNames(read_layout(lambda annex: DOCUMENTS[annex].encode()))


def test_registers_lie_where_the_description_and_its_includes_say() -> None:
    found = names()
    assert [each.number for each in found.general] == list(range(34))
    assert found.general[PC].offset == 32 * 8
    assert found.vectors[0].number == 40


def test_a_description_of_another_architecture_is_refused() -> None:
    text = b"<target><architecture>i386</architecture><reg name='eax' bitsize='32'/></target>"
    with pytest.raises(BackendError, match="describes i386"):
        RegisterNames(read_layout(lambda _annex: text))


def test_a_description_that_declares_entities_is_refused() -> None:
    text = b'<!DOCTYPE t [<!ENTITY a "b">]><target/>'
    with pytest.raises(BackendError, match="cannot be read"):
        read_layout(lambda _annex: text)


def thread(client: Client) -> ThreadRegisters:
    """The registers of a stub's only thread."""
    return ThreadRegisters(client, names(), b"", Habit())


def block(**changed: int) -> bytes:
    """What ``g`` gives, with some registers set."""
    values = [changed.get(name, 0).to_bytes(4 if name == "cpsr" else 8, "little") for name in NAMES]
    return b"".join(values).hex().encode()


def test_pc_alone_is_asked_for_by_itself_until_more_is_wanted(connect: Connect) -> None:
    client, stub = connect({b"p20": b"0010000000000000", b"g": block(x0=7, pc=0x1000)})
    registers = thread(client)
    assert registers.get(PC) == 0x1000
    registers.forget()
    assert (registers.get(PC), registers.get(0)) == (0x1000, 7)
    registers.forget()
    assert (registers.get(PC), registers.get(0)) == (0x1000, 7)
    assert stub.asked == [b"p20", b"p20", b"g", b"g"]


def test_what_was_written_goes_out_once_and_is_read_back_without_asking(connect: Connect) -> None:
    client, stub = connect({b"g": block(), b"P": b"OK"})
    registers = thread(client)
    registers.set(3, 0x1234)
    assert registers.get(3) == 0x1234
    registers.flush()
    registers.flush()
    assert stub.asked == [b"P3=3412000000000000"]


def test_many_registers_are_written_together(connect: Connect) -> None:
    client, stub = connect({b"g": block(x9=9), b"G": b"OK"})
    registers = thread(client)
    for index in range(6):
        registers.set(index, index + 1)
    registers.flush()
    assert stub.asked == [b"g", b"G" + block(x0=1, x1=2, x2=3, x3=4, x4=5, x5=6, x9=9)]
