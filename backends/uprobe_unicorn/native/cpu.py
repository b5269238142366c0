"""The CPU with hooks in C: translations, interrupts and probes without Python per event.

Python's CPU is the base and the reference.  Here the hooks that it installs
are replaced by those of ``_glue``, which calls back only for what it has not
been told yet: a page that is touched for the first time, a code hook that
belongs to Python.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from importlib import import_module
from typing import Any

from uprobe_linux.cpu import PAGE, Event, Fill, Perm
from uprobe_linux.memory.arena import Arena

from uprobe_core.errors import BackendError
from uprobe_core.native_backend import abi
from uprobe_unicorn import library as uc
from uprobe_unicorn.cpu import UnicornCpu

__all__ = ("NativeCpu", "native_refusal")

NO_CALLS = "UPROBE_DISABLE_CALLS"
"""Environment variable that leaves all system calls to Python if it is set."""
EVERYWHERE = (1 << 64) - 1
_NOWHERE = _NO_TARGET = (1 << 64) - 1
_PAGE_BITS = (1 << 56) - PAGE
_EVENTS = {int(event): event for event in Event}
_DATA, _CODE = 1, 2


def native_refusal(wanted: bool | None = None) -> str:
    """Why hooks in C cannot be used, "" if they can.

    :param wanted: whether they were asked for; None: the environment decides
    """
    if wanted is False:
        return "hooks in Python are asked for"
    if wanted is None and os.environ.get("UPROBE_ENGINE") == "py":
        return "UPROBE_ENGINE=py asks for the Python engine"
    try:
        glue = import_module("uprobe_unicorn.native._glue")
    except ModuleNotFoundError:
        return "the native glue is not part of this installation"
    except ImportError as error:
        return f"the native glue does not load: {error}"
    if abi() != glue.ABI:
        return f"the native glue has layout {glue.ABI}, this version needs {abi()}: rebuild it"
    return ""


def _nothing(_any: Any) -> None:
    return None


def _no_engine(_task: Any) -> int:
    return 0


def _no_span(_page: int) -> tuple[int, int] | None:
    return None


def _own_calls(glue: Any) -> Any:
    from uprobe_unicorn.native._glue import Calls

    calls = Calls()
    glue.make_calls(calls)
    return calls


_BLOCK = struct.Struct("<QQQ")
_GAVE_UP = 1000
"""GUARD_GAVE_UP of glue/guard.h."""


class NativeCpu(UnicornCpu):
    """One Unicorn engine with hooks in C; implements uprobe_linux.cpu.Cpu."""

    survives = True

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._space: Any = None
        self._span: Callable[[int], tuple[int, int] | None] = _no_span
        self._code_span: Callable[[int], tuple[int, int] | None] = _no_span
        self.displaced: Callable[[int], int | None] = _nothing
        """The instruction word under the patch of a native probe at an address, None if there is none."""
        self.engine_task: Callable[[Any], int | None] = _no_engine
        """The address of the engine's task; 0: there is no engine; None: it does not know the task's name."""
        self.on_switch: Callable[[Any], None] = _nothing
        self.before_run: Callable[[], None] | None = None
        self.after_run: Callable[[], None] | None = None
        super().__init__(arena)
        self.registers_found = self.glue.find_registers()
        if self.registers_found and not os.environ.get(NO_CALLS):
            self.calls = _own_calls(self.glue)

    def _install_hooks(self) -> None:
        from uprobe_unicorn.native._glue import Glue, aborting_offsets, guard_pages

        self._arena.lost_pages = guard_pages
        self._unsafe_offsets = aborting_offsets

        self.glue = Glue(
            self._lib.glue_functions(),
            self._uc.value or 0,
            self._arena.base,
            self._arena.size,
            self._answer_fill,
            self._answer_inline,
        )
        callback, data = self.glue.python_hook
        self._hook_data = data
        self._code_callback = ctypes.cast(callback, uc.CodeHook)

    # --- called by the glue ------------------------------------------------------------------------

    def _answer_fill(self, address: int, access: int) -> tuple[int, int]:
        """A miss that C knows nothing of: ask the page table, and tell C what may be answered next time."""
        physical, perms = self._fill(address, access)
        page = address & _PAGE_BITS
        glue = self.glue
        if access == Perm.EXEC:
            glue.drop(page, page + PAGE, _DATA | _CODE)
            if physical >= 0:
                start, end = self._code_span(page) or (page, page + PAGE)
                glue.add_code(start, end, physical - (page - start), perms)
            return physical, perms
        glue.drop(page, page + PAGE, _DATA | _CODE if access == Perm.WRITE else _DATA)
        if physical >= 0:
            # What may be fetched from as well is said of pages alone that have no breakpoints.
            span = self._code_span if perms & Perm.EXEC else self._span
            start, end = span(page) or (page, page + PAGE)
            glue.add_data(start, end, physical - (page - start), perms)
        return physical, perms

    def unsafe_offsets(self, code: bytes | memoryview) -> list[int]:
        """Byte offsets of words in *code* over which libunicorn aborts."""
        return self._unsafe_offsets(code)

    def _answer_inline(self, address: int) -> bool:
        self._inside = True
        try:
            return self._inline(address) or bool(self._later)
        finally:
            self._inside = False

    # --- registers -----------------------------------------------------------------------------------

    def get_reg(self, index: int) -> int:
        """x0-x30, 31 SP, 32 PC, 33 PSTATE (NZCV and BTYPE)."""
        return self.glue.get_reg(index) if index < 33 else super().get_reg(index)

    def set_reg(self, index: int, value: int) -> None:
        """Write a register of the same numbering."""
        if index:
            super().set_reg(index, value)
        else:
            self.glue.set_result(value)

    def syscall_registers(self) -> tuple[int, ...]:
        """(x0, x1, x2, x3, x4, x5, x8) in one go."""
        return self.glue.call_registers()

    # --- threads ---------------------------------------------------------------------------------------

    def own_task(self, task: Any) -> tuple[int, int | None]:
        """The addresses of its saved registers and of the engine's task, None: that does not know it."""
        return task.context.handle.value, self.engine_task(task)

    def ran(self, task: Any) -> None:
        """*task* was switched to in C."""
        self.on_switch(task)

    # --- running -------------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """Instructions executed so far."""
        return self.glue.executed

    def retire(self, instructions: int) -> None:
        """So many instructions more were executed."""
        self.glue.settle(self.glue.executed + instructions)

    def run(self, budget: int = 0) -> Event:
        """Run from PC until an event, at most about *budget* instructions."""
        glue = self.glue
        pc = self.get_reg(32)
        skip = self.skip_hook if pc == self.skip_hook else _NOWHERE
        self.skip_hook = -1
        if glue.stop:
            glue.stop = False
            self.hook_address = skip
            return Event.STOP if skip == _NOWHERE else Event.HOOK
        if self.before_run is not None:
            self.before_run()
        target = max(glue.executed + budget, 0) if budget else _NO_TARGET
        status = glue.run(pc, skip, skip in self._hooks, target)
        if self.after_run is not None:
            self.after_run()
        for change in self._later:
            change()
        self._later.clear()
        if glue.refused:
            self._refused, self._refused_page = glue.refused, glue.refused_page
            glue.refused = 0
        return self._what_happened(status)

    def _what_happened(self, status: int) -> Event:
        glue = self.glue
        if glue.uncounted:
            raise BackendError(
                f"unicorn translated {glue.uncounted} blocks in another way than this build is known to",
                hint="UPROBE_DISABLE_SHORTCUTS=1 does without knowing it, at about half the speed",
            )
        event = glue.event
        if status == _GAVE_UP:
            return Event.DEAD
        if status == uc.ERR_OK and event >= 0:
            glue.stop = False
            if event == Event.HOOK:
                self.hook_address = glue.hook_address
            if event == Event.UNDEFINED and glue.interrupt == 13:
                self.set_reg(32, self.get_reg(32) - 4)
            return _EVENTS[event]
        self._stop, glue.stop = glue.stop, False
        return self._without_interrupt(status)

    def _word(self, address: int) -> int:
        """The instruction word of the program at *address*, 0 if there is none."""
        word = self.displaced(address)
        return super()._word(address) if word is None else word

    def request_stop(self, *, final: bool = False) -> None:
        """Make run come back soon; from any thread and from inside callbacks.

        :param final: the program will not go on; else a run under way ends at the next probe, event
            or when it asks for more instructions, since Unicorn cannot stop safely anywhere (see Meter)
        """
        self.glue.stop = True
        if final:
            self.glue.request_stop()

    def watch(self, end: int, quiet: tuple[int, ...], final: tuple[int, ...], deadly: int) -> bool:
        """Watch from a thread that needs no interpreter lock, so that handlers can keep it."""
        self.glue.watch(end, quiet, final, deadly)
        return True

    def unwatch(self) -> None:
        """Wait for that thread."""
        self.glue.unwatch()

    def was_rung(self) -> bool:
        """Whether it saw something since the last call."""
        rung, self.glue.rung = self.glue.rung, False
        return rung

    # --- samples ---------------------------------------------------------------------------------------

    def sample(self, every: int, take: Callable[[int, int], None], site: int = 0) -> None:
        """Call *take*, or hit the engine's *site*, at each *every*th instruction; 0: no more."""
        self.glue.begin_samples(every, site, take)

    def look_for_sample(self, address: int) -> None:
        """The instruction at *address*, which the task is at, is done elsewhere."""
        self.glue.look_for_sample(address)

    def hold_samples(self, on: bool) -> None:
        """Take none as long as this is on."""
        self.glue.hold_samples(on)

    # --- executed code ---------------------------------------------------------------------------------

    def watch_code(self) -> None:
        """Count blocks of code that are executed."""
        self.glue.watch_code()

    def take_code(self, start: int = 0, end: int = (1 << 64) - 1) -> list[tuple[int, int, int]]:
        """Of those that begin in [start, end): start, size, how often executed since the last call."""
        return list(_BLOCK.iter_unpack(self.glue.take_code(start, end)))

    # --- translations ----------------------------------------------------------------------------------

    def set_fill(self, fill: Fill) -> None:
        """The translation callback from now on; what another one has answered is forgotten."""
        if fill == self._fill:
            return
        self._fill = fill
        self._space = getattr(fill, "__self__", None)
        self._span = getattr(self._space, "span", _no_span)
        self._code_span = getattr(self._space, "code_span", _no_span)
        self.flush()

    def flush(self, start: int = 0, end: int = 1 << 64) -> None:
        """Forget the translations of [start, end)."""
        self.glue.flush(start, min(end, EVERYWHERE))

    def make_stores(self, page: int, physical: int, watched: frozenset[tuple[int, int]]) -> None:
        """Make refused stores to *page* that change nothing of *watched* without an event."""
        self.glue.make_stores(page, physical, tuple(watched))

    def forget_code(self, physical: int, size: int) -> None:
        """Forget translated instructions of physical [physical, physical + size)."""
        self.glue.forgetting = True
        super().forget_code(physical, size)
        self.glue.forgetting = False

    # --- code hooks --------------------------------------------------------------------------------------

    def add_hook(self, address: int) -> None:
        """Call the inline callback before each execution at *address*."""
        is_new = address not in self._hooks
        super().add_hook(address)
        if is_new and not self._inside:
            self.glue.note_python(address, True)

    def remove_hook(self, address: int) -> None:
        """Undo add_hook."""
        super().remove_hook(address)
        if not self._inside:
            self.glue.note_python(address, False)

    def has_hook(self, address: int) -> bool:
        """Whether add_hook was called for *address*."""
        return address in self._hooks

    def close(self) -> None:
        """Give the engine back; idempotent."""
        if self._uc:
            self.glue.close()
        super().close()
