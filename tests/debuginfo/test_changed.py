"""Functions whose calls the compiler has changed: what they take and give is known, or said not to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debuginfo.programs import built, by_zig, hits_of
from uprobe_core.source_names import of_type

GONE = "<call changed by the compiler>"


@pytest.mark.parametrize("made", [lambda: built("changed.c", "-O2"), lambda: by_zig("changed.c", "-O2")])
def test_a_result_that_may_be_gone_is_not_made_up(made: type[Path]) -> None:
    entries, ends = hits_of(made(), ["p {}:cut n b=p->b", "r {}:cut"]).values()
    assert entries == ["n=4 b=1", "n=5 b=5"]
    assert ends == [f"ret={GONE}"] * 2


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("<app::Dog as app::Animal>::speak", "app::Dog::speak"),
        ("<alloc::vec::Vec<T> as core::ops::Fn<(A) -> B>>::f", "alloc::vec::Vec<T>::f"),
        ("app::Dog::speak", "app::Dog::speak"),
        ("<impl str>::len", "<impl str>::len"),
    ],
)
def test_methods_of_traits_are_called_by_their_type(name: str, short: str) -> None:
    assert of_type(name) == short
