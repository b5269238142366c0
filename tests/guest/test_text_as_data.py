"""A program that reads its own text is probed as one that does not."""

from __future__ import annotations

import os

import pytest

import uprobe_core as up
from tests.programs import build_debian
from uprobe_core.types import Mode


class _Adds:
    """Adds a probe at its first hit, after which the emulator asks anew where everything is."""

    def __init__(self, session: up.Session, line: str) -> None:
        self._session, self._lines = session, [line]

    def handler(self, hit: up.Hit) -> None:
        """Called at each hit."""
        while self._lines:
            self._session.probe(self._lines.pop())


@pytest.mark.parametrize("engine", ["py", "auto"])
@pytest.mark.parametrize("mode", [Mode.AUTO.value, Mode.TRAP.value, Mode.INLINE.value])
def test_breakpoints_stay_where_text_is_read(mode: str, engine: str) -> None:
    program = str(build_debian("text_as_data.c", "-O1", "-static"))
    with up.Session([program], output=os.devnull, mode=mode, engine=engine) as session:
        session.probe(f"p:first {program}:first", _Adds(session, f"p:late {program}:late"))
        session.probe(f"p:counted {program}:counted")
        session.run()
        hits = {e.name: sum(probe.tallies["hits"] for probe in e.probes) for e in session.events.events}
    assert hits == {"first": 1, "counted": 2, "late": 1}
