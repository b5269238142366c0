"""Counting executed instructions at a nanosecond per block, and stopping safely between two blocks.

Unicorn's own stop (uc_emu_stop from another thread, or its time-out) also takes
effect behind a memory access, and the instruction is then executed again: an
``ldadd`` adds twice, an ``ldr x1, [x1]`` follows one pointer too many.  A stop from a block
hook is exact, but a hook in Python takes 230 ns per block.  So the hook is
sixteen bytes of machine code that count down in a few words of memory which Python reads and writes.
"""

from __future__ import annotations

import ctypes
import mmap
import os

__all__ = ("Meter",)

_UNLIMITED = 1 << 60
_CODE = {
    # void hook(uc, address, size, words): if (words[0] <= 0) words[1](uc) else words[0] -= size
    "x86_64": "89d2 48833900 7e04 482911 c3 ff6108",
}
"""mov edx, edx; cmp qword [rcx], 0; jle +4; sub [rcx], rdx; ret; jmp [rcx+8] (System V ABI)."""


class Meter:
    """Words that the hook works on: bytes of code left, address of uc_emu_stop."""

    def __init__(self, emu_stop: int, code: str) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(bytes.fromhex(code))
        self.hook = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        """Address of the hook function."""
        self._words = (ctypes.c_int64 * 2)(_UNLIMITED, emu_stop)
        self.data = ctypes.addressof(self._words)
        """What the hook gets as its user data."""
        self._given = 0

    @classmethod
    def create(cls, emu_stop: int) -> Meter | None:
        """A meter, or None where there is no code for this machine or executable memory is not allowed."""
        code = _CODE.get(os.uname().machine)
        if code is None:
            return None
        try:
            return cls(emu_stop, code)
        except OSError:
            return None

    def start(self, budget: int) -> None:
        """A run begins that ends at the first block after *budget* instructions, 0: at none."""
        self._given = budget * 4 if budget else _UNLIMITED
        self._words[0] = self._given

    def stop(self) -> None:
        """From another thread: let the run end before the next block (ask again until it has)."""
        self._words[0] = -_UNLIMITED

    @property
    def used_up(self) -> bool:
        """Whether the run was ended by the meter."""
        return self._words[0] <= 0

    def executed(self) -> int:
        """Instructions executed since start, in whole blocks; 0 after stop, which forgets them."""
        left = self._words[0]
        return 0 if left <= -_UNLIMITED // 2 else (self._given - left) // 4
