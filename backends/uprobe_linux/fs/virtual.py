"""Putting /proc and /dev into a machine's mount table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from uprobe_linux.fs.devices import make_dev

if TYPE_CHECKING:
    from uprobe_linux.fs.nodes import VNode
    from uprobe_linux.kernel import Machine

__all__ = ("add_virtual",)


def add_virtual(machine: Machine) -> None:
    """Answer for /proc and /dev of *machine* from now on."""

    def draw(size: int) -> bytes:
        assert machine.current is not None
        return machine.current.process.random.randbytes(size)

    @cache
    def proc() -> VNode:
        from uprobe_linux.fs.proc import make_proc  # many programs never look

        return make_proc(machine)

    dev = make_dev(draw, lambda: machine.ptys)
    machine.sandbox.mounts.add_virtual("/proc", proc)
    machine.sandbox.mounts.add_virtual("/dev", lambda: dev)
