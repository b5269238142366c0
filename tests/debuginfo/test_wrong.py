"""Expressions that cannot be had: what failed, what it resolved to, and what to do."""

from __future__ import annotations

import pytest

import uprobe_core as up
from tests.debuginfo.programs import built
from uprobe_core.errors import SpecError

WRONG = {
    "p:e {}:parse o->levle": ("o->levle: options has no member 'levle'", "did you mean level?"),
    "p:e {}:parse o.level": ("o.level: options* is a pointer", "write ->level"),
    "p:e {}:parse o->at->x": ("o->at->x: point is no pointer", "write .x"),
    "p:e {}:parse n->x": ("n->x: int is no pointer", "it is a value itself: leave the * or -> out"),
    "p:e {}:parse ***s": ("***s: char is no pointer", "it is a value itself: leave the * or -> out"),
    "p:e {}:parse n[1]": ("n[1]: int is no array", "leave the index out"),
    "p:e {}:parse o->list[9]": ("o->list[9]: int[4] has no element 9", "elements 0 to 3"),
    "p:e {}:parse o->list[n]": (
        "a number between [ and ] is missing",
        "an index is a number, 0 or more: arr[2]",
    ),
    "p:e {}:parse &o->flag": ("&o->flag: it is a bit field and has no address", "leave the & out"),
    "p:e {}:parse &n": ("&n: it is in a register here and has no address", "leave the & out"),
    "p:e {}:parse (optoins*)s": (
        "(optoins*)s: no type is called 'optoins'",
        "did you mean options or point?",
    ),
    "p:e {}:parse ((struct options*)s)->level": (
        "a ) is missing",
        "a blank ends an argument: leave struct out",
    ),
    "p:e {}:parse (int)w": (
        "(int)w: a cast does not convert double to int",
        "leave the cast out: it prints as double",
    ),
    "p:e {}:parse (options*)n": (
        "(options*)n: a cast does not convert int to options*",
        "leave the cast out: it prints as int",
    ),
    "p:e {}:parse *o->raw": ("*o->raw: a value of type void cannot be shown", ""),
    "p:e {}:parse w:string": ("w: double is no text", "leave the type out"),
    "p:e {}:parse $arg9->x": ("$arg9->x: the function has 4 parameters", "parameters: s, o, n, w"),
    "p:e {}:parse $retval->x": (
        "$retval->x: $retval is there when the function has returned",
        "use r: or %return",
    ),
    "p:e {}:parse totall": ("totall: nothing has that name here", "did you mean total?"),
    "r:e {}:parse total": (
        "total: a local variable is gone when the function has returned",
        "probe a line, or name $retval",
    ),
    "r:e {}:parse $locals": ("there are no local variables when the function has returned", ""),
    "p:e {}:parse o->level+1": ("what is '+1'?", "write o->level, o.in.b, arr[2], *p, &x"),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_expression_is_refused_in_words(line: str) -> None:
    program = str(built("wrong.c", "-O1"))
    with up.Session([program], output="/dev/null") as session, pytest.raises(SpecError) as failure:
        session.probe(line.format(program))
    assert (failure.value.args[0].partition("\n")[0], failure.value.hint or "") == WRONG[line]
