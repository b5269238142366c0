"""Addresses that returns are watched at, seen by handlers and probed themselves."""

from __future__ import annotations

from typing import Any

import pytest

import uprobe_core as up
from tests.programs import zig
from tests.session.live.conftest import At, Live

pytestmark = pytest.mark.usefixtures("capfd")


class Program(Live):
    """A Live of another program."""

    def __init__(self, like: Live, source: str) -> None:
        super().__init__(like.engine, like.mode)
        self.program = str(zig(source))


class Where:
    """Keeps (PC, return address) of each return."""

    name = "where"

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def ret_handler(self, hit: Any) -> None:
        self.seen.append((hit.reg(32), hit.return_address))


def test_pc_is_the_return_address_even_if_a_plain_branch_went_there(live: Live) -> None:
    direct, where = Program(live, "direct.c"), Where()
    with direct() as session:
        session.probe(f"r:g/direct {direct.program}:direct", where)
        session.run()
    assert len(where.seen) == 1000
    assert all(pc == address for pc, address in where.seen)
    assert len(set(where.seen)) == 1


def test_a_return_address_that_is_watched_can_be_probed_while_the_program_runs(live: Live) -> None:
    s, returns, arrivals, where = live("spin", "1000"), up.Count(), up.Count(), Where()

    def probe_it() -> None:
        _, address = where.seen[0]
        offset = address - work_hit[0].address + work_hit[0].probe_offset
        s.probe(f"p:g/there {live.program}:{offset:#x}", arrivals)

    work_hit: list[Any] = []

    class First:
        name = "first"

        def handler(self, hit: Any) -> None:
            if not work_hit:
                work_hit.append(_Place(hit.address, hit.probe_offset))

    s.probe(live.line("work"), First())
    s.probe(live.line("work", name="back", kind="r"), returns, where)
    s.probe(live.line("mark"), At({5: probe_it}))
    s.run()
    assert (returns.result(), arrivals.result()) == (1000, 500)


class _Place:
    def __init__(self, address: int, probe_offset: int) -> None:
        self.address, self.probe_offset = address, probe_offset
