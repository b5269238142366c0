"""A CPU of user-mode Linux on Unicorn: EL0, virtual TLB over the arena, run until an event."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from uprobe_linux.arena import Arena
from uprobe_linux.cpu import HOLE, PAGE, Event, Fill, Perm
from uprobe_linux.effective_address import effective_address

from uprobe_core.errors import BackendError
from uprobe_unicorn import library as uc
from uprobe_unicorn.library import (
    CodeHook,
    CpReg,
    FillHook,
    InterruptHook,
    Library,
    TlbEntry,
    check,
)
from uprobe_unicorn.meter import Meter

__all__ = ("UnicornCpu",)

HOLE_BASE = 1 << 40
"""Physical addresses from here on are never mapped: where refused accesses are sent."""
WINDOW = 1 << 52
"""Virtual WINDOW + p shows physical p to forget_code alone; beyond all guest addresses but below the tag."""
WINDOW_END = 1 << 53
_LARGEST_TLB = 600 << 6
_LONG_RUN = 1_000_000
"""Instructions after which a counted run comes back to see whether it was asked to stop."""

_REGISTERS = (
    *range(uc.REG_X0, uc.REG_X0 + 29), uc.REG_X29, uc.REG_X30, uc.REG_SP, uc.REG_PC, uc.REG_NZCV,
)  # fmt: skip
_SYSTEM = {"tpidr": uc.REG_TPIDR_EL0, "fpcr": uc.REG_FPCR, "fpsr": uc.REG_FPSR}
_ACCESS = {uc.MEM_READ: int(Perm.READ), uc.MEM_WRITE: int(Perm.WRITE), uc.MEM_FETCH: int(Perm.EXEC)}
_UNMAPPED = {uc.ERR_READ_UNMAPPED: 1, uc.ERR_READ_UNMAPPED + 1: 2, uc.ERR_FETCH_UNMAPPED: 4}
_INTERRUPTS = {2: Event.SYSCALL, 7: Event.BREAK, 4: Event.ALIGN}
_NZCV = 0xF000_0000
_PAGE_BITS = (1 << 56) - PAGE
"""Of an address without its tag, the page."""
_BLOCK = 64
"""Instructions to look back for the one that was refused."""


def _nothing_mapped(_address: int, _access: int) -> tuple[int, int]:
    return HOLE, 0


def _always_stop(_address: int) -> bool:
    return True


class SavedContext:
    """A uc_context, freed with the object."""

    def __init__(self, library: Library, handle: ctypes.c_void_p) -> None:
        self.handle = handle
        self._free = library.context_free

    def __del__(self) -> None:
        self._free(self.handle)


class UnicornCpu:
    """One Unicorn engine whose physical memory is *arena*; implements uprobe_linux.cpu.Cpu."""

    def __init__(self, arena: Arena) -> None:
        self._lib = lib = Library()
        self._memory = arena.view
        self.fault_address = 0
        self.fault_access = 0
        self.hook_address = 0
        self.skip_hook = -1
        """Address whose hook was delivered before run was left; not delivered again if PC is still there."""
        self.executed = 0
        self._hooks: dict[int, int] = {}
        self._hook_data: int | None = None
        self._callbacks: list[Any] = []
        self._event: Event | None = None
        self._error: BaseException | None = None
        self._inside = False
        self._later: list[Callable[[], None]] = []
        """Changes of hooks that were asked for inside a callback."""
        self._stop = False
        self._fills = 0
        """Fills since the last flush."""
        self._grow_at = 600
        self._meter: Meter | None = None
        self._counting = False
        self._fill: Fill = _nothing_mapped
        self._inline: Callable[[int], bool] = _always_stop
        self._entries: dict[int, TlbEntry] = {}
        self._cell = ctypes.c_uint64()
        self._cell_ref = ctypes.addressof(self._cell)
        self._vector = (ctypes.c_uint64 * 2)()
        handle = ctypes.c_void_p()
        check(lib, lib.open(uc.ARCH_ARM64, uc.MODE_ARM, ctypes.byref(handle)), "open")
        self._uc = handle
        self._ctl(uc.CTL_CPU_MODEL, ctypes.c_int(uc.CPU_MAX))
        # Else it is 1 KiB, the smallest of 32-bit ARM.
        self._ctl(uc.CTL_PAGE_SIZE, ctypes.c_uint32(PAGE))
        self._ctl(uc.CTL_TLB_TYPE, ctypes.c_int(uc.TLB_VIRTUAL))
        check(lib, lib.mem_map_ptr(handle, 0, arena.size, uc.PROT_ALL, arena.base), "map memory")
        self._syscall_arrays = self._batch([uc.REG_X0 + i for i in (0, 1, 2, 3, 4, 5, 8)])
        self._install_hooks()
        self._enter_el0()

    # --- set-up --------------------------------------------------------------------------------

    def _ctl(self, control: int, *arguments: Any) -> None:
        status = self._lib.ctl(self._uc, uc.ctl_write(control, len(arguments)), *arguments)
        check(self._lib, status, f"control {control}")

    def _batch(self, registers: list[int]) -> tuple[Any, Any, Any]:
        count = len(registers)
        values = (ctypes.c_uint64 * count)()
        base = ctypes.addressof(values)
        return (
            (ctypes.c_int * count)(*registers),
            (ctypes.c_void_p * count)(*range(base, base + 8 * count, 8)),
            values,
        )

    def _install_hooks(self) -> None:
        every = (1, 0)  # begin > end: everywhere
        self._add_hook(uc.HOOK_TLB_FILL, FillHook(self._on_fill), *every)
        self._add_hook(uc.HOOK_INTR, InterruptHook(self._on_interrupt), *every)
        self._code_callback = CodeHook(self._on_code)

    def _add_hook(self, kind: int, callback: Any, begin: int, end: int, data: int | None = None) -> int:
        hook = ctypes.c_size_t()
        self._callbacks.append(callback)
        status = self._lib.hook_add(self._uc, ctypes.byref(hook), kind, callback, data, begin, end)
        check(self._lib, status, f"hook {kind}")
        return hook.value

    def _enter_el0(self) -> None:
        """Leave EL1: PSTATE 0, SCTLR_EL1 {DZE, UCT, nTWI, nTWE, UCI}, counter readable; FP access on."""
        self._write(uc.REG_PSTATE, 0)
        sctlr = self._system_register(1, 0, 3, 0, 0)
        bits = 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26
        self._system_register(1, 0, 3, 0, 0, sctlr | bits)
        self._system_register(14, 1, 3, 0, 0, 3)

    def _system_register(
        self, crn: int, crm: int, op0: int, op1: int, op2: int, value: int | None = None
    ) -> int:
        register = CpReg(crn, crm, op0, op1, op2, value or 0)
        function = self._lib.reg_read if value is None else self._lib.reg_write
        check(self._lib, function(self._uc, uc.REG_CP, ctypes.byref(register)), "system register")
        return int(register.value)

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
            physical, perms = HOLE_BASE + (address & 0xFF_FFFF_F000 & -PAGE), uc.PROT_ALL
            self._refused = True
            self._refused_page = address & -PAGE
        entry.physical, entry.perms = physical, perms
        return True

    _forgetting = False
    _refused = False
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

    def run(self, budget: int = 0) -> Event:
        """Run from PC until an event; *budget* in instructions, 0: no limit."""
        pc = self.get_reg(32)
        self._skip = self.skip_hook if pc == self.skip_hook else -1
        self.skip_hook = -1
        self._event = None
        if self._stop:
            self._stop = False
            return Event.STOP
        status = self._start(pc, budget)
        for change in self._later:
            change()
        self._later.clear()
        if self._refused:
            self._refused = False
            self.flush()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        event = self._event
        if event is not None and not status:
            if event is Event.UNDEFINED and self._interrupt == 13:
                self.set_reg(32, self.get_reg(32) - 4)
            return event
        return self._without_interrupt(status, budget)

    def _start(self, pc: int, budget: int) -> int:
        if budget:
            self.count_blocks()
        if self._meter is None:
            status: int = self._lib.emu_start(self._uc, pc, 0, 0, self._count(budget))
            return status
        self._meter.start(budget)
        status = self._lib.emu_start(self._uc, pc, 0, 0, 0)
        self.executed += self._meter.executed()
        return status

    def _count(self, budget: int) -> int:
        """Where there is no meter: the count for emu_start, which counts by a hook over all code.

        Changing between counting and not makes it forget all translations, so counting goes on
        once it was needed.
        """
        if budget:
            self._counting = True
            return budget
        return _LONG_RUN if self._counting else 0

    def count_blocks(self) -> None:
        """From now on :attr:`executed` counts, and a stop can come from other threads at any time."""
        if self._meter is not None or self._counting:
            return
        address = ctypes.cast(self._lib.emu_stop, ctypes.c_void_p).value
        self._meter = Meter.create(address or 0)
        self._counting = True
        if self._meter is not None:
            self._add_hook(uc.HOOK_BLOCK, ctypes.c_void_p(self._meter.hook), 1, 0, self._meter.data)
            self._lib.ctl(self._uc, uc.ctl_write(uc.CTL_TB_FLUSH, 0))

    def _without_interrupt(self, status: int, budget: int) -> Event:
        if status in _UNMAPPED:
            self._locate_fault(_UNMAPPED[status])
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
        if self._meter is not None:
            return Event.SLICE if self._meter.used_up else Event.IDLE
        if budget:
            self.executed += budget
            return Event.SLICE
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

        :param final: the program will not go on; else, unless blocks are counted, a run that is under
            way ends no earlier than it would have, since Unicorn cannot stop safely (see Meter)
        """
        self._stop = True
        if self._meter is not None:
            self._meter.stop()
        if final:
            self._lib.emu_stop(self._uc)

    # --- registers -----------------------------------------------------------------------------

    def _read(self, register: int) -> int:
        self._lib.reg_read(self._uc, register, self._cell_ref)
        return self._cell.value

    def _write(self, register: int, value: int) -> None:
        self._cell.value = value
        self._lib.reg_write(self._uc, register, self._cell_ref)

    def get_reg(self, index: int) -> int:
        """x0-x30, 31 SP, 32 PC, 33 PSTATE (NZCV only: the rest is 0 at EL0)."""
        self._lib.reg_read(self._uc, _REGISTERS[index], self._cell_ref)
        return self._cell.value & _NZCV if index == 33 else self._cell.value

    def set_reg(self, index: int, value: int) -> None:
        """Write a register of the same numbering."""
        self._cell.value = value & _NZCV if index == 33 else value
        self._lib.reg_write(self._uc, _REGISTERS[index], self._cell_ref)

    def get_vec(self, index: int) -> int:
        """128-bit vector register 0-31."""
        self._lib.reg_read(self._uc, uc.REG_V0 + index, ctypes.addressof(self._vector))
        return self._vector[0] | self._vector[1] << 64

    def set_vec(self, index: int, value: int) -> None:
        """Write a vector register."""
        self._vector[0], self._vector[1] = value & (1 << 64) - 1, value >> 64
        self._lib.reg_write(self._uc, uc.REG_V0 + index, ctypes.addressof(self._vector))

    def get_system(self, name: str) -> int:
        """One of "tpidr", "fpsr" and "fpcr"."""
        self._cell.value = 0
        return self._read(_SYSTEM[name])

    def set_system(self, name: str, value: int) -> None:
        """Write one of them."""
        self._write(_SYSTEM[name], value)

    def syscall_registers(self) -> tuple[int, ...]:
        """(x0, x1, x2, x3, x4, x5, x8) in one go."""
        ids, pointers, values = self._syscall_arrays
        self._lib.reg_read_batch(self._uc, ids, pointers, 7)
        return tuple(values)

    # --- contexts ------------------------------------------------------------------------------

    def save(self) -> SavedContext:
        """A copy of all registers."""
        handle = ctypes.c_void_p()
        check(self._lib, self._lib.context_alloc(self._uc, ctypes.byref(handle)), "allocate a context")
        self._lib.context_save(self._uc, handle)
        return SavedContext(self._lib, handle)

    def copy(self, context: object) -> SavedContext:
        """An independent copy of a saved copy."""
        assert isinstance(context, SavedContext)
        twin = self.save()
        ctypes.memmove(twin.handle, context.handle, self._lib.context_size(self._uc))
        return twin

    def restore(self, context: object) -> None:
        """Load a copy; clears the exclusive monitor."""
        assert isinstance(context, SavedContext)
        self._lib.context_restore(self._uc, context.handle)

    def saved_reg(self, context: object, index: int) -> int:
        """Register *index* of a saved copy."""
        assert isinstance(context, SavedContext)
        self._lib.context_reg_read(context.handle, _REGISTERS[index], self._cell_ref)
        return self._cell.value & _NZCV if index == 33 else self._cell.value

    def set_saved_reg(self, context: object, index: int, value: int) -> None:
        """Write a register of a saved copy."""
        assert isinstance(context, SavedContext)
        self._cell.value = value & _NZCV if index == 33 else value
        self._lib.context_reg_write(context.handle, _REGISTERS[index], self._cell_ref)

    def saved_vec(self, context: object, index: int) -> int:
        """Vector register *index* of a saved copy."""
        assert isinstance(context, SavedContext)
        self._lib.context_reg_read(context.handle, uc.REG_V0 + index, ctypes.addressof(self._vector))
        return self._vector[0] | self._vector[1] << 64

    def set_saved_vec(self, context: object, index: int, value: int) -> None:
        """Write a vector register of a saved copy."""
        assert isinstance(context, SavedContext)
        self._vector[0], self._vector[1] = value & (1 << 64) - 1, value >> 64
        self._lib.context_reg_write(context.handle, uc.REG_V0 + index, ctypes.addressof(self._vector))

    def saved_system(self, context: object, name: str) -> int:
        """get_system of a saved copy."""
        assert isinstance(context, SavedContext)
        self._cell.value = 0
        self._lib.context_reg_read(context.handle, _SYSTEM[name], self._cell_ref)
        return self._cell.value

    def set_saved_system(self, context: object, name: str, value: int) -> None:
        """set_system of a saved copy."""
        assert isinstance(context, SavedContext)
        self._cell.value = value
        self._lib.context_reg_write(context.handle, _SYSTEM[name], self._cell_ref)

    # --- translations --------------------------------------------------------------------------

    def set_fill(self, fill: Fill) -> None:
        """The translation callback for everything that follows."""
        self._fill = fill

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

    def close(self) -> None:
        """Give the engine back; idempotent."""
        if self._uc:
            self._lib.close(self._uc)
            self._uc = ctypes.c_void_p()
