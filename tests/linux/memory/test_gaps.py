"""Where the next mapping goes, however many there are."""

from __future__ import annotations

import random
import time

import pytest
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.memory.vma import Vma, VmaList

LOW, HIGH = 16 * PAGE, 400 * PAGE


def _vma(start: int, pages: int) -> Vma:
    return Vma(start, start + pages * PAGE, Perm.READ)


def _highest(vmas: VmaList, size: int) -> int | None:
    """By looking at every page."""
    return next((at for at in range(HIGH - size, LOW - PAGE, -PAGE) if vmas.is_free(at, at + size)), None)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_highest_gap_whatever_was_mapped_and_unmapped_before(seed: int) -> None:
    chance, vmas = random.Random(seed), VmaList()
    vmas.insert(_vma(HIGH + 5 * PAGE, 3))
    for _ in range(150):
        pages = chance.choice((1, 1, 2, 3, 8))
        found = vmas.highest_gap(pages * PAGE, LOW, HIGH)
        assert found == _highest(vmas, pages * PAGE)
        if found is not None and chance.random() < 0.7:
            vmas.insert(_vma(found, pages))
        elif len(vmas) > 1:
            start = chance.choice([vma.start for vma in vmas])
            for vma in vmas.carve(start, start + chance.randrange(1, 4) * PAGE):
                vmas.remove(vma)


def test_thousands_of_mappings_do_not_make_the_next_one_slow() -> None:
    def taken(count: int) -> float:
        vmas, top = VmaList(), 1 << 47
        begun = time.process_time()
        for _ in range(count):
            start = vmas.highest_gap(PAGE, 0, top)
            assert start is not None
            vmas.insert(_vma(start, 1))
        return time.process_time() - begun

    assert min(taken(4000) for _ in range(3)) < 40 * min(taken(400) for _ in range(3))
