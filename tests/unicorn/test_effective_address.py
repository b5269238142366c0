"""effective_address says where a store lands: the CPU stores, the test finds the first byte that changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uprobe_linux.cpu import Event, Perm
from uprobe_linux.cpu_support.effective_address import access_bytes, effective_address

from tests.unicorn.cpu_bench import CODE, SVC, Bench, bench

AREA, SIZE = 0x10_0000, 0x10_0000
MIDDLE = AREA + SIZE // 2

FORMS = {
    "unsigned offset": (0x39000000, ((30, 2), (10, 12))),
    "unscaled, post, pre, unprivileged": (0x38000000, ((30, 2), (12, 9), (10, 2))),
    "register offset": (0x38204800, ((30, 2), (12, 1), (13, 1), (15, 1))),
    "pair of words": (0x28000000, ((15, 7), (23, 2))),
    "pair of doublewords": (0xA8000000, ((15, 7), (23, 2))),
    "vector unsigned offset": (0x3D000000, ((30, 2), (10, 12))),
    "quadword unsigned offset": (0x3D800000, ((10, 12),)),
    "quadword unscaled, post, pre": (0x3C800000, ((12, 9), (11, 1))),
    "vector pairs": (0x2C000000, ((15, 7), (23, 2))),
    "quadword pairs": (0xAC000000, ((15, 7), (23, 2))),
    "exclusive": (0x08007C00, ((30, 2),)),
    "store-release": (0x089FFC00, ((30, 2),)),
    "unscaled store-release": (0x19000000, ((30, 2), (12, 9))),
    "four registers": (0x0C002000, ((30, 1),)),
    "swap": (0x38208000, ((30, 2),)),
}
"""Fixed bits and the free fields (position, width); Rn is x1, Rm x2, the data x3 or v3, status x4."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Bench]:
    with bench() as made:
        made.memory.map(AREA, SIZE, Perm.READ | Perm.WRITE)
        yield made


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_stored_bytes_begin_at_the_effective_address_and_are_no_more_than_said(
    machine: Bench, form: str, data: st.DataObject
) -> None:
    """With index registers of either sign."""
    word = _encode(form, data)
    index = data.draw(st.integers(-0x4000, 0x4000)) & ((1 << 64) - 1)
    cpu = machine.cpu
    machine.load(word, SVC)
    for register, value in ((1, MIDDLE), (2, index), (3, (1 << 64) - 1), (5, (1 << 64) - 1)):
        cpu.set_reg(register, value)
    for register in range(3, 7):
        cpu.set_vec(register, (1 << 128) - 1)
    expected = effective_address(word, CODE, cpu.get_reg)
    _make_exclusive(machine, form)
    if cpu.run() is not Event.SYSCALL:
        return  # not every value of the free fields is an instruction
    first, end = _changed(machine)
    assert first == expected
    assert end <= first + access_bytes(word)


def _encode(form: str, data: st.DataObject) -> int:
    word, fields = FORMS[form]
    for position, width in fields:
        word |= data.draw(st.integers(0, (1 << width) - 1)) << position
    if form == "exclusive":
        word |= 4 << 16
    elif form == "register offset":
        word |= 2 << 16
    elif form == "swap":
        word |= 3 << 16
    elif form == "store-release":
        word |= 31 << 16
    if "pair" in form:
        word |= 5 << 10
    return word | 1 << 5 | 3


def _make_exclusive(machine: Bench, form: str) -> None:
    """A store-exclusive needs a load-exclusive of the same size before it."""
    if form == "exclusive":
        word = machine.memory.read_u32(CODE)
        load = (word & 0xC000_0000) | 0x085F7C00 | 1 << 5 | 6
        machine.load(load, word, SVC)


def _changed(machine: Bench) -> tuple[int, int]:
    """Where the bytes in the area that are not zero begin and end; the area is zero again afterwards."""
    content = machine.memory.read(AREA, SIZE)
    machine.memory.discard(AREA, SIZE)
    at = content.find(b"\xff")
    assert at >= 0
    return AREA + at, AREA + content.rfind(b"\xff") + 1


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0x58000040, CODE + 8),
        (0x58FFFFE0, CODE - 4),
        (0xD50B7421, MIDDLE),
        (0x8B020020, None),
        (0x54000000, None),
    ],
    ids=["literal", "literal behind", "dc zva", "add", "branch"],
)
def test_literals_cache_maintenance_and_others(word: int, expected: int | None) -> None:
    """Loads from their own surroundings; what is no access has no address."""
    assert effective_address(word, CODE, lambda _: MIDDLE) == expected
