"""Where a function's first instructions put what it was given, as unoptimised code does.

Source: Arm ARM C4.1 (encodings), C6.2 and C7.2.
"""

from __future__ import annotations

from uprobe_arm64.registers import REGISTERS
from uprobe_core.unwinding import Spills, Where

__all__ = ("spills",)

_FP, _SP, _MASK12 = 29, REGISTERS.sp, 0xFFF
_VECTORS = 64
"""DWARF's number of v0."""
_Source = tuple[Where, int]


class _Run:
    """Instructions run on where values come from; places count from SP at the entry."""

    def __init__(self) -> None:
        self.bases: dict[int, int] = {_SP: 0}
        self.found: dict[int, _Source] = {}
        arguments = [*REGISTERS.arguments, *range(_VECTORS, _VECTORS + 8)]
        self._held: dict[int, _Source] = {each: (Where.REGISTER, each) for each in arguments}

    def step(self, word: int) -> None:
        """One instruction; of one that is not known the register is, that it may write."""
        if not (self._moves(word) or self._pairs(word) or self._accesses(word) or self._copies(word)):
            self._held.pop(word & 31, None)

    def _moves(self, word: int) -> bool:
        """add and sub (immediate) to SP or x29."""
        target, source = word & 31, word >> 5 & 31
        if word & 0xBF80_0000 != 0x9100_0000 or target not in (_SP, _FP) or source not in self.bases:
            return False
        amount = (word >> 10 & _MASK12) << (12 if word >> 22 & 1 else 0)
        self.bases[target] = self.bases[source] + (-amount if word >> 30 & 1 else amount)
        return True

    def _pairs(self, word: int) -> bool:
        """stp of two general registers: they are kept for the caller, and SP may move."""
        if word & 0xFE40_0000 != 0xA800_0000:
            return False
        amount = (word >> 15 & 0x7F) - (0x80 if word >> 21 & 1 else 0)
        if word >> 5 & 31 == _SP and word >> 23 & 1:
            self.bases[_SP] += 8 * amount
        return True

    def _accesses(self, word: int) -> bool:
        """str, stur and ldr of one register at SP or x29."""
        scaled, plain = word & 0x3B00_0000 == 0x3900_0000, word & 0x3B20_0C00 == 0x3800_0000
        base = self.bases.get(word >> 5 & 31)
        if not (scaled or plain):
            return False
        is_vector, kind = word >> 26 & 1, word >> 22 & 3
        size = word >> 30 | ((kind >> 1) << 2 if is_vector else 0)
        register = (word & 31) + (_VECTORS if is_vector else 0)
        offset = (word >> 10 & _MASK12) << size if scaled else (word >> 12 & 0x1FF) - (word >> 11 & 0x200)
        is_store = not kind & 1 if is_vector else not kind
        if is_store:
            if base is not None and register in self._held:
                self.found.setdefault(base + offset, self._held[register])
        elif base is not None and base + offset >= 0:
            self._held[register] = Where.MEMORY, base + offset
        else:
            self._held.pop(register, None)
        return True

    def _copies(self, word: int) -> bool:
        """mov between registers, and the masks that cut a number of few bits out of one."""
        is_move, is_mask = word & 0x7FE0_FFE0 == 0x2A00_03E0, word & 0x7F80_0000 == 0x1200_0000
        source = self._held.get(word >> 16 & 31 if is_move else word >> 5 & 31)
        if not (is_move or is_mask) or source is None:
            return False
        self._held[word & 31] = source
        return True


def _ends(word: int) -> bool:
    """Whether what follows is not told: a branch, a load of two registers, SP moved up or by a register."""
    is_branch = word & 0x1C00_0000 == 0x1400_0000 and word & 0xFFFF_F000 != 0xD503_2000  # hints go on
    is_sum = word & 0x1FE0_001F == 0x0B20_001F or word & 0xFF80_001F == 0x9100_001F
    return is_branch or is_sum or word & 0x3A40_0000 == 0x2840_0000


def spills(code: bytes) -> Spills:
    """What *code*, instructions from a function's first one on, puts where."""
    run = _Run()
    for at in range(0, len(code) - 3, 4):
        word = int.from_bytes(code[at : at + 4], "little")
        if _ends(word):
            break
        run.step(word)
    return Spills(run.bases, run.found)
