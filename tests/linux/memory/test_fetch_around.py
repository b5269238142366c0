"""The first fetch from text makes the text around it known as well: not each page is asked for by itself."""

from __future__ import annotations

from typing import Any

import pytest
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.memory.arena import Arena
from uprobe_linux.memory.code_pages import AROUND, CodePages

TEXT = 16 * AROUND
READ_EXEC = int(Perm.READ | Perm.EXEC)


class Cpu:
    """Finds each byte of 0xff unsafe."""

    survives = True

    def unsafe_offsets(self, code: memoryview) -> list[int]:
        return [at for at, byte in enumerate(bytes(code)) if byte == 0xFF]


class Text:
    """Three times AROUND of text from TEXT on, its pages in one piece."""

    end = TEXT + 3 * AROUND

    def __init__(self) -> None:
        cpu: Any = Cpu()
        self.arena = Arena(1 << 22)
        self.physical = self.arena.allocate(self.end - TEXT)
        self.code = CodePages(self.arena, cpu, lambda _start, _end: None)

    def fetch(self, page: int, start: int = TEXT, end: int = end) -> set[int]:
        """Fetch from *page*, text is [start, end); the pages that are known then."""
        self.code.fetch(page, self.physical + page - TEXT, READ_EXEC)
        self.code.fetch_around(page, start, end)
        return set(self.code.pages)


@pytest.fixture
def text() -> Text:
    return Text()


def test_what_lies_in_the_same_part_of_the_text_is_known(text: Text) -> None:
    middle = TEXT + AROUND
    assert text.fetch(middle + 5 * PAGE) == set(range(middle, middle + AROUND, PAGE))


def test_it_ends_where_the_text_does(text: Text) -> None:
    start, end = TEXT + 2 * PAGE, TEXT + 7 * PAGE
    assert text.fetch(start + PAGE, start, end) == set(range(start, end, PAGE))


def test_each_page_is_fetched_from_where_it_lies(text: Text) -> None:
    for page in text.fetch(TEXT):
        assert text.code.pages[page].physical == text.physical + page - TEXT


def test_a_page_that_was_known_stays_as_it_was(text: Text) -> None:
    text.code.fetch(TEXT + PAGE, text.physical + PAGE, READ_EXEC)
    before = text.code.pages[TEXT + PAGE]
    text.fetch(TEXT)
    assert text.code.pages[TEXT + PAGE] is before


def test_where_a_word_would_end_the_emulator_each_page_is_looked_at_by_itself(text: Text) -> None:
    text.arena.view[text.physical + 3 * PAGE] = 0xFF
    assert text.fetch(TEXT) == {TEXT}
