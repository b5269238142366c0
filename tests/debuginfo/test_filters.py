"""Filters of values with types of the source: enumerators, letters, text, floating-point numbers."""

from __future__ import annotations

import pytest

import uprobe_core as up
from tests.debuginfo.programs import built
from tests.debuginfo.test_names import Texts
from uprobe_core.errors import SpecError

LINE = "p:e {}:parse s n w on c colour=o->colour level=o->level"
PASSES = {
    "colour == GREEN": True,
    "colour == BLUE || colour != RED": True,
    "colour < GREEN": False,
    "c == 'z'": True,
    "c == 'y'": False,
    "on == true": True,
    "on == false && n > 1": False,
    'w > 2.25 && s ~ "hel*"': True,
    "level == 3": True,
}


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("text", PASSES)
def test_a_filter_says_what_the_source_says(text: str, engine: str) -> None:
    program, found = str(built("types.c", "-O1")), list[str]()
    with up.Session([program], output="/dev/null", engine=engine) as session:
        session.probe(LINE.format(program), Texts(found))
        session.events.set_filter("e", text)
        session.run()
    assert bool(found) is PASSES[text]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("colour == GREE", "did you mean GREEN?"),
        ("colour == 'G'", "colour is a number"),
        ("n == many", "a value is a number or a quoted string"),
        ("colour ~ GREEN", "~ matches strings"),
    ],
)
def test_a_wrong_value_is_refused_with_those_that_there_are(text: str, hint: str) -> None:
    program = str(built("types.c", "-O1"))
    with up.Session([program], output="/dev/null") as session:
        session.probe(LINE.format(program))
        with pytest.raises(SpecError) as failure:
            session.events.set_filter("e", text)
    assert failure.value.hint == hint
