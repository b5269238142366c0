"""Stores of one or two registers, made without the emulator: most of what programs store.

Encodings: Arm ARM C4.1.94 (loads and stores).  What is not among them is for the emulator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from uprobe_linux.cpu_support.effective_address import effective_address
from uprobe_linux.memory.address_space import untagged

if TYPE_CHECKING:
    from uprobe_linux.kernel import Task

__all__ = ("PlainStore", "make_store", "plain_store")

_SP, _PC, _PSTATE = 31, 32, 33
_BTYPE = 3 << 10
_MASK = (1 << 64) - 1


class PlainStore(NamedTuple):
    """What an instruction stores.

    :param registers: one or two; of general ones 31 is zero
    :param width: bytes of each
    :param is_vector: whether they are vector registers
    :param base: the register that the address comes from, 31: SP
    :param moves_by: what is added to that in the end
    """

    registers: tuple[int, ...]
    width: int
    is_vector: bool
    base: int
    moves_by: int


def plain_store(word: int) -> PlainStore | None:
    """What *word* stores, None: it is no store, or none of those that are known here."""
    store = _pair(word) if word >> 27 & 7 == 0b101 else _single(word) if word >> 27 & 7 == 0b111 else None
    if store is None or (store.moves_by and not store.is_vector and store.base in store.registers):
        return None
    return store


def _single(word: int) -> PlainStore | None:
    """STR, STRB, STRH and STUR."""
    size, is_vector, opc = word >> 30, bool(word >> 26 & 1), word >> 22 & 3
    if opc not in ((0, 2) if is_vector and size == 0 else (0,)) or word >> 25 & 1:
        return None
    width = 16 if opc else 1 << size
    moves_by = 0
    if not word >> 24 & 1:
        mode = word >> 10 & 3
        if word >> 21 & 1:
            if mode != 0b10 or not word >> 14 & 1:
                return None
        elif mode == 0b10:
            return None
        elif mode & 1:
            moves_by = (word >> 12 & 0x1FF ^ 0x100) - 0x100
    return PlainStore((word & 31,), width, is_vector, word >> 5 & 31, moves_by)


def _pair(word: int) -> PlainStore | None:
    """STP and STNP."""
    opc, is_vector = word >> 30, bool(word >> 26 & 1)
    if word >> 25 & 1 or word >> 22 & 1 or opc == 3 or (opc == 1 and not is_vector):
        return None
    width = 4 << opc if is_vector else 4 << (opc >> 1)
    moves_by = ((word >> 15 & 0x7F ^ 0x40) - 0x40) * width if word >> 23 & 1 else 0
    return PlainStore((word & 31, word >> 10 & 31), width, is_vector, word >> 5 & 31, moves_by)


def make_store(task: Task, word: int, watched: Iterable[tuple[int, int]] = ()) -> bool:
    """Make the store *word* at the PC of *task*, which is behind it then; False: that is for the emulator.

    Raises MemoryFault where the program may not store.

    :param watched: [start, end) of what no store may change here
    """
    store, pc = plain_store(word), task.get_reg(_PC)
    if store is None or (store.base == _SP and task.get_reg(_SP) & 15):
        return False
    address = effective_address(word, pc, task.get_reg)
    assert address is not None
    data = b"".join(_bytes(task, store, register) for register in store.registers)
    address = untagged(address)
    if any(_changes(task, address, data, start, end) for start, end in watched):
        return False
    task.process.memory.write(address, data)
    if store.moves_by:
        task.set_reg(store.base, task.get_reg(store.base) + store.moves_by & _MASK)
    pstate = task.get_reg(_PSTATE)
    if pstate & _BTYPE:
        task.set_reg(_PSTATE, pstate & ~_BTYPE)
    task.set_reg(_PC, pc + 4)
    return True


def _changes(task: Task, address: int, data: bytes, start: int, end: int) -> bool:
    """Whether *data*, stored to *address*, changes something of [start, end)."""
    low, high = max(start, address), min(end, address + len(data))
    return low < high and task.process.memory.read(low, high - low) != data[low - address : high - address]


def _bytes(task: Task, store: PlainStore, register: int) -> bytes:
    read = task.get_vec if store.is_vector else task.get_reg
    value = 0 if register == 31 and not store.is_vector else read(register)
    return value.to_bytes(16, "little")[: store.width]
