"""Timers that nobody else holds expire as those do that are looked at one by one, which is the reference."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from uprobe_linux.scheduling.descriptor_timers import DescriptorTimers, SharedTimer


class Pair:
    """The same timers twice: known to be ours alone, and shared with others."""

    def __init__(self) -> None:
        self.own, self.shared = DescriptorTimers(), DescriptorTimers()
        self.timers: dict[int, tuple[SharedTimer, SharedTimer]] = {}
        self._names: dict[SharedTimer, int] = {}

    def add(self, number: int) -> None:
        process: Any = None
        pair = tuple(SharedTimer(process, realtime=False, lock=contextlib.nullcontext) for _ in range(2))
        self.timers[number] = pair[0], pair[1]
        self._names.update(dict.fromkeys(pair, number))
        for timer, known in zip(pair, (self.own, self.shared), strict=True):
            known.watch(timer)
        self.shared.before_fork()

    def drop(self, number: int) -> None:
        for timer in self.timers.pop(number):
            del self._names[timer]

    def set(self, number: int, interval: int, expiry: int | None) -> None:
        for timer in self.timers[number]:
            timer.interval, timer.expiry = interval, expiry

    def taken(self, known: DescriptorTimers, now: int) -> list[tuple[int, int]]:
        return [(self._names[timer], timer.take(now)) for timer in known.take(now)]


@pytest.mark.parametrize("seed", range(4))
def test_timers_of_ours_expire_as_shared_ones(seed: int) -> None:
    chosen, pair, now = random.Random(seed), Pair(), 1
    for step in range(600):
        now += chosen.randrange(20)
        number = chosen.choice(list(pair.timers) or [step])
        match chosen.randrange(6):
            case 0:
                pair.add(step)
            case 1 if number in pair.timers and len(pair.timers) > 5:
                pair.drop(number)
            case 2 | 3 if number in pair.timers:
                pair.set(number, chosen.choice((0, 3, 50)), chosen.choice((None, now + 1, now + 80)))
            case 4 if number in pair.timers:
                assert len({(timer.was_read(now), timer.left(now)) for timer in pair.timers[number]}) == 1
        assert pair.own.next_expiry() == pair.shared.next_expiry()
        if chosen.randrange(2):
            assert pair.taken(pair.own, now) == pair.taken(pair.shared, now)
