"""Objects that are here and there: parts that no piece has are nowhere, and pieces may be single bits."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.debuginfo.location import Machine, place_of
from uprobe_core.debuginfo.numbers import Bytes, number
from uprobe_core.debuginfo.operands import Operand
from uprobe_core.debuginfo.places import Gone, InBits, InRegister, bits_of, is_whole, of_size, part_of
from uprobe_core.debuginfo.text import numbers_of
from uprobe_core.event_model import FAULT, GONE, OpCode
from uprobe_core.types import GoneError, MemoryFault

MACHINE = Machine(33, *[lambda *_: None] * 4)  # type: ignore[arg-type]  # nothing of it is asked for


def placed(*code: int) -> Any:
    return place_of(bytes(code), MACHINE)


def test_what_is_behind_all_pieces_is_nowhere() -> None:
    place = placed(0x53, 0x93, 4)  # x3, 4 bytes
    assert of_size(part_of(place, 0), 4) == InRegister(3)
    assert not is_whole(place, 16)
    assert part_of(part_of(place, 0), 4) == Gone()


def test_pieces_of_bits_are_found_by_their_bit() -> None:
    place = placed(0x9D, 3, 0, 0x53, 0x9D, 5, 8, 0x54, 0x93, 4)  # 3 bits nowhere, 5 of x3 from bit 8 on, x4
    assert isinstance(place, InBits)
    assert bits_of(place, 3, 5) == (InRegister(3, 8), 0)
    assert bits_of(place, 4, 2) == (InRegister(3, 8), 1)
    behind = part_of(place, 1)
    assert isinstance(behind, InBits)
    assert bits_of(behind, 0, 32) == (InRegister(4), 0)
    assert bits_of(place, 0, 3)[0] == Gone()


@pytest.mark.parametrize(("start", "bits"), [(2, 2), (30, 32)])
def test_a_number_in_two_pieces_of_bits_is_not_put_together(start: int, bits: int) -> None:
    with pytest.raises(LookupError, match="no whole bytes"):
        bits_of(placed(0x9D, 3, 0, 0x53, 0x9D, 37, 0), start, bits)


def test_whole_bytes_of_bits_are_bytes() -> None:
    assert placed(0x53, 0x9D, 32, 0) == placed(0x53, 0x93, 4)


def test_a_bit_field_needs_its_own_bytes_and_not_those_of_its_type() -> None:
    field = Operand(Bytes(8), part_of(placed(0x50, 0x93, 8), 1), bits=40)  # of x0, 40 bits from bit 8 on
    assert is_whole(field.place, field.size)
    assert number(field).ops[0].code is OpCode.REG


@pytest.mark.parametrize(("value", "error"), [(GONE, GoneError), (FAULT, MemoryFault)])
def test_text_whose_address_is_not_there_is_not_empty_text(value: int, error: type[Exception]) -> None:
    class Fetched:
        @staticmethod
        def run(_hit: Any) -> tuple[int, int]:
            return value, 0

    with pytest.raises(error):
        numbers_of(Fetched(), None)  # type: ignore[arg-type]  # what it needs of a program
