"""The part of the suite for backends that is about inline probes and watched return addresses."""

from __future__ import annotations

from typing import Any

from uprobe_core.backend import Backend
from uprobe_core.testing.compliance.backend_rig import (
    ADD,
    BACK,
    FIRST,
    REGISTERS,
    SIZE,
    WORK,
    BackendFixtures,
    Rig,
    needs,
)
from uprobe_core.testing.tiny_elf import CALLS
from uprobe_core.types import Returns

__all__ = ("BackendInline",)


class BackendInline(BackendFixtures):
    """Hits without a breakpoint."""

    stands = (
        "uprobe_core.backend (Process.insert_inline and insert_watch,"
        " ProbeHandler), on one page in docs/contracts.md"
    )

    def test_an_inline_probe_is_told_before_each_execution(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: inlining.handler.saw.append(
            task.get_reg(FIRST)
        )
        assert inlining.run().code == 150
        assert inlining.handler.saw == [5, 4, 3, 2, 1]

    def test_an_inline_probe_can_be_removed_at_its_hit(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, address: task.process.remove_inline(address)
        assert inlining.run().code == 150
        assert len(inlining.handler.log) == 1

    def test_an_inline_probe_can_be_placed_at_another_ones_hit(self, inlining: Rig) -> None:
        inlining.handler.on["inline"] = lambda task, _address: task.process.insert_inline(ADD)
        assert inlining.run().code == 150
        assert inlining.handler.addresses("inline") == [WORK, ADD] * 5

    def test_two_neighbours_are_both_told(self, inlining: Rig) -> None:
        inlining.process.insert_inline(WORK + SIZE)
        assert inlining.run().code == 150
        assert inlining.handler.addresses("inline") == [WORK, WORK + SIZE] * 5

    # --- watches -------------------------------------------------------------------------------------

    def test_a_watch_fires_before_each_execution_until_it_is_removed_as_often(
        self, backend: Backend, rig: Any
    ) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        made = rig(CALLS)
        made.process.insert_watch(BACK)
        made.process.insert_watch(BACK)
        made.handler.on["watch"] = lambda task, address: task.process.remove_watch(address)
        assert made.run().code == 150
        assert made.handler.addresses("watch") == [BACK] * 2

    def test_watches_beside_inline_probes(self, backend: Backend, inlining: Rig) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        inlining.handler.on["inline"] = lambda task, _address: task.process.insert_watch(
            task.get_reg(REGISTERS.link)
        )
        inlining.handler.on["watch"] = lambda task, address: task.process.remove_watch(address)
        assert inlining.run().code == 150
        assert inlining.handler.log == [("inline", WORK), ("watch", BACK)] * 5

    def test_a_watch_and_an_inline_probe_at_one_address_each_fire_once(
        self, backend: Backend, inlining: Rig
    ) -> None:
        needs(Returns.WATCH in backend.capabilities.returns, "watched returns")
        inlining.process.insert_inline(BACK)
        inlining.process.insert_watch(BACK)
        assert inlining.run().code == 150
        assert len(inlining.handler.addresses("watch")) == 5
        assert inlining.handler.addresses("inline").count(BACK) == 5
