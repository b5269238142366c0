"""Paths with white space and ``#`` in quotation marks (an extension, as perf and bpftrace have it)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.command import LOOP
from tests.events.support import ANYWHERE, ARCH, KERNEL, REGISTERS
from uprobe_core.errors import SpecError
from uprobe_core.event_model import EventSpec
from uprobe_core.events.line import EventLine
from uprobe_core.events.listing import listing_of
from uprobe_core.events.parse import Language
from uprobe_core.events.quoting import path_as_written, place_as_written, quoted_path, without_comment
from uprobe_core.events.reading import SourceLine
from uprobe_core.image.resolver import ImageResolver
from uprobe_core.types import Policy

PATHS = st.text(st.characters(exclude_characters="\0\n\"'", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder that no kernel could be told of."""
    folder = tmp_path_factory.mktemp("my programs #1")
    shutil.copy(LOOP, folder / "a loop")
    return folder / "a loop"


def parse(text: str, policy: Policy = ANYWHERE) -> EventSpec:
    resolver = ImageResolver(ARCH.architecture(), ARCH.marker_operand)
    (spec,) = Language(policy, REGISTERS, resolver=resolver).parse(text)
    assert isinstance(spec, EventSpec)
    return spec


def refused(text: str, policy: Policy = ANYWHERE) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse(text, policy)
    return caught.value


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("target", ["0x1bf0", "work", "work%return", "*+0x1011bf0"])
def test_a_quoted_path_is_the_path(program: Path, quote: str, target: str) -> None:
    spec = parse(f"p:w {quote}{program}{quote}:{target} a=%x0")
    assert (spec.path, spec.offset, len(spec.args)) == (str(program), 0x1BF0, 1)


def test_the_comment_begins_behind_the_path(program: Path) -> None:
    assert len(parse(f'p:w "{program}":work a=%x0 # b=%x1').args) == 1


def test_what_is_listed_can_be_read_again(program: Path) -> None:
    listed = listing_of(parse(f'p:w "{program}":work a=%x0'))
    assert listed == f'p:uprobes/w "{program}":0x0000000000001bf0 a=%x0'
    assert listing_of(parse(listed)) == listed


def test_the_automatic_name_has_no_white_space(program: Path) -> None:
    assert parse(f'p "{program}":0x1bf0').name == "p_a_loop_0x1bf0"


def test_columns_count_what_was_written(program: Path) -> None:
    line = f'p:w   "{program}":work a=%x0 b=%zz'
    error = refused(line)
    assert error.line[error.caret :] == "%zz"
    assert SourceLine(line, "f", 3).position(error.caret or 0) == (3, line.index("%zz") + 1)


@pytest.mark.parametrize("rest", [":0xzz", ":0x1bf0(zz)", ":0x1bf0%zz"])
def test_columns_in_the_location_count_the_quotation_marks(program: Path, rest: str) -> None:
    error = refused(f'p:w "{program}"{rest}')
    assert error.line[error.caret :].rstrip(")") in {"0xzz", "zz", "%zz"}


@pytest.mark.parametrize("text", ['"{}"', '"{}"work', '"{}":', '"{}:work', "{}:work"])
def test_a_malformed_location_says_that_quotation_marks_are_needed(program: Path, text: str) -> None:
    assert "quotation marks" in refused("p:w " + text.format(program)).hint


@pytest.mark.parametrize("text", ['"{}:work"', "'{}:operator new'", '"{}":"operator new"', "{}:'work'"])
def test_quotation_marks_around_more_than_the_path_are_refused_as_that(program: Path, text: str) -> None:
    path = LOOP if text.startswith("{}") else program
    assert "around the path alone" in refused("p:w " + text.format(path)).hint


def test_a_kernel_knows_no_quotation_marks(program: Path) -> None:
    assert refused(f'p:w "{program}":0x1bf0', KERNEL).message.startswith('not a uprobe location: "')


@given(PATHS)
def test_any_path_is_read_back(path: str) -> None:
    word = path_as_written(path) + ":main"
    line = EventLine.split(f"p:w {word} a=%x0 # more", quotes=True)
    assert line.words == ("p:w", word, "a=%x0")
    assert (quoted_path(word) or (path,))[0] == path


@given(st.text(max_size=40))
def test_whatever_a_line_is_its_words_are_in_it(text: str) -> None:
    at, cut = 0, without_comment(text)
    for word in EventLine.split(text, quotes=True).words:
        at = cut.index(word, at) + len(word)


@given(st.text(st.characters(exclude_characters="\"'")))
def test_without_quotation_marks_nothing_is_different(text: str) -> None:
    assert EventLine.split(text, quotes=True) == EventLine.split(text)


def test_the_place_of_a_set_up_file_needs_no_quotation_marks() -> None:
    assert place_as_written("/my dir/a:work+4") == '"/my dir/a":work+4'
    assert place_as_written("/a/b:c.c:3") == "/a/b:c.c:3"
    assert place_as_written('"/my dir/a":work') == '"/my dir/a":work'
