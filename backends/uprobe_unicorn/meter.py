"""Counting executed instructions at a nanosecond per block, and stopping safely between two blocks.

Unicorn's own stop (uc_emu_stop from another thread, or its time-out) also takes
effect behind a memory access, and the instruction is then executed again: an
``ldadd`` adds twice, an ``ldr x1, [x1]`` follows one pointer too many.  A stop from a block
hook is exact, but a hook in Python takes 230 ns per block.  So the hook is some
bytes of machine code that count down in a few words of memory which Python reads and writes.

A block is counted whole when it is entered; who looks somewhere in it takes off what lies ahead.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable

__all__ = ("Meter",)

_UNLIMITED = 1 << 60
_LEFT, _EMU_STOP, _BLOCK, _SIZE, _STOP = range(5)
_CODE = {
    # void hook(uc, address, size, words):
    #     words[2] = address; words[3] = size;
    #     if ((words[0] -= size) < 0 || words[4]) words[1](uc);
    "x86_64": "89d2 48897110 48895118 482911 7808 4883792000 7501 c3 ff6108",
}
"""mov edx, edx; mov [rcx+16], rsi; mov [rcx+24], rdx; sub [rcx], rdx; js +8; cmp qword [rcx+32], 0; jne +1;
ret; jmp [rcx+8] (System V ABI)."""
_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)


class Meter:
    """Words that the hook works on: bytes of code left, address of uc_emu_stop, the block, its size, to stop.

    :param emu_stop: address of the function
    :param is_branch: whether the instruction at an address is a branch
    """

    def __init__(self, emu_stop: int, is_branch: Callable[[int], bool]) -> None:
        self._words = (ctypes.c_int64 * 5)(0, emu_stop, 0, 0, 0)
        self.data = ctypes.addressof(self._words)
        """What the hook gets as its user data."""
        self._is_branch = is_branch
        self._given = 0
        """Instructions executed once nothing is left."""
        self._target: int | None = None
        self._sample, self._every = _UNLIMITED, 0
        """Number of the instruction to sample, from 1 on, and the distance to the next."""
        self.held = False
        """Whether none is taken for now."""
        self._take: Callable[[int, int, int], None] | None = None
        self._closing = self._branched = False
        """Whether the target was passed in the block before, and whether that ends in a branch."""
        self.hook = self._machine_code() or self._python_code()
        """Address of the hook function."""

    def _machine_code(self) -> int:
        """Address of the hook; 0 where there is no code for this machine or no executable memory."""
        code = _CODE.get(os.uname().machine)
        if code is None:
            return 0
        try:
            self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except OSError:
            return 0
        self._page.write(bytes.fromhex(code))
        return ctypes.addressof(ctypes.c_char.from_buffer(self._page))

    def _python_code(self) -> int:
        words = self._words
        stop = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(words[_EMU_STOP])

        def hook(engine: int, address: int, size: int, _words: int) -> None:
            words[_BLOCK], words[_SIZE] = address, size
            words[_LEFT] -= size
            if words[_LEFT] < 0 or words[_STOP]:
                stop(engine)

        self._function = _HOOK(hook)
        return ctypes.cast(self._function, ctypes.c_void_p).value or 0

    def done(self) -> int:
        """Instructions executed when the block that was entered last is."""
        return self._given - self._words[_LEFT] // 4

    def at(self, pc: int) -> int:
        """Instructions executed before the one at *pc*, in the block entered last or where that led."""
        ahead = self._words[_BLOCK] + self._words[_SIZE] - pc
        return self.done() - (ahead // 4 if 0 <= ahead <= self._words[_SIZE] else 0)

    def settle(self, executed: int) -> None:
        """Between runs: so many instructions were executed."""
        self._given = executed
        self._words[_LEFT] = self._words[_BLOCK] = self._words[_SIZE] = 0

    def start(self, target: int | None) -> None:
        """A run begins that ends behind the first branch after *target* instructions, None: at none."""
        self._target, self._closing = target, False
        self._give(self._given, self._until() - self._given)

    def _until(self) -> int:
        """Instructions up to which no block has to be looked at."""
        until = min(_UNLIMITED if self._target is None else self._target, self._sample - 1)
        return max(until, self._given)

    def _give(self, executed: int, more: int) -> None:
        self._given = executed + more
        self._words[_LEFT] = more * 4

    def stop(self) -> None:
        """From another thread: let the run end before the next block."""
        self._words[_STOP] = 1

    def take_stop(self) -> bool:
        """Whether stop was called since this was asked last."""
        stop, self._words[_STOP] = self._words[_STOP], 0
        return bool(stop)

    @property
    def used_up(self) -> bool:
        """Whether the run was ended by the meter, before the block that it entered."""
        return self._words[_LEFT] < 0

    def go_on(self) -> bool:
        """It was: whether that block belongs to the slice; then it is allowed, and nothing behind it."""
        if self._closing and self._branched:
            return False
        block, size, executed = self._words[_BLOCK], self._words[_SIZE], self.done()
        before = executed - size // 4
        self.take_samples(before, executed, block)
        self._closing = self._target is not None and executed > self._target
        self._branched = self._closing and self._is_branch(block + size - 4)
        self._given = before
        self._give(before, size // 4 if self._closing else max(self._until() - before, size // 4))
        return True

    def sample(self, executed: int, every: int, take: Callable[[int, int, int], None]) -> None:
        """Between runs: sample each instruction whose number is a multiple of *every*, 0: none.

        :param executed: how many were executed
        :param take: called with the instructions executed, a block's address and the instruction's in it
        """
        self._every, self._take = every, take
        self._sample = executed - executed % every + every if every else _UNLIMITED

    def take_samples(self, before: int, after: int, block: int) -> None:
        """Those of *block*, before which so many instructions were executed, and at the end of which."""
        while self._take is not None and after >= self._sample and not self.held:
            ahead = max(self._sample - before - 1, 0)
            self._sample += self._every
            self._take(before + ahead, block, block + 4 * ahead)
