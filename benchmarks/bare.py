"""The call loop on libunicorn with nothing else: what everything is compared with."""

from __future__ import annotations

import ctypes
import mmap
import time
from collections import Counter, deque
from collections.abc import Callable
from importlib import import_module
from typing import Any

from uprobe_unicorn import library as uc
from uprobe_unicorn.library import Library, check

from benchmarks.baseline import Baseline
from benchmarks.programs import symbols

__all__ = ("BareLoop",)

SIZE = 64 << 20
STACK = SIZE - 4096
END = 0x1000
ENTRY, TAIL = 0x3000, 0x4000
"""Where the slot scheme has its entry and its displaced instruction."""


class BareLoop:
    """``run_loop`` of programs/loops.c in an emulator of its own, mapped at its own addresses."""

    def __init__(self, path: str) -> None:
        self.lib = lib = Library()
        self.handle = ctypes.c_void_p()
        check(lib, lib.open(uc.ARCH_ARM64, uc.MODE_ARM, ctypes.byref(self.handle)), "open")
        self._control(uc.CTL_CPU_MODEL, ctypes.c_int(uc.CPU_MAX))
        self._control(uc.CTL_PAGE_SIZE, ctypes.c_uint32(4096))
        self._control(uc.CTL_TLB_TYPE, ctypes.c_int(uc.TLB_VIRTUAL))
        self._map = mmap.mmap(-1, SIZE)
        self.memory = memoryview(self._map)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        check(lib, lib.mem_map_ptr(self.handle, 0, SIZE, uc.PROT_ALL, base), "map")
        self._load(path)
        names = symbols(path)
        self.work, self.loop = names["work"], names["run_loop"]
        self._baseline = Baseline(lib.glue_functions(), TAIL)
        self._kept: list[Any] = []
        self.hook(uc.HOOK_TLB_FILL, self._baseline.fill, 1, 0)

    def _control(self, control: int, argument: Any) -> None:
        check(self.lib, self.lib.ctl(self.handle, uc.ctl_write(control, 1), argument), "control")

    def _load(self, path: str) -> None:
        from elftools.elf.elffile import ELFFile

        with open(path, "rb") as file:
            for segment in ELFFile(file).iter_segments("PT_LOAD"):
                data = segment.data()
                self.memory[segment["p_vaddr"] : segment["p_vaddr"] + len(data)] = data

    def hook(self, kind: int, callback: int, begin: int, end: int) -> None:
        """uc_hook_add with one of the baseline's callbacks."""
        number = ctypes.c_size_t()
        status = self.lib.hook_add(
            self.handle,
            ctypes.byref(number),
            kind,
            ctypes.c_void_p(callback),
            self._baseline.data,
            begin,
            end,
        )
        check(self.lib, status, "hook")

    def count(self) -> None:
        """Count at ``work``."""
        self.hook(uc.HOOK_CODE, self._baseline.count, self.work, self.work)

    def store(self) -> None:
        """Store four registers at ``work``."""
        self.hook(uc.HOOK_CODE, self._baseline.store, self.work, self.work)

    def _displace(self) -> None:
        word = bytes(self.memory[self.work : self.work + 4])
        self.memory[TAIL : TAIL + 8] = word + _branch(TAIL + 4, self.work + 4)

    def trap(self) -> None:
        """A breakpoint at ``work``, resumed in a slot."""
        self._displace()
        self.memory[self.work : self.work + 4] = (0xD42000A0).to_bytes(4, "little")
        self.hook(uc.HOOK_INTR, self._baseline.breakpoint, 1, 0)

    def jump(self) -> None:
        """A branch at ``work`` to a slot whose first instruction has a code hook that counts."""
        self._displace()
        self.memory[ENTRY : ENTRY + 4] = _branch(ENTRY, TAIL)
        self.memory[self.work : self.work + 4] = _branch(self.work, ENTRY)
        self.hook(uc.HOOK_CODE, self._baseline.count, ENTRY, ENTRY + 4095)

    def count_both(self) -> None:
        """Count at ``work`` and where it returns to."""
        self.count()
        self.hook(uc.HOOK_CODE, self._baseline.count, self.after_call, self.after_call)

    @property
    def after_call(self) -> int:
        """Where ``work`` returns to: behind the only BL to it in ``run_loop``."""
        for at in range(self.loop, self.loop + 4096, 4):
            word = int.from_bytes(self.memory[at : at + 4], "little")
            if word >> 26 == 0x25 and (at + ((word & 0x3FFFFFF) << 2)) & 0xFFFFFFF == self.work & 0xFFFFFFF:
                return at + 4
        raise SystemExit("run_loop does not call work")

    def python(self) -> None:
        """A Python function at ``work``, through ctypes as Unicorn's own binding does it."""
        counter = [0]

        def count(_uc: int, _address: int, _size: int, _data: int) -> None:
            counter[0] += 1

        callback = uc.CodeHook(count)
        self._kept.append(callback)
        number = ctypes.c_size_t()
        status = self.lib.hook_add(
            self.handle, ctypes.byref(number), uc.HOOK_CODE, callback, None, self.work, self.work
        )
        check(self.lib, status, "hook")

    # --- the same through the unicorn package: what a script that imports it pays --------------------

    def _through_package(self, *hooks: tuple[int, Callable[..., None]]) -> None:
        package: Any = import_module("unicorn")
        other = package.Uc(package.UC_ARCH_ARM64, package.UC_MODE_ARM)
        other.mem_map(0, SIZE)
        other.mem_write(0, bytes(self.memory))
        for address, function in hooks:
            other.hook_add(package.UC_HOOK_CODE, function, begin=address, end=address)
        self._kept.append(other)
        self.handle = other._uch

    def package_count(self) -> None:
        """Count."""
        counter = [0]

        def count(_uc: Any, _address: int, _size: int, _data: Any) -> None:
            counter[0] += 1

        self._through_package((self.work, count))

    def package_store(self) -> None:
        """Read four registers and keep them."""
        registers = range(uc.REG_X0, uc.REG_X0 + 4)
        kept: deque[list[int]] = deque(maxlen=1000)

        def store(emulator: Any, _address: int, _size: int, _data: Any) -> None:
            kept.append([emulator.reg_read(register) for register in registers])

        self._through_package((self.work, store))

    def package_latency(self) -> None:
        """Time from entry to return, matched by the stack pointer, in power-of-two buckets."""
        entered: dict[int, int] = {}
        buckets: Counter[int] = Counter()

        def enter(emulator: Any, _address: int, _size: int, _data: Any) -> None:
            entered[emulator.reg_read(uc.REG_SP)] = time.monotonic_ns()

        def leave(emulator: Any, _address: int, _size: int, _data: Any) -> None:
            start = entered.pop(emulator.reg_read(uc.REG_SP), None)
            if start is not None:
                buckets[(time.monotonic_ns() - start).bit_length()] += 1

        self._through_package((self.work, enter), (self.after_call, leave))

    def run(self, rounds: int) -> float:
        """Nanoseconds of processor time per call."""
        for register, value in ((uc.REG_X0, rounds), (uc.REG_SP, STACK), (uc.REG_X30, END)):
            cell = ctypes.c_uint64(value)
            self.lib.reg_write(self.handle, register, ctypes.byref(cell))
        start = time.thread_time()
        check(self.lib, self.lib.emu_start(self.handle, self.loop, END, 0, 0), "run")
        return (time.thread_time() - start) * 1e9 / rounds

    def close(self) -> None:
        """Give the emulator back."""
        if not (self._kept and hasattr(self._kept[-1], "mem_map")):
            self.lib.close(self.handle)


def _branch(source: int, target: int) -> bytes:
    return (0x14000000 | (target - source) >> 2 & 0x03FFFFFF).to_bytes(4, "little")
