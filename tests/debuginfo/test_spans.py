"""The function around an address, of many that may overlap: as a look at each finds it."""

from __future__ import annotations

import random

import pytest

from uprobe_core.debuginfo.spans import Spans


@pytest.mark.parametrize("seed", range(20))
def test_the_last_of_those_around_an_address_is_found(seed: int) -> None:
    chance = random.Random(seed)
    starts = [(chance.randrange(100), number) for number in range(chance.randrange(30))]
    all_of = [(start, start + chance.randrange(1, 40), number) for start, number in starts]
    spans = Spans(all_of)
    for address in range(-1, 150):
        around = [number for start, end, number in all_of if start <= address < end]
        assert spans.last_at(address) == max(around, default=None)
