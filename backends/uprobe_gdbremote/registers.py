"""The registers of one thread while it is stopped: fetched when asked for, written back when it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from uprobe_core.errors import BackendError
from uprobe_gdbremote.client import StubError
from uprobe_gdbremote.packets import hexadecimal
from uprobe_gdbremote.target_xml import Layout, RemoteRegister

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client

__all__ = ("ARM64", "PC", "VECTORS", "RegisterNames", "ThreadRegisters")

SP, PC, PSTATE = 31, 32, 33
ARM64 = (*(f"x{n}" for n in range(31)), "sp", "pc", "cpsr")
"""The stub's names of the core's registers 0, 1, ... (GDB's manual, "AArch64 Features")."""
VECTORS = tuple((f"v{n}", f"z{n}") for n in range(32))
"""Names of each vector register: that of SVE begins with the other."""
_VECTOR_BYTES = 16
_LONG = 16
"""Stops for which all registers are asked for after one at which more than PC was wanted."""
_FEW = 4
"""So many registers are written one by one, more in one packet."""


class RegisterNames:
    """Where the core's registers are in a stub's *layout*; raises BackendError if they are not."""

    def __init__(self, layout: Layout) -> None:
        found = layout.registers
        missing = [name for name in ARM64 if name not in found]
        if missing:
            what = layout.architecture or "an architecture that it does not name"
            raise BackendError(
                f"the stub describes {what}, without {', '.join(missing[:3])}",
                hint="gdbremote knows AArch64; a stub without a target description does not tell enough",
                slug="wrong-machine",
            )
        self.general: Sequence[RemoteRegister] = [found[name] for name in ARM64]
        self.vectors = [found[a] if a in found else found[b] for a, b in VECTORS if a in found or b in found]
        self.by_number = {each.number: index for index, each in enumerate(self.general)}
        self.size = max(each.offset + each.size for each in self.general)


class Habit:
    """How registers are got, for all threads of a stub.

    PC alone is cheaper than all, but all are cheaper than both.  gdbserver takes all or none.

    :ivar one_by_one: whether the stub reads and writes single registers
    """

    def __init__(self) -> None:
        self._more = 0
        self.one_by_one = True

    def takes_one(self, index: int) -> bool:
        """Whether *index*, the first that is asked for at a stop, is likely to be the only one."""
        if index == PC and self._more:
            self._more -= 1
        return index == PC and not self._more and self.one_by_one

    def takes_all(self) -> bool:
        """Whether all are likely to be wanted at the next stop."""
        self._more -= self._more > 0
        return self._more > 0 or not self.one_by_one

    def took(self, index: int) -> None:
        """*index* was asked for with all others."""
        if index != PC:
            self._more = _LONG


def _bytes(register: RemoteRegister, value: int) -> bytes:
    return value.to_bytes(register.size, "little")


def _put(block: bytearray, register: RemoteRegister, value: int) -> None:
    """Have *register* be *value* in a *block* of all of them."""
    if register.offset + register.size <= len(block):
        block[register.offset : register.offset + register.size] = _bytes(register, value)


class ThreadRegisters:
    """Registers of *thread*, valid while it is stopped; :meth:`forget` when it has run."""

    def __init__(self, client: Client, names: RegisterNames, thread: bytes, habit: Habit) -> None:
        self._client, self._names, self._thread = client, names, thread
        self._block: bytearray | None = None
        self._habit = habit
        self._known: dict[int, int] = {}
        self._dirty: set[int] = set()

    # --- reading and writing --------------------------------------------------------------------------

    def get(self, index: int) -> int:
        """Register *index*."""
        value = self._known.get(index)
        if value is None:
            value = self._known[index] = self._fetch(index)
        return value

    def _fetch(self, index: int) -> int:
        register = self._names.general[index]
        if self._block is None and not self._known and self._habit.takes_one(index):
            value = self._one(register)
            if value is not None:
                return value
        self._habit.took(index)
        block = self._fetched()
        part = block[register.offset : register.offset + register.size]
        return int.from_bytes(part, "little") if len(part) == register.size else self._one(register) or 0

    def _fetched(self) -> bytearray:
        if self._block is None:
            self._block = self._spelled(self._ask(b"g"))
        return self._block

    def _spelled(self, answer: bytes) -> bytearray:
        """What ``g`` was answered; digits of what is not to be had are ``x``."""
        return bytearray(self._client.spelled(answer.replace(b"x", b"0")))

    def _one(self, register: RemoteRegister) -> int | None:
        """*register* by itself, None if the stub does not do that."""
        answer = self._ask(b"p%x" % register.number)
        if not answer:
            self._habit.one_by_one = False
            return None
        return int.from_bytes(self._client.spelled(answer), "little")

    def _ask(self, payload: bytes) -> bytes:
        """The answer to *payload*, which is surely about this thread."""
        while True:
            self._client.loosened = False
            self._client.select(self._thread)
            answer = self._client.ask(payload)
            if not self._client.loosened:
                return answer
            self._client.selected = b""

    def set(self, index: int, value: int) -> None:
        """Write register *index*, when the thread goes on."""
        value &= (1 << 8 * self._names.general[index].size) - 1
        if self._known.get(index) != value:
            self._known[index] = value
            self._dirty.add(index)

    def question(self) -> bytes:
        """The packet that asks for what the next stop will want."""
        if self._habit.takes_all():
            return b"g"
        return b"p%x" % self._names.general[PC].number

    def foresee(self, asked: bytes, answer: bytes) -> None:
        """*asked* was asked already; take the *answer*, unless it is none."""
        if not answer or answer[:1] == b"E":
            return
        if asked == b"g":
            self._block = self._spelled(answer)
        else:
            self._known[PC] = int.from_bytes(self._client.spelled(answer), "little")

    def note_all(self, told: Mapping[int, bytes]) -> None:
        """The stop told of registers, by the stub's numbers."""
        for number, value in told.items():
            index = self._names.by_number.get(number)
            if index is not None:
                self._known[index] = int.from_bytes(value, "little")

    def vector(self, index: int) -> int:
        """The low 128 bits of vector register *index*."""
        register = self._vector(index)
        part = self._fetched()[register.offset : register.offset + register.size]
        found = int.from_bytes(part, "little") if len(part) == register.size else self._one(register) or 0
        return found & (1 << 8 * _VECTOR_BYTES) - 1

    def set_vector(self, index: int, value: int) -> None:
        """Write them at once; what is above them becomes zero, as for any write of the low half."""
        register = self._vector(index)
        self._write([(register, value & (1 << 8 * _VECTOR_BYTES) - 1)])

    def _vector(self, index: int) -> RemoteRegister:
        if index >= len(self._names.vectors):
            raise BackendError("the stub has no vector registers", hint="leave %d0 and %s0 out of the events")
        return self._names.vectors[index]

    # --- going on --------------------------------------------------------------------------------------

    @property
    def only_pc_changed(self) -> bool:
        """Whether nothing but PC is to be written."""
        return self._dirty == {PC}

    def drop_pc(self) -> int:
        """PC, which somebody else writes."""
        self._dirty.discard(PC)
        return self._known[PC]

    def order(self) -> bytes:
        """The packet that writes what was changed, all at once; b"" if that is done already."""
        if not self._dirty or self._habit.one_by_one:
            self.flush()
            return b""
        self._client.select(self._thread)
        block = self._fetched()
        for index in sorted(self._dirty):
            _put(block, self._names.general[index], self._known[index])
        self._dirty.clear()
        return b"G" + hexadecimal(bytes(block))

    def flush(self) -> None:
        """Write what was changed."""
        if not self._dirty:
            return
        self._write([(self._names.general[index], self._known[index]) for index in sorted(self._dirty)])
        self._dirty.clear()

    def _write(self, changed: list[tuple[RemoteRegister, int]]) -> None:
        """Write registers, one by one if they are few and the stub can, and keep what is known of them."""
        self._client.select(self._thread)
        together = len(changed) > _FEW or not (self._habit.one_by_one and self._each(changed))
        block = self._fetched() if together else self._block
        if block is not None:
            for register, value in changed:
                _put(block, register, value)
        if block is not None and together:
            self._client.do(b"G" + hexadecimal(bytes(block)))

    def _each(self, changed: list[tuple[RemoteRegister, int]]) -> bool:
        """Write them one by one; False if the stub does not do that."""
        for register, value in changed:
            asked = b"P%x=%b" % (register.number, hexadecimal(_bytes(register, value)))
            if self._client.crowd is not None:
                self._one(register)  # now this thread is selected for sure
            answer = self._client.ask(asked)
            if self._client.loosened:
                self._client.selected = b""
                if self._one(register) != value:
                    raise self._client.out_of_step()  # it went to another thread
                self._client.select(self._thread)
            if not answer:
                self._habit.one_by_one = False
                return False
            if answer != b"OK":
                raise StubError(asked, answer)
        return True

    def forget(self) -> None:
        """The thread has run."""
        self._block = None
        self._known.clear()
        self._dirty.clear()

    # --- everything ----------------------------------------------------------------------------------------

    def save(self) -> bytes:
        """All general registers, to restore them after code of ours has run."""
        self.flush()
        return bytes(self._fetched())

    def restore(self, block: bytes) -> None:
        """Write what :meth:`save` gave."""
        self.forget()
        self._client.select(self._thread)
        self._client.do(b"G" + hexadecimal(block))
        self._block = bytearray(block)
