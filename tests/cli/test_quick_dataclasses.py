"""Dataclasses that are made quickly are those that ``dataclasses`` makes."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, field
from types import ModuleType
from typing import Any

import pytest

from uprobe_core.cli import quick_dataclasses
from uprobe_core.cli.compiled import Compiled

MODULE = "uprobe_of_a_test"
"""Ours by its name."""

BODIES = '''
@dataclass(frozen=True, slots=True)
class Point:
    """Doc."""
    x: int
    y: int | None = None
    origin: str = field(default="", compare=False)
    hidden: int = field(default=7, repr=False)

    def moved(self):
        return Point(self.x + 1, self.y)


@dataclass(slots=True)
class Bag:
    """Doc."""
    name: str
    items: list[int] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    count: int = field(default=3, init=False)
    me: object = None


@dataclass(frozen=True, slots=True)
class Named(Point):
    """Doc."""
    name: str = "none"
    y: int | None = 5


@dataclass(eq=False, slots=True)
class Same:
    """Doc."""
    x: int


@dataclass(frozen=True, slots=True)
class One:
    """Doc."""
    x: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """Doc."""


class Looser(Point):
    """Not a dataclass, with attributes of its own."""
'''


def made(dataclass: Any) -> ModuleType:
    """A module of the classes of BODIES."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    vars(module).update(dataclass=dataclass, field=field)
    exec(compile(f"from __future__ import annotations\n{BODIES}", MODULE, "exec"), vars(module))
    return module


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Our form of ``dataclass``."""
    monkeypatch.setattr(dataclasses, "dataclass", dataclasses.dataclass)  # to be put back
    quick_dataclasses.install(Compiled("").inner)
    yield dataclasses.dataclass
    sys.modules.pop(MODULE, None)


@pytest.fixture
def both(quick: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """(Made by ``dataclasses``, made by us)."""
    monkeypatch.undo()
    return made(dataclasses.dataclass), made(quick)


def outcome(action: Any) -> object:
    try:
        return action()
    except Exception as error:  # whichever it is
        return type(error), str(error)


@pytest.mark.parametrize(
    "look",
    [
        lambda m: m.Point(1),
        lambda m: m.Point(x=1, y=2, origin="a"),
        lambda m: m.Point(),
        lambda m: m.Point(1, z=2),
        lambda m: m.Point(1, 2, "a") == m.Point(1, 2, "b"),
        lambda m: m.Point(1, 2) == m.Point(1, 3),
        lambda m: m.Point(1) == m.Named(1),
        lambda m: m.Point(1) == 1,
        lambda m: hash(m.Point(1, 2)),
        lambda m: hash(m.Bag("a")),
        lambda m: hash(m.One(2.0)),
        lambda m: hash(m.Nothing()),
        lambda m: m.One(float("nan")) == m.One(float("nan")),
        lambda m: m.Nothing() == m.Nothing(),
        lambda m: m.Same(1) == m.Same(1),
        lambda m: (m.Named(1), m.Named(1, name="a").name, m.Named.__slots__, m.Point.__slots__),
        lambda m: m.Point(1).moved(),
        lambda m: (m.Bag("a").items is m.Bag("a").items, m.Bag("a"), m.Bag("b", [1]).items),
        lambda m: m.Bag("a", me=None).count,
        lambda m: setattr(m.Point(1), "x", 2),
        lambda m: delattr(m.Point(1), "x"),
        lambda m: setattr(m.Looser(1), "x", 2),
        lambda m: setattr(m.Bag("a"), "other", 2),
        lambda m: [(f.name, f.type, f.default, f.init, f.compare) for f in dataclasses.fields(m.Named)],
        lambda m: dataclasses.replace(m.Named(1), y=9),
        lambda m: dataclasses.asdict(m.Bag("a")),
        lambda m: dataclasses.is_dataclass(m.Point),
        lambda m: copy.deepcopy(m.Bag("a", [1])).items,
        lambda m: copy.copy(m.Named(1, 2)),
        lambda m: m.Point.__match_args__,
        lambda m: (m.Point.__doc__, m.Point.__qualname__, m.Point.__module__),
    ],
)
def test_a_class_does_the_same(both: tuple[ModuleType, ModuleType], look: Any) -> None:
    by_dataclasses, by_us = both
    assert str(outcome(lambda: look(by_us))) == str(outcome(lambda: look(by_dataclasses)))


def test_an_object_that_shows_itself_ends(both: tuple[ModuleType, ModuleType]) -> None:
    shown = []
    for module in both:
        bag = module.Bag("a")
        bag.me = bag
        shown.append(repr(bag))
    assert shown[0] == shown[1]


def test_an_object_is_pickled(both: tuple[ModuleType, ModuleType]) -> None:
    module = both[1]
    for each in (module.Named(1, 2), module.Bag("a", [1]), module.One(1.5)):
        assert repr(pickle.loads(pickle.dumps(each))) == repr(each)


def test_only_fields_are_frozen_in_a_subclass(both: tuple[ModuleType, ModuleType]) -> None:
    """As documented, and as ``dataclasses`` does it but for slots in 3.11, where it raises TypeError."""
    with pytest.raises(FrozenInstanceError):
        both[1].Point(1).other = 2
    looser = both[1].Looser(1)
    looser.own = 2
    assert (looser.own, looser.x) == (2, 1)


def test_a_class_of_others_inherits_from_one_of_ours(quick: Any) -> None:
    point = made(quick).Point
    theirs = dataclasses.make_dataclass("Theirs", [("z", int, 0)], bases=(point,), frozen=True)
    assert theirs(1, z=2) == theirs(1, z=2)
    assert [each.name for each in dataclasses.fields(theirs)] == ["x", "y", "origin", "hidden", "z"]


_DESCRIPTION = """
import dataclasses, inspect, re, sys
if {quick}:
    from uprobe_core.cli.compiled import Compiled
    from uprobe_core.cli import quick_dataclasses
    quick_dataclasses.install(Compiled("").inner)
import uprobe_linux.machine, uprobe_core.session.session, uprobe_core.tracing.event
import uprobe_core.native.session, uprobe_core.events.table, uprobe_unicorn, uprobe_arm64.decode_table
ours, found = 0, {{}}
for name, module in sorted(sys.modules.items()):
    for each in vars(module).values() if name.startswith("uprobe_") else ():
        if isinstance(each, type) and "__dataclass_fields__" in vars(each):
            ours += type(vars(each)["__dataclass_fields__"]) is not dict
            methods = sorted(n for n, v in vars(each).items() if callable(v) or v is None)
            rows = [(f.name, f.type, f.init, f.repr, f.compare, f.hash) for f in dataclasses.fields(each)]
            signature = re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(each)))
            found[each] = (signature, each.__match_args__, rows, vars(each).get("__slots__"),
                           methods, each.__dataclass_params__.frozen, each.__dataclass_params__.eq)
print(ours)
for each in sorted(found, key=str):
    print(each, *found[each])
"""


def test_all_of_ours_are_the_same() -> None:
    texts = []
    for quick in (False, True):
        command = [sys.executable, "-c", _DESCRIPTION.format(quick=quick)]
        seeded = os.environ | {"PYTHONHASHSEED": "1"}  # sets are shown in one order
        done = subprocess.run(command, env=seeded, capture_output=True, text=True, check=True, timeout=60)
        texts.append(done.stdout.splitlines())
    assert (int(texts[0][0]), int(texts[1][0]) > 100) == (0, True)
    assert texts[1][1:] == texts[0][1:]
