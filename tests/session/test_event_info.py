"""What a consumer may know of its event, from the contract alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import uprobe_core as up

LOOP = Path(__file__).parents[2] / "examples" / "loop"


class Keeps:
    """Keeps each event that it is told of."""

    name = "keeps"

    def __init__(self) -> None:
        self.events: list[Any] = []

    def handler(self, hit: Any) -> None:
        self.events.append(hit.event)


def event_of(line: str) -> Any:
    keeps = Keeps()
    with up.Session([str(LOOP), "1"], output="/dev/null") as session:
        session.probe(line, keeps)
        session.run()
    return keeps.events[0]


def test_an_event_says_where_it_is_and_what_its_arguments_are_of() -> None:
    event = event_of(f"p:mine/hit {LOOP}:work n=%x0:s32 who=+0(+8(%x1)):string head=+0(%sp):u8[4]")
    assert (event.full_name, event.group, event.name, event.is_return) == ("mine/hit", "mine", "hit", False)
    assert (event.names, event.types) == (("n", "who", "head"), ("s32", "string", "u8[4]"))
    assert (event.path, event.symbol) == (str(LOOP), "work")
    by_offset = event_of(f"p:hit {LOOP}:{event.offset:#x}")
    assert (by_offset.symbol, by_offset.offset) == ("", event.offset)


@pytest.mark.parametrize("name", ["group", "name", "names", "types", "path", "symbol", "offset", "is_return"])
def test_nothing_of_an_event_can_be_changed(name: str) -> None:
    event = event_of(f"p:hit {LOOP}:work")
    with pytest.raises(AttributeError):
        setattr(event, name, "other")
