"""``uprobe why`` where instructions have different lengths: only a function's start is known to be one's."""

from __future__ import annotations

from typing import Any

import pytest

from uprobe_core.cli.why import _instructions
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.testing.toy_arch import Op, ToyArch, encode, short

CODE = short(Op.NOP) + encode(Op.ADD, 1) + short(Op.LOAD, 2) + encode(Op.JUMP, 8) + short(Op.RET)
STARTS = [0x400, 0x402, 0x406, 0x408, 0x40C]


class Image:
    """CODE at 0x400, a function if *named*."""

    def __init__(self, *, named: bool) -> None:
        self.named = named

    def read(self, vaddr: int, size: int) -> bytes:
        at = vaddr - 0x400
        return CODE[at : at + size] if 0 <= at < len(CODE) else b""

    def symbol_at(self, vaddr: int) -> tuple[str, int] | None:
        return ("function", vaddr - 0x400) if self.named else None


def starts(image: Any, vaddr: int) -> list[int]:
    return [address for address, _found in _instructions(image, vaddr, 8, bind_arch(ToyArch()))]


@pytest.mark.parametrize("vaddr", STARTS)
def test_a_function_is_read_from_its_start(vaddr: int) -> None:
    assert starts(Image(named=True), vaddr) == STARTS


def test_without_a_function_what_lies_before_a_place_is_not_guessed() -> None:
    assert starts(Image(named=False), 0x406) == [0x406, 0x408, 0x40C]
