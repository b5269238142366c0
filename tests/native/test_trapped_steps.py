"""A displaced instruction that faults in its slot: the architecture is asked, on either engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from uprobe_arm64 import Arm64Arch

import uprobe_core as up
from uprobe_core.arch_hooks import hookimpl
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.session import prepared as session_module
from uprobe_core.utask import POISONED_FAULT_CODE, Utask


class Counting(Arm64Arch):
    """Writes down what it is asked about faults in steps."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    @hookimpl
    def xol_was_trapped(self, utask: Utask) -> bool:
        self.asked.append(utask.fault_code != POISONED_FAULT_CODE)
        return super().xol_was_trapped(utask)


@pytest.mark.parametrize("engine", ["py", "c"])
def test_a_fault_in_a_slot_asks_whether_the_instruction_trapped(
    build: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """uprobe_deny_signal asks, handle_singlestep aborts; the program sees its own address and goes on."""
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
    arch = Counting()
    monkeypatch.setattr(session_module, "load_arch", lambda _name: arch)
    options: dict[str, Any] = {
        "policy": "kernel:6.12",
        "mode": "trap",
        "engine": engine,
        "output": os.devnull,
    }
    program = build("fault")
    with ElfImage(program) as image:
        load = image.offset_of("load")
    with up.Session([program], **options) as session:
        hits = session.probe(f"p:load {program}:{load:#x}", up.Count())
        status = session.run()
    assert (status.code, hits.result()) == (0, 4)
    assert arch.asked == [True] * 3
