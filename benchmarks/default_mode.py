"""Programs under Unicorn's default memory mode: what running them without a page table of one's own costs.

``python -m benchmarks.default_mode raw PROGRAM N`` runs a static program on libunicorn alone;
``... pages [uprobe's options]`` runs any program under the personality with every page that
may be written entered executable, which is what makes the default mode slow, and without
shortcuts through libunicorn.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from uprobe_unicorn import library as uc
from uprobe_unicorn.library import Library, check

__all__ = ("RawProgram", "enter_pages_executable")

PAGE = 4096
SIZE = 1 << 30
STACK = SIZE - (1 << 20)
MMAP = 512 << 20
"""First address that mmap gives; the heap grows from the image's end up to it."""
ENOSYS = -38
_BRK, _MMAP, _WRITE, _EXIT, _MUNMAP, _MREMAP, _MPROTECT = 214, 222, 64, 94, 215, 216, 226
AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_RANDOM = 3, 4, 5, 6, 25


class RawProgram:
    """A static ELF program at its own addresses in memory that Unicorn manages, with eight system calls."""

    def __init__(self, path: str, arguments: list[str]) -> None:
        self.lib = lib = Library()
        self.handle = ctypes.c_void_p()
        self._write_memory = self._function("uc_mem_write", ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t)
        self._read_memory = self._function("uc_mem_read", ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t)
        map_memory = self._function("uc_mem_map", ctypes.c_uint64, ctypes.c_size_t, ctypes.c_uint32)
        check(lib, lib.open(uc.ARCH_ARM64, uc.MODE_ARM, ctypes.byref(self.handle)), "open")
        check(lib, lib.ctl(self.handle, uc.ctl_write(uc.CTL_CPU_MODEL, 1), ctypes.c_int(uc.CPU_MAX)), "model")
        check(lib, map_memory(self.handle, PAGE, SIZE - PAGE, uc.PROT_ALL), "map")
        self.entry, self.brk = self._load(path)
        self.top = MMAP
        self._set(uc.REG_SP, self._stack([path, *arguments]))
        self._hook = uc.InterruptHook(self._on_interrupt)
        number = ctypes.c_size_t()
        status = lib.hook_add(self.handle, ctypes.byref(number), uc.HOOK_INTR, self._hook, None, 1, 0)
        check(lib, status, "hook")
        self._set_cpacr()

    def _function(self, name: str, *arguments: Any) -> Any:
        function = getattr(ctypes.CDLL(uc._path()), name)  # a benchmark looks inside
        function.restype, function.argtypes = ctypes.c_int, (ctypes.c_void_p, *arguments)
        return function

    def _set_cpacr(self) -> None:
        """Floating point on."""
        register = uc.CpReg(1, 0, 3, 0, 2, 3 << 20)
        check(self.lib, self.lib.reg_write(self.handle, uc.REG_CP, ctypes.byref(register)), "cpacr")

    def _set(self, register: int, value: int) -> None:
        cell = ctypes.c_uint64(value)
        self.lib.reg_write(self.handle, register, ctypes.byref(cell))

    def _get(self, register: int) -> int:
        cell = ctypes.c_uint64()
        self.lib.reg_read(self.handle, register, ctypes.byref(cell))
        return cell.value

    def _store(self, address: int, data: bytes) -> None:
        check(self.lib, self._write_memory(self.handle, address, data, len(data)), "write")

    def _load(self, path: str) -> tuple[int, int]:
        from elftools.elf.elffile import ELFFile

        end = 0
        with open(path, "rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments("PT_LOAD"):
                self._store(segment["p_vaddr"], segment.data())
                end = max(end, segment["p_vaddr"] + segment["p_memsz"])
                if segment["p_offset"] == 0:
                    headers = segment["p_vaddr"] + elf["e_phoff"]
            self._auxv = (AT_PHDR, headers, AT_PHENT, elf["e_phentsize"], AT_PHNUM, elf["e_phnum"])
            return elf["e_entry"], (end + PAGE - 1) & -PAGE

    def _stack(self, argv: list[str]) -> int:
        at, pointers = STACK, []
        for text in argv:
            data = os.fsencode(text) + b"\0"
            at -= len(data)
            self._store(at, data)
            pointers.append(at)
        at = (at & -16) - 16
        auxv = (*self._auxv, AT_PAGESZ, PAGE, AT_RANDOM, at, 0, 0)
        words = (len(argv), *pointers, 0, 0, *auxv)
        at -= (len(words) * 8 + 15) & -16
        self._store(at, b"".join(word.to_bytes(8, "little") for word in words))
        return at

    def _on_interrupt(self, _uc: int, _number: int, _data: int) -> None:
        values = [self._get(uc.REG_X0 + i) for i in range(3)]
        result = self._call(self._get(uc.REG_X0 + 8), *values)
        self._set(uc.REG_X0, result & ((1 << 64) - 1))

    def _call(self, number: int, a: int, b: int, c: int) -> int:
        if number == _WRITE:
            data = ctypes.create_string_buffer(c)
            self._read_memory(self.handle, b, data, c)
            return os.write(a, data.raw)
        if number == _BRK:
            if self.brk <= a < MMAP:
                self.brk = a
            return self.brk
        if number == _MMAP:
            self.top += (b + PAGE - 1) & -PAGE
            return self.top - ((b + PAGE - 1) & -PAGE)
        if number == _EXIT:
            self.lib.emu_stop(self.handle)
        return 0 if number in (_MUNMAP, _MPROTECT) else ENOSYS

    def run(self) -> None:
        """Until the program exits."""
        check(self.lib, self.lib.emu_start(self.handle, self.entry, 0, 0, 0), "run")


def enter_pages_executable() -> None:
    """Let the personality enter every page that may be written as executable."""
    from uprobe_linux.memory.translation import Translation

    fill = Translation.fill

    def executable(self: Translation, address: int, access: int) -> tuple[int, int]:
        physical, perms = fill(self, address, access)
        return physical, perms | 4 if perms & 2 else perms

    Translation.fill = executable  # type: ignore[method-assign]  # a benchmark of what that costs


def main() -> None:
    """Run what the command line says."""
    if sys.argv[1] == "raw":
        RawProgram(sys.argv[2], sys.argv[3:]).run()
    else:
        from uprobe_core.cli import main as uprobe

        os.environ["UPROBE_DISABLE_SHORTCUTS"] = "1"
        enter_pages_executable()
        sys.argv[1:] = sys.argv[2:]
        sys.exit(uprobe())


if __name__ == "__main__":
    main()
