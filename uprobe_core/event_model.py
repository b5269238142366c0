"""What an event line says, as values: operations, arguments, events, records.

Everything is frozen and comparable.  A :class:`FetchOp` packs into sixteen
bytes (:meth:`FetchOp.pack`), so that a native engine runs the same list.
Source of the operations and their limits: kernel/trace/trace_probe.h (6.12).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from uprobe_core.source_names import without_parameters

__all__ = (
    "EXTENDS",
    "FAULT",
    "GONE",
    "MAX_OPS",
    "OP_FORMAT",
    "Comparison",
    "Condition",
    "DeleteSpec",
    "EventSpec",
    "FetchArg",
    "FetchOp",
    "FetchType",
    "OpCode",
    "Record",
    "Value",
    "absent",
    "leaves",
)

EXTENDS = ("lsl", "uxtw", "sxtw")
"""How :attr:`OpCode.ADD` widens its register: not at all, unsigned or signed from 32 bits."""

MAX_OPS = 16
"""Operations per argument, END included (FETCH_INSN_MAX)."""

OP_FORMAT = struct.Struct("<BBBBIq")
"""op, size, lshift, rshift, reserved (0), param: 16 bytes, little endian."""

Scalar = int | float | str | None
Value = Scalar | tuple[Scalar, ...]
"""A fetched value: a number, a string, None for ``(fault)``, or a tuple for an array."""


class OpCode(enum.IntEnum):
    """What one operation does; the numbers are part of the packed form."""

    END = 0
    # --- the first operation: where the value comes from
    REG = 1
    """Register *param* of the register file."""
    STACK = 2
    """The word number *param* from the stack pointer up; 0 if unreadable."""
    STACKP = 3
    RETVAL = 4
    IMM = 5
    COMM = 6
    """A token that only a string store understands."""
    FOFFS = 7
    """Probed address - probed file offset + *param*."""
    IMMSTR = 8
    """An address in the tracer, which no user access can read (so a kernel prints ``(fault)``)."""
    VREG = 9
    """Low *size* bytes of vector register *param* (extension)."""
    ENTRY = 10
    """Value *param* of those that were captured at entry (extension, return events)."""
    LATENCY = 11
    """Nanoseconds since entry (extension, return events)."""
    INSNS = 12
    """Instructions that the task has executed since entry (extension, return events)."""
    COMPUTED = 13
    """What the operation's *compute* makes of the hit, in Python (extension)."""
    JUMPS = 14
    """A number that another one follows when the task jumps (longjmp); 0: that is not seen (extension)."""
    # --- then any number of
    DEREF = 16
    """value = the word (as wide as a register) at value + *param*."""
    UDEREF = 17
    ADD = 18
    """value += register *param*, extended as *rshift* says (EXTENDS), << *lshift* (extension)."""
    # --- then one store
    ST_RAW = 24
    """Keep the low *size* bytes of the value + *param* (a kernel's *param* is 0)."""
    ST_MEM = 25
    """Keep *size* bytes from value + *param*."""
    ST_UMEM = 26
    ST_STRING = 27
    """Keep the string at value + *param*."""
    ST_USTRING = 28
    # --- then perhaps
    MOD_BF = 32
    """A bit field: in *size* bytes, shift left *lshift*, then right *rshift* (with the sign)."""
    LP_ARRAY = 33
    """Repeat the store *param* times."""


@dataclass(frozen=True, slots=True)
class FetchOp:
    """One operation.

    :param size: bytes that a store keeps (1, 2, 4 or 8)
    :param text: the string of an IMMSTR, what a COMPUTED is; not part of the packed form
    :param compute: of a COMPUTED; raises MemoryFault for what cannot be read, GoneError for what is nowhere
    """

    code: OpCode
    param: int = 0
    size: int = 0
    lshift: int = 0
    rshift: int = 0
    text: str = ""
    compute: Callable[[Any], int] | None = field(default=None, compare=False)

    def pack(self) -> bytes:
        """The operation as :data:`OP_FORMAT`; a parameter above 2**63 - 1 wraps to negative."""
        param = (self.param + (1 << 63)) % (1 << 64) - (1 << 63)
        return OP_FORMAT.pack(self.code, self.size, self.lshift, self.rshift, 0, param)


@dataclass(frozen=True, slots=True)
class FetchType:
    """A type of the language.

    :param name: as written; a bit field has the name of its container
    :param size: bytes in the record; 4 for strings (their location word)
    :param kind: "u" decimal, "s" signed, "x" hexadecimal, "c" character, "C" one of
        Unicode, "f" float, "string";
        "shape": text that is made of parts (see :class:`FetchArg`)
    :param words: what some numbers are called (an enumeration's)
    :param has_flags: whether a number without a word is shown as the words of its bits
    """

    name: str
    size: int
    kind: str
    words: tuple[tuple[int, str], ...] = ()
    has_flags: bool = False

    @property
    def is_string(self) -> bool:
        """Whether the value is text of variable length."""
        return self.kind == "string"


