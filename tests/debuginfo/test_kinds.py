"""Values that no single register holds, and those that cannot be read: what a reader of kinds.c expects."""

from __future__ import annotations

from pathlib import Path

import pytest

import uprobe_core as up
from tests.debuginfo.programs import built
from tests.debuginfo.test_names import AtReturn, Texts
from uprobe_core.debuginfo.location import THREAD_LOCAL, place_of
from uprobe_core.debuginfo.typed import Number, NumberType, binary, unary
from uprobe_core.errors import SpecError

LINES = {
    "p {}:precise x n": "x=1.25 n=3",
    "r {}:precise": "ret=1.953125",
    "p {}:narrow h at=*p": "h=2.25 at=-0.5",
    "r {}:rotate": "ret=0.0+3.0i",
    "p {}:wide a b c": "a=1180591620717411303424 b=-5 c=3",
    "p {}:use_large l=by_value.id s h d m": (
        'l=42 s={c="xy"} h={x=1.0 y=2.0 z=3.0} d={r=4.5 i=5.0} m={i=6 d=7.25}'
    ),
    "p {}:insert root key label left=root->left": 'root=0x0 key=8 label="eight" left=(fault)',
}
DOUBLE, INT, BYTE = NumberType(8, True, True), NumberType(4, False, True), NumberType(1, False, False)


@pytest.mark.parametrize("engine", ["c", "py"])
@pytest.mark.parametrize("flags", ["-O0", "-O2"])
@pytest.mark.parametrize("line", LINES)
def test_values_are_those_of_the_source(line: str, flags: str, engine: str) -> None:
    program = built("kinds.c", flags)
    assert first(program, line, engine) == LINES[line]


def first(program: Path, line: str, engine: str) -> str:
    found: list[str] = []
    consumer = AtReturn(found) if line.startswith("r") else Texts(found)
    with up.Session([str(program)], output="/dev/null", engine=engine) as session:
        session.probe(line.replace(" ", ":e ", 1).format(program), consumer)
        session.run()
    return found[0]


def test_arithmetic_is_that_of_the_type() -> None:
    assert binary(0x1E, DOUBLE.converted(1.5), DOUBLE.converted(2)) == DOUBLE.converted(3)
    assert binary(0x1B, INT.converted(-7), INT.converted(2)) == INT.converted(-3)
    assert binary(0x22, BYTE.converted(255), BYTE.converted(2)) == BYTE.converted(1)
    assert binary(0x2D, INT.converted(-1), INT.converted(0)) == 1
    assert unary(0x1F, DOUBLE.converted(2)) == DOUBLE.converted(-2)


def test_a_number_is_its_bytes() -> None:
    assert Number(DOUBLE, 1.0).bits == 0x3FF0_0000_0000_0000
    assert INT.number(0xFFFF_FFFF).value == -1
    assert INT.converted(2.75).value == 2


@pytest.mark.parametrize("name", ["tls_counter", "tls_text"])
def test_variables_of_threads_are_refused_as_that(name: str) -> None:
    program = built("kinds.c", "-O2")
    with pytest.raises(SpecError, match="it is each thread's own"), up.Session([str(program)]) as session:
        session.probe(f"p:e {program}:main x={name}")


@pytest.mark.parametrize("op", [0x9B, 0xE0])
def test_places_of_threads_are_no_computed_ones(op: int) -> None:
    code = bytes([0x0E, *bytes(8), op])
    assert place_of(code, None) is THREAD_LOCAL  # type: ignore[arg-type]  # it asks for nothing
