"""One Unicorn engine at EL0 over the arena: opening it, registers and saved contexts."""

from __future__ import annotations

import ctypes
from typing import Any, NoReturn

from uprobe_linux.cpu import PAGE
from uprobe_linux.memory.arena import Arena

from uprobe_core.errors import BackendError
from uprobe_unicorn import library as uc
from uprobe_unicorn.library import CpReg, Library, check

__all__ = ("SavedContext", "UnicornEngine")

_REGISTERS = (
    *range(uc.REG_X0, uc.REG_X0 + 29), uc.REG_X29, uc.REG_X30, uc.REG_SP, uc.REG_PC, uc.REG_PSTATE,
)  # fmt: skip
_SYSTEM = {"tpidr": uc.REG_TPIDR_EL0, "fpcr": uc.REG_FPCR, "fpsr": uc.REG_FPSR}
_USER_PSTATE = 0xF000_0C00
"""NZCV and BTYPE: what a program changes of PSTATE; records show both (recorded: indirect-calls)."""


class _Closed:
    """Stands where the library was: who has kept a hit for longer than its run is told so."""

    def __getattr__(self, name: str) -> NoReturn:
        raise BackendError(
            "the run is over, and its emulator with it",
            hint="read what you need of a hit while its handler runs",
        )


class SavedContext:
    """A uc_context, freed with the object."""

    def __init__(self, library: Library, handle: ctypes.c_void_p) -> None:
        self.handle = handle
        self._free = library.context_free

    def __del__(self) -> None:
        self._free(self.handle)


class UnicornEngine:
    """The engine's handle, with *arena* as its physical memory from address 0."""

    def __init__(self, arena: Arena) -> None:
        self._lib = lib = Library()
        self._memory = arena.view
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

    def _enter_el0(self) -> None:
        """Leave EL1: PSTATE 0, SCTLR_EL1 {DZE, UCT, nTWI, nTWE, UCI}, counter readable; FP access on."""
        self._write(uc.REG_PSTATE, 0)
        sctlr = self._system_register(1, 0, 3, 0, 0)
        bits = 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26
        self._system_register(1, 0, 3, 0, 0, sctlr | bits)
        self._system_register(14, 1, 3, 0, 0, 3)
        self._blank = self.save()

    def _system_register(
        self, crn: int, crm: int, op0: int, op1: int, op2: int, value: int | None = None
    ) -> int:
        register = CpReg(crn, crm, op0, op1, op2, value or 0)
        function = self._lib.reg_read if value is None else self._lib.reg_write
        check(self._lib, function(self._uc, uc.REG_CP, ctypes.byref(register)), "system register")
        return int(register.value)

    # --- registers -----------------------------------------------------------------------------

    def _read(self, register: int) -> int:
        self._lib.reg_read(self._uc, register, self._cell_ref)
        return self._cell.value

    def _write(self, register: int, value: int) -> None:
        self._cell.value = value
        self._lib.reg_write(self._uc, register, self._cell_ref)

    def get_reg(self, index: int) -> int:
        """x0-x30, 31 SP, 32 PC, 33 PSTATE (NZCV and BTYPE: the rest is 0 at EL0)."""
        self._lib.reg_read(self._uc, _REGISTERS[index], self._cell_ref)
        return self._cell.value & _USER_PSTATE if index == 33 else self._cell.value

    def set_reg(self, index: int, value: int) -> None:
        """Write a register of the same numbering."""
        self._cell.value = value & _USER_PSTATE if index == 33 else value
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

    def reset(self) -> None:
        """All registers as they were at the start: zero."""
        self.restore(self._blank)

    def restore(self, context: object) -> None:
        """Load a copy; clears the exclusive monitor."""
        assert isinstance(context, SavedContext)
        self._lib.context_restore(self._uc, context.handle)

    def saved_reg(self, context: object, index: int) -> int:
        """Register *index* of a saved copy."""
        assert isinstance(context, SavedContext)
        self._lib.context_reg_read(context.handle, _REGISTERS[index], self._cell_ref)
        return self._cell.value & _USER_PSTATE if index == 33 else self._cell.value

    def set_saved_reg(self, context: object, index: int, value: int) -> None:
        """Write a register of a saved copy."""
        assert isinstance(context, SavedContext)
        self._cell.value = value & _USER_PSTATE if index == 33 else value
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

    def close(self) -> None:
        """Give the engine back; idempotent."""
        if self._uc:
            self._lib.close(self._uc)
            self._uc = ctypes.c_void_p()
            self._lib = _Closed()  # type: ignore[assignment]