@dataclass(frozen=True, slots=True)
class FetchArg:
    """One argument of an event.

    :param name: field name, "argN" when the line gave none
    :param text: the expression as written, without the name
    :param count: array elements; 0 when it is no array
    :param offset: position of the value in the record, in bytes after the header
    :param parts: what the value is made of, if it is more than a program can fetch at once (a structure);
        *ops* is empty then
    :param shape: makes the value, a text, of those of the parts
    """

    name: str
    text: str
    type: FetchType
    ops: tuple[FetchOp, ...]
    count: int = 0
    offset: int = 0
    parts: tuple[FetchArg, ...] = ()
    tells: bool = False
    """Whether a number that cannot be read is FAULT; a kernel's is 0."""
    shape: Callable[[Sequence[Value]], Value] | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Bytes in the fixed part of the record."""
        if self.shape is not None:
            return sum(part.size for part in self.parts)
        return self.type.size * (self.count or 1)

    def __str__(self) -> str:
        return f"{self.name}={self.text}"


class Gone(int):
    """In place of a number that the program does not keep there; it compares as 0."""

    text = "<optimized out>"

    def __str__(self) -> str:
        return self.text

    def __format__(self, _spec: str) -> str:
        return self.text


class Fault(Gone):
    """In place of a number of the source, or an array of them, whose memory cannot be read."""

    text = "(fault)"


GONE, FAULT = Gone(), Fault()


def absent(values: Sequence[Value]) -> Gone | None:
    """What stands for a value if one of *values*, which it is made of, is not there; None if all are."""
    return next((each for each in values if isinstance(each, Gone)), None)


def leaves(args: Sequence[FetchArg]) -> tuple[FetchArg, ...]:
    """What a program fetches for *args*: themselves, or in place of each that is made of parts those."""
    found: list[FetchArg] = []
    for arg in args:
        found += [arg] if arg.shape is None else leaves(arg.parts)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One probed location of an event, resolved to a file offset.

    :param kind: "p" at the instruction, "r" when the function that starts there returns; in no place:
        "s" a system call, "i" a sample after each *offset* instructions
    :param path: as written; matched by file identity, not by name
    :param offset: of the instruction in the file, in bytes
    :param ref: file offset of a 16-bit semaphore, 0 for none
    :param line: what the user wrote, words joined by one space
    :param entry_args: what a return event captures at entry (``$entry``, ``$argN``)
    :param location: what an extension location said ("main+8", "f.c:12"), else ""
    :param is_named: somebody gave it its name; else it is called after its place
    :param is_older: its filters and triggers are read as Linux 6.1 reads them
    :param resolver: the function is an indirect one: the file offset of what says at run time where
        it is; *offset* is as far from there as the place is from the function's start
    """

    kind: str
    group: str
    name: str
    path: str
    offset: int
    ref: int = 0
    args: tuple[FetchArg, ...] = ()
    line: str = field(default="", compare=False)
    entry_args: tuple[FetchArg, ...] = ()
    location: str = field(default="", compare=False)
    resolver: int | None = None
    is_named: bool = field(default=True, compare=False)
    is_older: bool = field(default=False, compare=False)

    @property
    def label(self) -> str:
        """What its calls are called: the place without parameters, or the event's name if it has none."""
        return without_parameters(self.location) if self.location else self.name

    @property
    def is_return(self) -> bool:
        """Whether it fires at the return."""
        return self.kind == "r"

    @property
    def is_placed(self) -> bool:
        """Whether it is at an instruction of a file."""
        return self.kind in ("p", "r")

    @property
    def is_sample(self) -> bool:
        """Whether it is one after each so many instructions."""
        return self.kind == "i"

    @property
    def full_name(self) -> str:
        """``GROUP/NAME``."""
        return f"{self.group}/{self.name}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One step of a filter: if its truth is *when*, go on after step *target*, else with the next.

    The step after the last one is "accept", the one after that "reject".

    :param arg: how the number that is compared is fetched; one that cannot be read is 0
    :param operator: "==", "!=", "<", "<=", ">", ">=" or "&" (a common bit)
    """

    arg: FetchArg
    operator: str
    value: int
    when: bool
    target: int


Condition = tuple[Comparison, ...]
"""A filter in the form that a target may decide by itself."""


@dataclass(frozen=True, slots=True)
class DeleteSpec:
    """A ``-:`` command.

    :param group: None when the line named none
    :param name: "" for every event of the group
    :param words: the location and arguments that a member must have, as listed
    """

    group: str | None
    name: str
    words: tuple[str, ...] = ()
    line: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One hit of one event.

    :param timestamp_ns: the task's clock, nanoseconds
    :param ip: the probed address; for a return, where it returns to
    :param function: for a return the function's address, None for an entry
    :param values: one per argument of *event*: an int, a float, a text (a byte that is not UTF-8 as a lone
        surrogate), a tuple of those for an array; None for what could not be read
    :param stack: names of the frames, innermost first, of a sample and where a writer wants them
    """

    event: EventSpec
    timestamp_ns: int
    pid: int
    tid: int
    comm: str
    cpu: int
    ip: int
    function: int | None
    values: tuple[Value, ...]
    stack: tuple[str, ...] = ()
