"""The Unicorn backend under the conformance harness: all registers in one go, one event at a time.

The machine is the ordinary one, and events go through its runner; what is
replaced is the end of the line, where a signal would be delivered or a system
call be made.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NoReturn

from uprobe_linux.calls import Syscall
from uprobe_linux.signals.numbers import BUS_ADRALN, SEGV_ACCERR, SEGV_MAPERR, Sig
from uprobe_linux.syscalls import table

from uprobe_core.testing.conformance_driver import Ending
from uprobe_core.testing.conformance_state import SIZE, VECTORS
from uprobe_unicorn import library as uc
from uprobe_unicorn.aborting_words import aborts
from uprobe_unicorn.cpu import UnicornCpu

if TYPE_CHECKING:
    from uprobe_linux.machine import LinuxMachine
    from uprobe_linux.signals.siginfo import SigInfo

__all__ = ("UnicornDriver",)

_WORDS = (
    *range(uc.REG_X0, uc.REG_X0 + 29),
    uc.REG_X29,
    uc.REG_X30,
    uc.REG_SP,
    uc.REG_PC,
    uc.REG_NZCV,
    uc.REG_FPCR,
    uc.REG_FPSR,
    uc.REG_TPIDR_EL0,
)
_NZCV = 33
_PATIENCE = 200
"""Events after which a run is not expected to come to an end; an ordinary case has one to four."""
_FAULTS = {
    (Sig.SEGV, SEGV_MAPERR): "maperr",
    (Sig.SEGV, SEGV_ACCERR): "accerr",
    (Sig.BUS, BUS_ADRALN): "align",
}
_OTHERS = {Sig.BUS: "adrerr", Sig.ILL: "undefined", Sig.TRAP: "breakpoint"}


class _NoSystemCalls(table.Table):
    """A system call table in which every call is made known instead of made."""

    def __init__(self) -> None:
        self.called = False
        self._entry = Syscall("any", self._note, 0)

    def get(self, number: int) -> Syscall:
        return self._entry

    def _note(self, task: Any, *arguments: int) -> NoReturn:
        self.called = True
        raise table.NoReturn


class UnicornDriver:
    """A :class:`~uprobe_core.testing.conformance_driver.Driver` of a machine that was just opened."""

    def __init__(self, machine: LinuxMachine) -> None:
        assert isinstance(machine.cpu, UnicornCpu)
        assert machine.current is not None
        self.task = machine.current
        self.process = self.task.process
        self._runner = machine.runner
        self._cpu = machine.cpu
        self._calls = self._runner._table = _NoSystemCalls()
        self._clean = self._cpu.save()
        count = len(_WORDS) + 32
        self._buffer = (ctypes.c_ubyte * SIZE)()
        base = ctypes.addressof(self._buffer)
        places = [base + 8 * n for n in range(len(_WORDS))] + [base + VECTORS + 16 * n for n in range(32)]
        self._ids = (ctypes.c_int * count)(*_WORDS, *range(uc.REG_V0, uc.REG_V0 + 32))
        self._places = (ctypes.c_void_p * count)(*places)
        self._count = count
        self._flags = ctypes.c_uint32.from_buffer(self._buffer, 8 * _NZCV)

    def refuses(self, word: int) -> bool:
        """Whether the emulator would end this process over *word*."""
        return aborts(word)

    def load(self, state: bytes) -> None:
        """Write every register; the exclusive monitor is cleared on the way."""
        self._cpu.restore(self._clean)
        ctypes.memmove(self._buffer, state, SIZE)
        self._cpu._lib.reg_write_batch(self._cpu._uc, self._ids, self._places, self._count)

    def save(self) -> bytes:
        """All registers."""
        self._cpu._lib.reg_read_batch(self._cpu._uc, self._ids, self._places, self._count)
        self._flags.value &= 0xF000_0000
        return bytes(self._buffer)

    def run(self) -> Ending:
        """Run until a signal is queued or a system call is about to be made."""
        task, runner, cpu = self.task, self._runner, self._cpu
        pending = task.signals.pending
        for _ in range(_PATIENCE):
            # What Runner._slice does around one event.
            if task.stepping and not task.landings:
                task.process.probes.begin_step(task)
            cpu.skip_hook, task.skip_hook = task.skip_hook, -1
            runner._handle(task, cpu.run())
            if pending.mask:
                return _ending(pending.take(0), task.get_reg(32))
            if self._calls.called:
                self._calls.called = False
                return Ending("syscall", 0, 0, task.get_reg(32))
        return Ending("endless", 0, 0, task.get_reg(32))


def _ending(info: SigInfo | None, pc: int) -> Ending:
    assert info is not None
    kind = (Sig(info.signo), info.code)
    what = _FAULTS.get(kind) or _OTHERS.get(kind[0], kind[0].name.lower())
    return Ending(what, info.code, int.from_bytes(info.payload[:8], "little"), pc)
