"""Registers by name and by number, in handlers on either engine."""

from __future__ import annotations

import os
from typing import Any

import pytest

import uprobe_core as up
from tests.cli.command import LOOP
from uprobe_core.errors import UprobeError


class Looks:
    """What a handler sees, by names and by the numbers that plugins wrote before there were names."""

    name = "looks"

    def __init__(self) -> None:
        self.entry: list[Any] = []
        self.leave: list[Any] = []
        self.refused = ""

    def handler(self, hit: up.Hit) -> None:
        self.entry.append(((hit.reg("x0"), hit.reg("lr"), hit.reg("sp")), (hit.reg(0), hit.reg(30), hit.sp)))
        try:
            hit.reg("eax")
        except UprobeError as error:
            self.refused = error.message

    def ret_handler(self, hit: up.Hit) -> None:
        self.leave.append((hit.reg("pc"), hit.reg(32)))


@pytest.mark.parametrize("engine", ["py", "c"])
def test_names_and_numbers_are_the_same_registers(engine: str) -> None:
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
    with up.Session([str(LOOP), "3"], engine=engine, output=os.devnull) as session:
        looks = session.probe(f"p:work {LOOP}:work", Looks())
        session.run()
    assert len(looks.entry) == len(looks.leave) == 3
    assert all(named == numbered for named, numbered in looks.entry + looks.leave)
    assert [named[0] for named, _ in looks.entry] == [0, 1, 2]
    assert {named[1] for named, _ in looks.entry} == {pc for pc, _ in looks.leave}
    assert looks.refused == "no register is called 'eax'"
