"""Packets as bytes: what GDB's manual says of frames, escapes and runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uprobe_gdbremote.packets import Packet, escaped, expanded, frame, split


def test_a_frame_has_the_sum_of_its_bytes() -> None:
    assert frame(b"OK") == b"$OK#9a"
    assert frame(b"") == b"$#00"


@given(st.binary())
def test_what_was_escaped_is_expanded_to_itself(data: bytes) -> None:
    text = escaped(data)
    assert expanded(text) == data
    assert not any(byte in text for byte in b"$#*")


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_a_packet_is_found_whatever_follows_it(data: bytes, more: bytes) -> None:
    assert split(frame(escaped(data)) + more) == (Packet(data), more)


def test_a_run_repeats_the_byte_before_it() -> None:
    """The example of the manual: ``0* `` is four zeroes."""
    assert expanded(b"0* ") == b"0000"


@pytest.mark.parametrize("cut", range(6))
def test_half_a_packet_waits_for_the_rest(cut: int) -> None:
    packet, rest = split(b"$OK#9a"[:cut])
    assert packet is None
    assert split(rest + b"$OK#9a"[cut:])[0] == Packet(b"OK")


def test_acknowledgements_and_noise_before_a_packet_are_dropped() -> None:
    assert split(b"+-+$OK#9a") == (Packet(b"OK"), b"")


def test_a_wrong_sum_is_said() -> None:
    packet, _rest = split(b"$OK#00")
    assert packet is not None
    assert not packet.good


def test_a_notification_is_told_from_an_answer() -> None:
    packet, _rest = split(b"%Stop:T05#00")
    assert packet is not None
    assert packet.notification
