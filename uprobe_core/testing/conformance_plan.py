"""From words to batches of cases, and from checked cases to counts by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from uprobe_core.testing.conformance_bench import Bench, Case, Checked, Difference

__all__ = ("BATCH", "Tally", "batches", "check")

BATCH = 128
"""Words that lie in the page together: enough to share the cost of placing probes."""
KEPT = 3
"""Differences that are kept to be shown, for each class and way."""


@dataclass(slots=True)
class Tally:
    """What came of some words; adds up.

    :param words: by class
    :param endings: cases by (class, how they ended bare: "ran" or as in Ending.what)
    :param different: cases with a difference, by class
    :param skipped: words that were not run, by reason
    """

    words: Counter[str] = field(default_factory=Counter)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    differences: list[tuple[str, Difference]] = field(default_factory=list)
    """Some of them, each with its class."""

    @property
    def cases(self) -> int:
        """How many (word, state) cases were run in every mode."""
        return self.endings.total()

    def add(self, other: Tally) -> None:
        """Add *other* to this."""
        self.words += other.words
        self.endings += other.endings
        self.different += other.different
        self.skipped += other.skipped
        for name, difference in other.differences:
            self._keep(name, difference)

    def _keep(self, name: str, difference: Difference) -> None:
        same = sum(kept == name and one.way == difference.way for kept, one in self.differences)
        if same < KEPT:
            self.differences.append((name, difference))

    def note(self, name: str, checked: Checked) -> None:
        """Count one case of class *name*."""
        ending = checked.ending
        ran = ending.what == "breakpoint" and ending.pc != checked.case.address
        self.endings[name, "ran" if ran else ending.what] += 1
        if checked.differences:
            self.different[name] += 1
            for difference in checked.differences:
                self._keep(name, difference)


def batches(
    bench: Bench, words: Iterable[int], states: int, first_seed: int, tally: Tally
) -> Iterator[list[Case]]:
    """Group *words* for :meth:`Bench.run`, *states* cases each; counts what is left out in *tally*."""
    batch: list[Case] = []
    place = 0
    for word in words:
        cases = [Case(word, first_seed + number, place) for number in range(states)]
        if bench.driver.refuses(word):
            tally.skipped["would end the emulator itself"] += 1
        elif bench.rejects(cases[0]):
            tally.skipped["refused by the policy"] += 1
        elif bench.loops(cases[0]):
            tally.skipped["branches to itself"] += 1
        elif bench.meets_others(cases[0]):
            yield cases
        else:
            batch += cases
            place += 1
            if place == BATCH:
                yield batch
                batch, place = [], 0
    if batch:
        yield batch


def check(bench: Bench, words: Iterable[int], states: int, first_seed: int) -> Tally:
    """Run *words* from *states* states each, seeds counting up from *first_seed*."""
    tally = Tally()
    class_of = bench.encodings.class_of
    for cases in batches(bench, words, states, first_seed, tally):
        names = {case.word: class_of(case.word) for case in cases}
        tally.words.update(names.values())
        for checked in bench.run(cases):
            tally.note(names[checked.case.word], checked)
    return tally
