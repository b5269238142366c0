"""Names of the source in event lines: what a reader of tests/debuginfo/sources/types.c expects."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import uprobe_core as up
from tests.debuginfo.programs import built
from uprobe_core.errors import SpecError
from uprobe_core.events.trace_text import arguments_text
from uprobe_core.image.elf_symbols import ElfImage

FLAGS = ("-O0", "-O2")
ENGINES = ("c", "py")
LINES = {
    "p {}:parse s n w on c": "s=\"hello\" n=2 w=2.5 on=true c='z'",
    "p {}:parse l=o->level next=o->next->name": 'l=3 next="second"',
    "p {}:parse at=o->at y=o->at.y two=o->weights[2]": "at={x=10 y=-20} y=-20 two=-2.25",
    "p {}:parse tag=o->tag": 'tag="ab"',
    "p {}:parse bits=o->low high=o->high colour=o->colour": "bits=5 high=-7 colour=GREEN",
    "p {}:parse all=o->weights first=*s glob=counter": "all={0.5,1.5,-2.25} first='h' glob=7",
    "p {}:parse hex=n:x16 text=o->name:string byte=s[1]:u8": 'hex=0x2 text="first" byte=101',
    "p {}:parse cast=((point*)&o->at)->y arg=$arg2->level": "cast=-20 arg=3",
    "p {}:turn p k f": "p={x=1 y=7} k=BLUE f=READ|RUN",
    "p {}:turn at=o.at real=o.weights": "at={x=10 y=-20} real={0.5,1.5,-2.25}",
    "p {}:widen a b c d e g last": (
        'a=-2 b=200 c=-1099511627776 d=9223372036854775808 e=1.5 g=-3 last="the last"'
    ),
    "p {}:sort count how second=first[1].name": 'count=3 how=by_level+0x0 second="second"',
    "r {}:parse": "ret=739",
    "r {}:parse ret=$retval s n l=o->level w": 'ret=739 s="hello" n=2 l=3 w=2.5',
    "r {}:turn": "ret={x=10 y=12}",
    "r {}:widen $retval last": (
        'arg1={words={-2,200,-1099511627776,-9223372036854775808,21}} last="the last"'
    ),
    "r {}:pick": 'ret="one"',
    "r {}:pick first=$retval[0]": "first='o'",
}


class Texts:
    """The arguments of each hit, as trace text has them."""

    name = "texts"

    def __init__(self, found: list[str]) -> None:
        self._found = found

    def handler(self, hit: up.Hit) -> None:
        self._found.append(arguments_text(hit.event.spec, hit.values).strip())  # type: ignore[union-attr]


class AtReturn:
    """The same at returns."""

    name = "texts"

    def __init__(self, found: list[str]) -> None:
        self.ret_handler = Texts(found).handler


@cache
def program(flags: str) -> Path:
    return built("types.c", flags)


@cache
def seen(flags: str, engine: str) -> dict[str, list[str]]:
    """The arguments of the hits of each line, in which {} is the program."""
    found: dict[str, list[str]] = {}
    with up.Session([str(program(flags))], output="/dev/null", engine=engine) as session:
        for number, line in enumerate(LINES):
            kind, rest = line.replace("{}", str(program(flags))).split(" ", 1)
            consumer = (AtReturn if kind == "r" else Texts)(found.setdefault(line, []))
            session.probe(f"{kind}:e{number} {rest}", consumer)
        session.run()
    return found


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("flags", FLAGS)
def test_values_are_shown_as_their_types_say(flags: str, engine: str, line: str) -> None:
    assert seen(flags, engine)[line] == [LINES[line]]


def test_args_are_all_parameters() -> None:
    with up.Session([str(program("-O2"))], output="/dev/null") as session:
        event = session.probe(f"p:e {program('-O2')}:widen $args")
        assert event.names == ("a", "b", "c", "d", "e", "g", "h", "i", "j", "last")


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("o->levle", "has no member 'levle'", "did you mean level?"),
        ("o.level", "is a pointer", "write ->level"),
        ("sum", "no value at the function's entry", "probe a line after"),
        ("nothing", "nothing has that name here", "what has a name here: s, o, n, w, on, c"),
        ("o->weights[3]", "has no element 3", "elements 0 to 2"),
        ("n->x", "int is no pointer", "leave the * or -> out"),
        ("&n", "has no address", "leave the & out"),
        ("(nothing*)o", "no type is called 'nothing'", ""),
        ("o->", "the name of a member is missing", "write o->level"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(argument: str, message: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught, up.Session([str(program("-O0"))]) as session:
        session.probe(f"p:e {program('-O0')}:parse x={argument}")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_named_values_are_fields_of_filters_and_keys() -> None:
    counted = up.Count(by="colour")
    with up.Session([str(program("-O2"))], output="/dev/null") as session:
        session.probe(f"p:e {program('-O2')}:turn at=p colour=k", counted)
        session.events.set_filter("e", "colour == 6")
        session.run()
    assert counted.result() == {6: 1}


def test_a_kernel_line_prints_as_a_kernel_does() -> None:
    found: list[str] = []
    with ElfImage(program("-O2")) as image:
        offset = image.offset_of("parse")
    with up.Session([str(program("-O2"))], output="/dev/null") as session:
        session.probe(f"r:e {program('-O2')}:{offset:#x} ret=$retval", AtReturn(found))
        session.run()
    assert found == ["ret=0x2e3"]
