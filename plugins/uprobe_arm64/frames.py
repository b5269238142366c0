"""Frames on arm64: what of them is the architecture's and not DWARF's.

Sources: AADWARF64 (register numbers), AAPCS64 6.4.6 (frame records), the layout
of an rt_sigframe (arch/arm64/kernel/signal.c, uapi sigcontext.h), Arm ARM C6.2
(encodings).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from uprobe_arm64.registers import LINK, REGISTERS
from uprobe_arm64.spills import spills
from uprobe_core.types import GuestMemory
from uprobe_core.unwinding import FrameRules, Row, Saved, Where

__all__ = ("FRAME_RULES",)

FP, LR, SP, PC = 29, LINK, REGISTERS.sp, REGISTERS.pc
_SIGRETURN = bytes.fromhex("681180d2010000d4")
"""mov x8, #139; svc #0: what a signal handler returns to, in the vDSO and in every C library."""
_SIGNAL_REGS = 128 + 176 + 8
"""Of x0 from SP in an rt_sigframe: siginfo, ucontext up to uc_mcontext, fault_address."""
_INTERRUPTED = Row(
    SP, 0, tuple(Saved(n, Where.MEMORY, _SIGNAL_REGS + 8 * n) for n in range(PC + 1)), PC, interrupted=True
)
_RETA = (0xD65F_0BFF, 0xD65F_0FFF)
_CALLEE_SAVED = frozenset(range(19, 31))


def _signal_frame(memory: GuestMemory, pc: int) -> Row | None:
    return _INTERRUPTED if memory.read(pc, len(_SIGRETURN)) == _SIGRETURN else None


class _Prologue:
    """The frame that the instructions so far have made, SP and saved registers relative to the CFA."""

    def __init__(self) -> None:
        self.sp = 0
        """SP - CFA."""
        self.frame: int | None = None
        """x29 - CFA, once it points into this frame."""
        self.saved: dict[int, int] = {}
        self.body: tuple[int, int | None, dict[int, int]] = (0, None, {})
        """The same where the frame was largest: what holds again behind an epilogue."""

    def run(self, code: bytes) -> None:
        """Do what *code* does to the frame."""
        for word in _words(code):
            _ = self._moves(word) or self._stores(word) or self._loads(word) or self._leaves(word)

    def _moves(self, word: int) -> bool:
        """add and sub (immediate) of SP, and x29 = SP + immediate."""
        target, source = word & 31, word >> 5 & 31
        if word & 0xBF80_0000 != 0x9100_0000:
            return False
        amount = (word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0)
        amount = -amount if word >> 30 & 1 else amount
        if target == SP and source in (SP, FP):
            base = self.sp if source == SP else self.frame
            if base is not None:
                self.sp = base + amount
                self._remember()
        elif target == FP and source == SP:
            self.frame = self.sp + amount
            self._remember()
        return True

    def _stores(self, word: int) -> bool:
        """stp and str of general registers to the stack."""
        if word >> 5 & 31 != SP:
            return False
        if word & 0xFE40_0000 == 0xA800_0000:  # stp, all forms; imm7 * 8
            at = self._address(_signed(word >> 15, 7) * 8, word >> 23 & 3, pre=3, post=1)
            self._save((word & 31, at), (word >> 10 & 31, at + 8))
        elif word & 0xFFE0_0000 == 0xF800_0000:  # str and stur, imm9
            at = self._address(_signed(word >> 12, 9), word >> 10 & 3, pre=3, post=1)
            self._save((word & 31, at))
        elif word & 0xFFC0_0000 == 0xF900_0000:  # str, imm12 * 8
            self._save((word & 31, self.sp + (word >> 10 & 0xFFF) * 8))
        elif word & 0xFE40_0000 == 0x6C00_0000:  # stp of d registers: only SP moves
            self._address(_signed(word >> 15, 7) * 8, word >> 23 & 3, pre=3, post=1)
            self._remember()
        else:
            return False
        return True

    def _loads(self, word: int) -> bool:
        """ldp and ldr of general registers from the stack, as epilogues have them."""
        if word >> 5 & 31 != SP:
            return False
        if word & 0xFE40_0000 == 0xA840_0000:
            self._restored(word & 31, word >> 10 & 31)
            self._address(_signed(word >> 15, 7) * 8, word >> 23 & 3, pre=3, post=1)
        elif word & 0xFFE0_0000 == 0xF840_0000:
            self._restored(word & 31)
            self._address(_signed(word >> 12, 9), word >> 10 & 3, pre=3, post=1)
        elif word & 0xFFC0_0000 == 0xF940_0000:
            self._restored(word & 31)
        elif word & 0xFE40_0000 == 0x6C40_0000:
            self._address(_signed(word >> 15, 7) * 8, word >> 23 & 3, pre=3, post=1)
        else:
            return False
        return True

    def _leaves(self, word: int) -> bool:
        """b, br and ret: what follows is reached from within the body."""
        if word & 0xFC00_0000 != 0x1400_0000 and word & 0xFFBF_FC1F != 0xD61F_0000 and word not in _RETA:
            return False
        self.sp, self.frame, self.saved = self.body[0], self.body[1], dict(self.body[2])
        return True

    def _address(self, offset: int, form: int, *, pre: int, post: int) -> int:
        """Where an access lies, relative to the CFA; SP is written back in two of the forms."""
        at = self.sp if form == post else self.sp + offset
        if form in (pre, post):
            self.sp += offset
        return at

    def _save(self, *stores: tuple[int, int]) -> None:
        for register, at in stores:
            if register in _CALLEE_SAVED and at < 0:
                self.saved.setdefault(register, at)
        self._remember()

    def _restored(self, *registers: int) -> None:
        for register in registers:
            self.saved.pop(register, None)
            if register == FP:
                self.frame = None

    def _remember(self) -> None:
        if self.sp <= self.body[0]:
            self.body = self.sp, self.frame, dict(self.saved)

    def row(self) -> Row:
        """The way to the caller from here."""
        saved = tuple(Saved(register, Where.MEMORY, at) for register, at in sorted(self.saved.items()))
        if self.frame is not None:
            return Row(FP, -self.frame, saved, LR)
        return Row(SP, -self.sp, saved, LR)


def _words(code: bytes) -> Iterator[int]:
    for at in range(0, len(code) - 3, 4):
        yield int.from_bytes(code[at : at + 4], "little")


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _prologue(code: bytes) -> Row:
    """What the instructions of *code* have done to their function's frame."""
    frame = _Prologue()
    frame.run(code)
    return frame.row()


FRAME_RULES: Final = FrameRules(
    registers=REGISTERS,
    count=PC + 1,
    code_mask=(1 << 48) - 1,
    signal_frame=_signal_frame,
    prologue=_prologue,
    spills=spills,
)
"""A return address may be signed in its upper bits, which user addresses do not use (Arm ARM, PAC)."""
