"""Counting executed instructions at a nanosecond per block, and stopping safely between two blocks.

Unicorn's own stop (uc_emu_stop from another thread, or its time-out) also takes
effect behind a memory access, and the instruction is then executed again: an
``ldadd`` adds twice, an ``ldr x1, [x1]`` follows one pointer too many.  A stop from a block
hook is exact, but a hook in Python takes 230 ns per block.  So the hook is
eighteen bytes of machine code that count down in a few words of memory which Python reads and writes.
"""

from __future__ import annotations

import ctypes
import mmap
import os

__all__ = ("Meter",)

_UNLIMITED = 1 << 60
_CODE = {
    # void hook(uc, address, size, words): words[2] = size; words[0] -= size; if (<= 0) words[1](uc)
    "x86_64": "89d2 48895110 482911 7e01 c3 ff6108",
}
"""mov edx, edx; mov [rcx+16], rdx; sub [rcx], rdx; jle +1; ret; jmp [rcx+8] (System V ABI)."""


class Meter:
    """Words that the hook works on: bytes of code left, address of uc_emu_stop, size of the last block."""

    def __init__(self, emu_stop: int, code: str) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(bytes.fromhex(code))
        self.hook = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        """Address of the hook function."""
        self._words = (ctypes.c_int64 * 3)(_UNLIMITED, emu_stop, 0)
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
        """A run begins that may execute *budget* instructions, 0: any number."""
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
        """Instructions executed since start, to a block; the block that was not begun does not count."""
        left = self._words[0]
        if left <= -_UNLIMITED // 2:
            return 0
        if left <= 0:
            left += self._words[2]
        return (self._given - left) // 4
