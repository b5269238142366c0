"""A CPU of user-mode Linux on Unicorn: EL0, virtual TLB over the arena, run until an event."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from uprobe_linux.cpu import HOLE, PAGE, Event, Fill, OwnCalls, Perm
from uprobe_linux.cpu_support.effective_address import effective_address
from uprobe_linux.memory.arena import Arena

from uprobe_core.errors import BackendError
from uprobe_unicorn import library as uc
from uprobe_unicorn.aborting_words import aborting_offsets
from uprobe_unicorn.library import (
    CodeHook,
    FillHook,
    InterruptHook,
    TlbEntry,
    check,
)
from uprobe_unicorn.meter import Meter
from uprobe_unicorn.observed import ObservedEngine

__all__ = ("UnicornCpu",)

WINDOW = 1 << 52
"""Virtual WINDOW + p shows physical p to forget_code alone; beyond all guest addresses but below the tag."""
WINDOW_END = 1 << 53
_LARGEST_TLB = 600 << 6

_ACCESS = {uc.MEM_READ: int(Perm.READ), uc.MEM_WRITE: int(Perm.WRITE), uc.MEM_FETCH: int(Perm.EXEC)}
_INTERRUPTS = {2: Event.SYSCALL, 7: Event.BREAK, 4: Event.ALIGN}
_PAGE_BITS = (1 << 56) - PAGE
"""Of an address without its tag, the page."""
_BLOCK = 64
"""Instructions to look back for the one that was refused."""


def _nothing_mapped(_address: int, _access: int) -> tuple[int, int]:
    return HOLE, 0


def _always_stop(_address: int) -> bool:
    return True


class UnicornCpu(ObservedEngine):
    """One Unicorn engine whose physical memory is *arena*; implements uprobe_linux.cpu.Cpu."""

    def __init__(self, arena: Arena) -> None:
        super().__init__(arena)
        self.fault_address = 0
        self.fault_access = 0
        self.hook_address = 0
        self.calls: OwnCalls | None = None
        """It has none: every system call is an event."""
        self.skip_hook = -1
        """Address whose hook was delivered before run was left; not delivered again if PC is still there."""
        self._hooks: dict[int, int] = {}
        self._hook_data: int | None = None
        self._event: Event | None = None
        self._error: BaseException | None = None
        self._inside = False
        self._later: list[Callable[[], None]] = []
        """Changes of hooks that were asked for inside a callback."""
        self._stop = False
        self._trapped = -1
        """Where the last run ended at a breakpoint, as long as nothing was executed since."""
        self._fills = 0
        """Fills since the last flush."""
        self._grow_at = 600
        self._fill: Fill = _nothing_mapped
        self._inline: Callable[[int], bool] = _always_stop
        self._entries: dict[int, TlbEntry] = {}
        self._install_hooks()
        self._enter_el0()

    # --- set-up --------------------------------------------------------------------------------

    def _install_hooks(self) -> None:
        every = (1, 0)  # begin > end: everywhere
        stop = ctypes.cast(self._lib.emu_stop, ctypes.c_void_p).value
        self._meter = Meter(stop or 0, self._is_branch)
        self._add_hook(uc.HOOK_BLOCK, ctypes.c_void_p(self._meter.hook), *every, self._meter.data)
        self._add_hook(uc.HOOK_TLB_FILL, FillHook(self._on_fill), *every)
        self._add_hook(uc.HOOK_INTR, InterruptHook(self._on_interrupt), *every)
        self._code_callback = CodeHook(self._on_code)

    # --- callbacks: called by Unicorn, must not raise --------------------------------------------

    def _on_fill(self, _uc: int, address: int, kind: int, result: int, _data: int) -> bool:
        entry = self._entries.get(result)
        if entry is None:
            entry = self._entries[result] = TlbEntry.from_address(result)
        try:
            if WINDOW <= address < WINDOW_END and self._forgetting:
                entry.physical, entry.perms = address - WINDOW, uc.PROT_ALL
                return True
            access = _ACCESS[kind]
            self._fills += 1
            if self._fills > self._grow_at:
                self._grow()
            physical, perms = self._fill(address, access)
        except BaseException as error:
            self._fail(error)
            physical, perms, access = HOLE, 0, 0
        if physical < 0:
            self._refused, self._refused_page = access, address & -PAGE
            return False
        entry.physical, entry.perms = physical, perms
        return True

    _forgetting = False
    _refused = 0
    """The Perm bit of the last access that was refused."""
    _refused_page = 0

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._lib.emu_stop(self._uc)

    def _on_interrupt(self, _uc: int, number: int, _data: int) -> None:
        self._event = _INTERRUPTS.get(number, Event.UNDEFINED)
        self._interrupt = number
        self._lib.emu_stop(self._uc)

    _interrupt = 0

    def _on_code(self, _uc: int, address: int, _size: int, _data: int) -> None:
        if address == self._skip:
            self._skip = -1
            return
        self._skip = -1
        self._inside = True
        self._seen = self._meter.at(address)
        try:
            stop = self._inline(address)
        except BaseException as error:
            self._fail(error)
            stop = True
        finally:
            self._inside = False
        if stop or self._stop or self._later:
            self.hook_address = address
            self._event = Event.HOOK
            self._lib.emu_stop(self._uc)

    _skip = -1

    # --- running -------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """Instructions executed so far."""
        return self._seen

    def retire(self, instructions: int) -> None:
        """So many instructions more were executed."""
        self._seen += instructions
        self._trapped = -1
        self._meter.settle(self._seen)

    def run(self, budget: int = 0) -> Event:
        """Run from PC until an event, at most about *budget* instructions."""
        pc = self.get_reg(32)
        self._skip = self.skip_hook if pc == self.skip_hook else -1
        self.skip_hook = -1
        self._event = None
        if self._stop:
            self._stop = False
            self._meter.take_stop()
            self.hook_address = self._skip  # its hook has run: it must not run again
            return Event.STOP if self._skip < 0 else Event.HOOK
        self._meter.start(self._seen + budget if budget else None)
        event = self._run(pc)
        if event is not Event.HOOK:
            fetch = event is Event.FAULT and self.fault_access == Perm.EXEC
            self._seen = self._meter.done() if fetch else self._meter.at(self.get_reg(32))
        inside = self._event is not None or event is Event.FAULT
        if inside:  # else the meter stopped before a block's hooks
            ahead = self._meter.done() - self._seen
            is_again = pc == self._trapped == self.get_reg(32)  # it was held, and what it is over has counted
            self._code_left(ahead - (event is Event.BREAK and ahead > 0 and not is_again))  # else that counts
        self._trapped = self.get_reg(32) if event is Event.BREAK else -1
        self._meter.settle(self._seen)
        return event

    def _run(self, pc: int) -> Event:
        while True:
            status: int = self._lib.emu_start(self._uc, pc, 0, 0, 0)
            for change in self._later:
                change()
            self._later.clear()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if status or self._event is not None or not self._meter.used_up or not self._meter.go_on():
                return self._what_came(status)
            pc = self.get_reg(32)

    def _what_came(self, status: int) -> Event:
        event = self._event
        if event is not None and not status:
            if event is Event.UNDEFINED and self._interrupt == 13:
                self.set_reg(32, self.get_reg(32) - 4)
            return event
        used_up = self._meter.used_up
        self._stop |= self._meter.take_stop()
        event = self._without_interrupt(status)
        if event is Event.IDLE and used_up:
            event = Event.SLICE
        if not status and event is not Event.FAULT and self._skip >= 0 and self._skip == self.get_reg(32):
            self.hook_address = self._skip  # stopped before the instruction whose hook had run before
            return Event.HOOK
        return event

    def _is_branch(self, address: int) -> bool:
        """Whether the program's instruction at *address* is a branch (Arm ARM DDI 0487, C4.1)."""
        word = self._word(address)
        return (
            word & 0x7C00_0000 in (0x1400_0000, 0x3400_0000)
            or word & 0xFF00_0000 == 0x5400_0000
            or word & 0xFE00_0000 == 0xD600_0000
        )

    def _without_interrupt(self, status: int) -> Event:
        if status == uc.ERR_EXCEPTION and self._refused:
            access, self._refused = self._refused, 0
            self._locate_fault(access)
            return Event.FAULT
        if status:
            text = self._lib.strerror(status).decode()
            raise BackendError(f"unicorn stopped at {self.get_reg(32):#x}: {text} ({status})")
        if self._stop:
            self._stop = False
            return Event.STOP
        if self.get_reg(32) == 0:
            self.fault_address, self.fault_access = 0, int(Perm.EXEC)
            return Event.FAULT
        return Event.IDLE

    def _locate_fault(self, access: int) -> None:
        """Find the refused byte: Unicorn says the page, the instruction says where it begins.

        A MEM_INVALID hook would tell, but while one exists every store takes 60 ns more.
        """
        self.fault_access = access
        pc = self.get_reg(32)
        if access == Perm.EXEC:
            self.fault_address = pc
        elif not self._starts_in_page(pc) and not (access == Perm.WRITE and self._find_zva(pc)):
            self.fault_address = self._refused_page

    def _starts_in_page(self, pc: int) -> bool:
        """Whether the access of the instruction at *pc* begins in the refused page; notes where."""
        address = effective_address(self._word(pc), pc, self.get_reg)
        if address is None or (address ^ self._refused_page) & _PAGE_BITS:
            return False
        self.fault_address = address
        return True

    def _find_zva(self, pc: int) -> bool:
        """A refused DC ZVA leaves PC at the end of its block: go back to it."""
        for at in range(pc - 4, pc - 4 * _BLOCK, -4):
            if self._word(at) & 0xFFFF_FFE0 == 0xD50B_7420 and self._starts_in_page(at):
                self.set_reg(32, at)
                return True
        return False

    def _word(self, address: int) -> int:
        """The instruction word that is executed at *address*, 0 if nothing is."""
        physical, _ = self._fill(address, int(Perm.EXEC))
        if physical < 0:
            return 0
        at = physical + (address & (PAGE - 1))
        return int.from_bytes(self._memory[at : at + 4], "little")

    def request_stop(self, *, final: bool = False) -> None:
        """Make run come back soon; from any thread and from inside callbacks.

        :param final: the program will not go on; else a run that is under way ends before its next
            block, since Unicorn cannot stop safely anywhere (see Meter)
        """
        self._stop = True
        self._meter.stop()
        if final:
            self._lib.emu_stop(self._uc)

    survives = False
    """Nobody catches what libunicorn aborts over."""

    def watch(self, _end: int, _quiet: tuple[int, ...], _final: tuple[int, ...], _deadly: int) -> bool:
        """There is no thread but Python's."""
        return False

    def unwatch(self) -> None:
        """There is no thread to wait for."""

    def was_rung(self) -> bool:
        """Nothing is seen without a thread."""
        return False

    def own_task(self, _task: Any) -> tuple[int, int | None]:
        """It switches to nobody by itself."""
        return 0, None

    def ran(self, _task: Any) -> None:
        """It does not."""

    # --- translations --------------------------------------------------------------------------

    def set_fill(self, fill: Fill) -> None:
        """The translation callback from now on; what another one has answered is forgotten."""
        if fill != self._fill:
            self._fill = fill
            self.flush()

    def _grow(self) -> None:
        """Many fills since the last flush: the emulator's TLB (256 entries at first) is too small.

        It doubles when it is flushed while it is nearly full (cputlb.c, tlb_mmu_resize_locked).
        """
        if self._grow_at < _LARGEST_TLB:
            self._grow_at *= 2
        self.flush()

    def flush(self, start: int = 0, end: int = 1 << 64) -> None:
        """Forget all translations of addresses, those in [start, end) among them."""
        self._fills = 0
        self._lib.ctl(self._uc, uc.ctl_write(uc.CTL_TLB_FLUSH, 0))

    def make_stores(self, _page: int, _physical: int, _watched: frozenset[tuple[int, int]]) -> None:
        """It makes none by itself."""

    def forget_code(self, physical: int, size: int) -> None:
        """Forget translated instructions of physical [physical, physical + size)."""
        if self._inside:
            self._later.append(lambda: self.forget_code(physical, size))
            return
        start = WINDOW + physical
        self._forgetting = True
        control = uc.ctl_write(uc.CTL_TB_REMOVE, 2)
        self._lib.ctl(self._uc, control, ctypes.c_uint64(start), ctypes.c_uint64(start + size))
        self._forgetting = False

    def unsafe_offsets(self, code: bytes | memoryview) -> list[int]:
        """Byte offsets of words in *code* over which libunicorn aborts."""
        return aborting_offsets(bytes(code))

    # --- code hooks ----------------------------------------------------------------------------

    def add_hook(self, address: int) -> None:
        """Call the inline callback before each execution at *address*."""
        if self._inside:
            self._later.append(lambda: self.add_hook(address))
        elif address not in self._hooks:
            hook = ctypes.c_size_t()
            status = self._lib.hook_add(
                self._uc,
                ctypes.byref(hook),
                uc.HOOK_CODE,
                self._code_callback,
                self._hook_data,
                address,
                address,
            )
            check(self._lib, status, f"hook at {address:#x}")
            self._hooks[address] = hook.value

    def remove_hook(self, address: int) -> None:
        """Undo add_hook."""
        if self._inside:
            self._later.append(lambda: self.remove_hook(address))
            return
        hook = self._hooks.pop(address, None)
        if hook is not None:
            self._lib.hook_del(self._uc, hook)

    def set_inline(self, callback: Callable[[int], bool]) -> None:
        """Called inside a hook with its address; answers whether to stop with Event.HOOK as well."""
        self._inline = callback
