"""The compliance suites catch what is broken, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uprobe_core.testing.mutants import Mutant, all_mutants, survivors
from uprobe_core.testing.mutants import survey as survey_module
from uprobe_core.testing.mutants.proxies import BrokenBackend


@pytest.mark.thorough
@pytest.mark.parametrize("third", range(3))
def test_every_mutant_is_caught_by_the_test_that_names_it(third: int) -> None:
    through = survivors(range(third, len(all_mutants()), 3))
    assert [f"{mutant.kind}: {mutant.what}" for mutant in through] == []


@pytest.mark.thorough
def test_what_is_not_broken_is_not_caught() -> None:
    """Each test that catches a mutant, on the plugin that it was made of; a backend behind its proxies."""
    found = survey_module.survivors(_once_each(), intact=True)
    assert len(found) == len(_once_each())


def _once_each() -> list[int]:
    rows = all_mutants()
    first = {(row.kind, row.caught_by): number for number, row in reversed(list(enumerate(rows)))}
    return sorted(first.values())


def test_there_are_many_kinds_of_mutants() -> None:
    kinds = [mutant.kind for mutant in all_mutants()]
    assert len(kinds) >= 60
    assert set(kinds) == {"backend", "decoder", "arch", "consumer", "writer", "hooks"}
    assert len({(m.kind, m.what) for m in all_mutants()}) == len(kinds)


def test_an_intact_plugin_is_the_good_one() -> None:
    row = Mutant("decoder", "x", "test", lambda _good: None)
    assert replace(row, broken=survey_module.intact(row)).broken("good") == "good"
    assert isinstance(survey_module.intact(replace(row, kind="backend"))(_Good()), BrokenBackend)


class _Good:
    name = "good"

    @property
    def capabilities(self) -> Mutant:
        return Mutant("any", "dataclass", "", lambda good: good)
