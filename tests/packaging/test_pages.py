"""Every snippet of the manual works: pages are worked through from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.pages import Page, Reader, is_shown, pages
from tests.programs import ROOT

LANGUAGES = {"c", "console", "cpp", "json", "make", "python", "sh", "text", "toml", "yaml"}
SLOW = {"docs/tutorial.md"}


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page.name in SLOW)) for page in pages()], ids=str
)
def test_what_a_page_says_is_so(page: Page, tmp_path: Path) -> None:
    Reader(tmp_path).read(page)


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_block_says_its_language(page: Page) -> None:
    assert not [str(block) for block in page.blocks if block.language not in LANGUAGES]


@pytest.mark.parametrize("page", pages(), ids=str)
def test_who_is_said_to_run_a_block_reads_its_page(page: Page) -> None:
    for block in page.blocks:
        by = block.notes.get("run by")
        assert by is None or Path(page.name).name in (ROOT / by).read_text(), str(block)


@pytest.mark.parametrize(
    ("shown", "out", "err", "is_so"),
    [
        (["a", "b"], ["a"], ["b"], True),
        (["b", "a"], ["a"], ["b"], True),
        (["b", "a"], ["a", "b"], [], False),
        (["a"], ["a"], ["b"], False),
        (["a", "..."], ["a"], ["b", "c"], True),
        (["x=..."], ["x=3"], [], True),
        (["1.000001: a"], ["2.000003: a"], [], True),
        (["  1 us x"], [" 23.5 ms x"], [], True),
        (["0x1011bf0 4"], ["0x1011c00 4"], [], True),
        (["a=0x1"], ["a=0x2"], [], False),
        ([], ["anything"], [], True),
    ],
)
def test_lines_that_are_shown_are_those_of_both_streams(
    shown: list[str], out: list[str], err: list[str], is_so: bool
) -> None:
    assert is_shown(shown, out, err) is is_so
