"""``UPROBE_STEPCHECK=1``: has a probed instruction changed only registers that it names?

A wrapper around the arch operations of a hit: what ``pre_xol`` begins and ``post_xol`` ends, and what
``skip_sstep`` simulates. Capstone says which registers an instruction names; whatever else is different
afterwards is a defect of an arch plugin, a backend or a slot, and is written to standard error.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from typing import Any

from uprobe_core import arch_hooks, hookspecs
from uprobe_core.architecture import Registers
from uprobe_core.backend import Task
from uprobe_core.types import Analysis
from uprobe_core.utask import Utask

__all__ = ("StepCheck", "StepCheckPlugin")

SWITCH = "UPROBE_STEPCHECK"
SHOWN = 20
"""Surprises that are written; all are counted."""
NAMED = re.compile(r"\b(?:[xw](\d+)|(w?sp)|(fp)|(lr))\b")

State = dict[int, int]

BTYPE = 0b11 << 10
"""Of PSTATE how a branch came here, which every other instruction forgets (Arm ARM, PSTATE.BTYPE)."""


class StepCheck:
    """The wrapper; its state lies here because an arch plugin keeps nothing between calls."""

    def __init__(self) -> None:
        import capstone

        self._engine: Any = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)
        self._engine.detail = True
        self._flags = capstone.arm64.ARM64_REG_NZCV
        self._before: dict[int, State] = {}
        self._may: dict[int, frozenset[int]] = {}
        self._registers: Registers | None = None
        self.steps = self.surprises = 0

    @arch_hooks.hookimpl(wrapper=True)
    def architecture(self) -> Generator[None, Any, Any]:
        info = yield
        self._registers = info.registers
        return info

    @arch_hooks.hookimpl(wrapper=True)
    def pre_xol(self, task: Task, utask: Utask) -> Generator[None, bool, bool]:
        self._before[task.tid] = self._state(task)
        return (yield)

    @arch_hooks.hookimpl(wrapper=True)
    def post_xol(self, task: Task, utask: Utask) -> Generator[None, bool, bool]:
        done = yield
        before = self._before.pop(task.tid, None)
        if done and before is not None and utask.analysis is not None:
            self._compare(task, utask.vaddr, utask.analysis, before)
        return done

    @arch_hooks.hookimpl(wrapper=True)
    def abort_xol(self, task: Task, utask: Utask) -> Generator[None, bool, bool]:
        done = yield
        self._before.pop(task.tid, None)
        return done

    @arch_hooks.hookimpl(wrapper=True)
    def skip_sstep(self, task: Task, utask: Utask, analysis: Analysis) -> Generator[None, bool, bool]:
        before = self._state(task)
        simulated = yield
        if simulated:
            self._compare(task, utask.vaddr, analysis, before)
        return simulated

    def _state(self, task: Task) -> State:
        assert self._registers is not None
        state = {number: task.get_reg(number) for number in range(self._registers.count)}
        state[self._registers.names["pstate"]] &= ~BTYPE
        return state

    def _compare(self, task: Task, address: int, analysis: Analysis, before: State) -> None:
        self.steps += 1
        may = self._may_change(analysis.word)
        for number, value in self._state(task).items():
            if value != before[number] and number not in may:
                self._say(address, analysis, number, before[number], value)

    def _may_change(self, word: int) -> frozenset[int]:
        """The registers that the instruction names, the flags if it sets them, and PC."""
        if word not in self._may:
            self._may[word] = self._named(word)
        return self._may[word]

    def _named(self, word: int) -> frozenset[int]:
        assert self._registers is not None
        names, pstate = self._registers.names, self._registers.names["pstate"]
        found = {self._registers.pc}
        for insn in self._engine.disasm(word.to_bytes(4, "little"), 0):
            implied = [insn.reg_name(register) for register in insn.regs_access()[1]]
            for match in NAMED.finditer(" ".join([insn.op_str, *implied])):
                number, sp, fp, _lr = match.groups()
                found.add(int(number) if number else names["sp"] if sp else 29 if fp else 30)
            if insn.update_flags or "nzcv" in implied:
                found.add(pstate)
        return frozenset(found)

    def _say(self, address: int, analysis: Analysis, number: int, old: int, new: int) -> None:
        self.surprises += 1
        if self.surprises <= SHOWN:
            assert self._registers is not None
            name = next(name for name, each in self._registers.names.items() if each == number)
            print(
                f"stepcheck: {analysis.insn_class} ({analysis.word:08x}) at {address:#x} "
                f"changed {name} from {old:#x} to {new:#x}",
                file=sys.stderr,
            )


class StepCheckPlugin:
    """Constructed once per session; without the switch the run is as if it were not installed."""

    def __init__(self) -> None:
        self.check = StepCheck() if os.environ.get(SWITCH) == "1" else None

    @hookspecs.hookimpl
    def uprobe_arch_wrappers(self) -> list[StepCheck] | None:
        return None if self.check is None else [self.check]

    @hookspecs.hookimpl
    def uprobe_session_finish(self, session: Any, status: Any) -> None:
        if self.check is not None:
            print(f"stepcheck: {self.check.steps} steps, {self.check.surprises} surprises", file=sys.stderr)
