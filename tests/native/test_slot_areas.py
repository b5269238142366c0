"""Slots are nobody's memory: a program that jumps to where they are faults, as it would without them."""

from __future__ import annotations

import os
from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from uprobe_core.types import MemoryFault

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

SIGSEGV = 11


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session in mode jump whose probes of calls.c have slots."""
    monkeypatch.setenv("UPROBE_ENGINE", "c")
    with up.Session([str(zig("calls.c")), "spin", "300"], output=os.devnull, mode="jump") as session:
        for name in ("work", "other"):
            session.probe(f"p:{name} {session.setup.argv[0]}:{name}", up.Count())
        yield session


def area_of(session: up.Session) -> Any:
    return session._machine.native._areas.areas[0]  # type: ignore[union-attr]


class Jump:
    """Sends the program to an address at its second hit."""

    name = "jump"

    def __init__(self, session: up.Session, where: Any) -> None:
        self.session, self.where, self.hits = session, where, 0

    def handler(self, hit: Any) -> None:
        self.hits += 1
        if self.hits == 2:
            hit.task.set_reg(32, self.where(area_of(self.session)))


@pytest.mark.parametrize(
    "where",
    [
        lambda area: area.start + 4 * 100,
        lambda area: area.start + 4 * 1023,
        lambda area: area.end - 4,
        lambda area: area.start + 4096 + 32 * 200 + 8,
    ],
    ids=["free entry", "last entry", "last word", "free tail"],
)
def test_a_jump_to_where_no_slot_is_faults(session: Any, where: Any) -> None:
    session.probe(f"p:mark {session.setup.argv[0]}:mark", Jump(session, where))
    assert session.run().signal == SIGSEGV


def test_a_slot_that_was_given_back_is_nothing_any_more(session: Any) -> None:
    events = list(session.events.events)
    session.open()
    entries = [place.entry for place in session._machine.native._places.values()]
    session.probe(f"p:mark {session.setup.argv[0]}:mark", Jump(session, lambda _area: min(entries)))
    session.remove(events[0])
    session.remove(events[1])
    assert session.run().signal == SIGSEGV


def test_slots_cannot_be_read(session: Any) -> None:
    machine = session.open()
    process = machine.main
    area = area_of(session)
    with pytest.raises(MemoryFault):
        process.read(area.start, 4)
    assert not any(m.start < area.end and area.start < m.end for m in process.mappings())


def test_an_instruction_that_branches_to_where_slots_are_has_no_slot_there(session: Any) -> None:
    from uprobe_unicorn.native.place import Place

    machine = session.open()
    native, area = machine.native, area_of(session)
    memory = machine.main.memory
    address = next(iter(native._places)) + 8
    branch = 0x14000000 | ((area.start - address) >> 2 & 0x03FF_FFFF)
    place = Place(native._glue.add_place(address, 0, False), address, memory, -1, False)
    entry = native._slot(place, branch)
    assert not area.holds(entry)
    assert not native._areas.overlapping(area.start, area.start + 4)
    assert all(place.entry for place in native._places.values())


class Removal:
    """Removes *events* at its second hit, and sends the program to *where* at its third."""

    name = "removal"

    def __init__(self, session: up.Session, events: list[Any], where: int) -> None:
        self.session, self.events, self.where, self.hits = session, events, where, 0

    def handler(self, hit: Any) -> None:
        self.hits += 1
        if self.hits == 2:
            for event in self.events:
                self.session.remove(event)
        if self.hits == 3:
            hit.task.set_reg(32, self.where)


@pytest.mark.parametrize("part", ["entry", "tail"])
def test_a_slot_that_was_executed_and_given_back_is_nothing_any_more(session: Any, part: str) -> None:
    """Neither where a place had branched to nor where its instruction was."""
    events = list(session.events.events)
    session.open()
    area = area_of(session)
    entry = min(place.entry for place in session._machine.native._places.values())
    where = entry if part == "entry" else area.start + 4096 + (entry - area.start) // 4 * 32
    session.probe(f"p:mark {session.setup.argv[0]}:mark", Removal(session, events, where))
    assert session.run().signal == SIGSEGV
