"""Runs operation lists: the reference for what a native engine does per hit.

:func:`compile_fetch` turns arguments into closures once; a hit only calls them. Semantics:
process_fetch_insn in kernel/trace/trace_probe_tmpl.h and the user-memory readers in trace_uprobe.c (6.12).
Faults are the kernel's: an unreadable number is 0 (a number whose first byte alone is readable is that
byte, which is how arm64's copy_from_user leaves it), an unreadable string is None. A number of the source,
which *tells*, is FAULT instead. Where several strings share a record, :mod:`.strings` lays them out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.event_model import EXTENDS, FAULT, GONE, FetchArg, FetchOp, FetchType, OpCode, Value, leaves
from uprobe_core.events.shapes import assembler
from uprobe_core.events.strings import Layout, Text, TextState, lay_out, place_strings, read_text
from uprobe_core.events.user_memory import seen_by_kernel
from uprobe_core.types import GoneError, MemoryFault

if TYPE_CHECKING:
    from uprobe_core.events.fetch_source import FetchSource
    from uprobe_core.events.record_buffer import RecordBuffer
    from uprobe_core.types import GuestMemory

__all__ = ("FetchProgram", "compile_fetch", "run_fetch")

_MASK = (1 << 64) - 1
_TEXT = -1
"""The parameter of a string store whose text is computed, and not only its address."""


Getter = Callable[["FetchSource"], int]
Fetcher = Callable[["FetchSource"], Value]
Reading = Callable[["GuestMemory", int, int], int]
"""The number of so many bytes at an address; may raise MemoryFault."""


class FetchProgram:
    """The compiled arguments of one event.

    :param buffer: what a number shows whose dereference faults, and what then holds this record;
        None: such a number is 0
    """

    def __init__(self, args: Sequence[FetchArg], buffer: RecordBuffer | None = None) -> None:
        self.args = leaves(args)
        self._assemble = assembler(args)
        self._buffer = buffer
        self._numbers: list[tuple[int, Fetcher]] = []
        self._strings: list[tuple[int, Callable[[FetchSource], list[Text | None]], int]] = []
        self._room = 4096 - sum(arg.size for arg in args)
        for index, arg in enumerate(self.args):
            if arg.type.is_string:
                self._strings.append((index, _texts(arg), arg.count))
            else:
                self._numbers.append((index, _fetcher(arg)))

    def run(self, hit: FetchSource) -> tuple[Value, ...]:
        """The values of all arguments at *hit*; never raises MemoryFault."""
        hit = hit if self._buffer is None else seen_by_kernel(hit)
        values: list[Value] = [None] * len(self.args)
        for index, fetch in self._numbers:
            try:
                values[index] = fetch(hit)
            except MemoryFault:
                values[index] = self._unfetched(self.args[index])
            except GoneError:
                values[index] = GONE
        strings = self._run_strings(hit, values) if self._strings else None
        if self._buffer is not None:
            self._buffer.store(self.args, values, strings)
            self._fill_arrays(values)
        return tuple(values) if self._assemble is None else self._assemble(values)

    def _unfetched(self, arg: FetchArg) -> Value:
        if arg.tells:
            return FAULT
        if self._buffer is not None:
            return self._buffer.number(arg)
        zero = 0.0 if arg.type.kind == "f" else 0
        return (zero,) * arg.count if arg.count else zero

    def _run_strings(self, hit: FetchSource, values: list[Value]) -> Layout | None:
        """Put the strings into *values*; returns where they lie if that is to be kept."""
        cells = [_located(locate, hit) for _, locate, _ in self._strings]
        counts = [max(count, 1) for _, _, count in self._strings]
        texts = [cell or [None] for cell in cells]
        layout = None if self._buffer is None else place_strings(texts, self._room)
        found = lay_out(texts, counts, self._room) if layout is None else layout.texts
        for (index, _, count), cell, shown in zip(self._strings, cells, found, strict=True):
            values[index] = GONE if cell is None else tuple(shown) if count else shown[0]
        return layout

    def _fill_arrays(self, values: list[Value]) -> None:
        """A string array that was given up goes on with what the buffer held."""
        for index, _, count in self._strings:
            shown = values[index]
            if isinstance(shown, tuple) and len(shown) < count and self._buffer is not None:
                values[index] = (*shown, *self._buffer.texts(self.args[index], len(shown)))


def _located(
    locate: Callable[[FetchSource], list[Text | None]], hit: FetchSource
) -> list[Text | None] | None:
    """What *locate* finds, None for text that the program does not keep there."""
    try:
        return locate(hit)
    except GoneError:
        return None


def compile_fetch(args: Sequence[FetchArg], buffer: RecordBuffer | None = None) -> FetchProgram:
    """The program that fetches *args*; see :class:`FetchProgram` for *buffer*."""
    return FetchProgram(args, buffer)


def run_fetch(program: FetchProgram, hit: FetchSource) -> tuple[Value, ...]:
    """The values of *program* at *hit*; see :meth:`FetchProgram.run`."""
    return program.run(hit)


# --- where a value comes from ---------------------------------------------------------------------


def _source(op: FetchOp) -> Getter:
    """A getter of the 64-bit value that the first operation loads."""
    param = op.param
    if op.code is OpCode.REG:
        return lambda c: c.task.get_reg(param)
    if op.code is OpCode.RETVAL:
        return lambda c: c.task.get_reg(c.registers.result)
    if op.code is OpCode.STACKP:
        return lambda c: c.task.get_reg(c.registers.sp)
    if op.code is OpCode.STACK:
        return lambda c: _stack_slot(c, param)
    if op.code is OpCode.IMM:
        value = param & _MASK
        return lambda _: value
    if op.code is OpCode.FOFFS:
        return lambda c: (c.address - c.probe_offset + param) & _MASK
    return _extended_source(op)


def _extended_source(op: FetchOp) -> Getter:
    if op.code is OpCode.VREG:
        mask = (1 << 8 * op.size) - 1
        return lambda c: c.task.get_vec(op.param) & mask
    if op.code is OpCode.ENTRY:
        return lambda c: int(c.entry_values[op.param]) & _MASK
    if op.code is OpCode.INSNS:
        return lambda c: c.insns & _MASK
    if op.code is OpCode.JUMPS:
        return lambda c: c.jumps & _MASK
    if op.code is OpCode.COMPUTED and op.compute is not None:
        return op.compute
    return lambda c: c.latency_ns & _MASK  # LATENCY


def _stack_slot(hit: FetchSource, number: int) -> int:
    registers = hit.registers
    address = (hit.task.get_reg(registers.sp) + registers.width * number) & registers.mask
    try:
        return int.from_bytes(hit.process.read(address, registers.width), "little")
    except MemoryFault:
        return 0


def _chain(ops: Sequence[FetchOp]) -> Getter:
    """A getter of the value after a load and any dereferences; it raises MemoryFault."""
    getter = _source(ops[0])
    for op in ops[1:]:
        getter = _add(getter, op) if op.code is OpCode.ADD else _deref(getter, op.param)
    return getter


def _add(inner: Getter, op: FetchOp) -> Getter:
    register, shift, extend = op.param, op.lshift, EXTENDS[op.rshift]

    def get(c: FetchSource) -> int:
        index = c.task.get_reg(register)
        if extend != "lsl":
            index &= 0xFFFF_FFFF
        if extend == "sxtw":
            index = (index ^ 0x8000_0000) - 0x8000_0000
        return (inner(c) + (index << shift)) & c.registers.mask

    return get


def _deref(inner: Getter, offset: int) -> Getter:
    def get(c: FetchSource) -> int:
        registers = c.registers
        return int.from_bytes(c.process.read((inner(c) + offset) & registers.mask, registers.width), "little")

    return get


# --- numbers --------------------------------------------------------------------------------------


def _split(arg: FetchArg) -> tuple[list[FetchOp], FetchOp, FetchOp | None]:
    """The load and dereferences, the store, and the bit field if there is one."""
    stores = (OpCode.ST_RAW, OpCode.ST_MEM, OpCode.ST_UMEM, OpCode.ST_STRING, OpCode.ST_USTRING)
    at = next(i for i, op in enumerate(arg.ops) if op.code in stores)
    after = arg.ops[at + 1]
    return list(arg.ops[:at]), arg.ops[at], after if after.code is OpCode.MOD_BF else None


def _fetcher(arg: FetchArg) -> Fetcher:
    head, store, field = _split(arg)
    convert = _converter(arg.type, field)
    getter = _chain(head)
    if store.code is OpCode.ST_RAW:
        return _raw(getter, convert, store.param)
    read = _whole_number if arg.tells else _read_number
    if arg.count:
        return _array(getter, store, convert, arg.count, read)
    return _memory(getter, store, convert, read)


def _converter(kind: FetchType, field: FetchOp | None) -> Callable[[int], int | float]:
    """From the stored bits to the value that the type shows."""
    mask = (1 << 8 * kind.size) - 1
    if field is not None:
        left, right = field.lshift, field.rshift
        if kind.kind == "s":
            top = 1 << 8 * kind.size - 1
            return lambda v: (((v << left) & mask ^ top) - top) >> right
        return lambda v: ((v << left) & mask) >> right
    if kind.kind == "s":
        sign = 1 << 8 * kind.size - 1
        return lambda v: ((v & mask) ^ sign) - sign
    if kind.kind == "f":
        code = "<f" if kind.size == 4 else "<d"
        return lambda v: float(struct.unpack(code, (v & mask).to_bytes(kind.size, "little"))[0])
    return lambda v: v & mask


def _raw(getter: Getter, convert: Callable[[int], int | float], added: int) -> Fetcher:
    if added:
        return lambda c: convert(getter(c) + added)
    return lambda c: convert(getter(c))


def _memory(getter: Getter, store: FetchOp, convert: Callable[[int], int | float], read: Reading) -> Fetcher:
    size, offset = store.size, store.param

    def fetch(c: FetchSource) -> Value:
        return convert(read(c.process, (getter(c) + offset) & c.registers.mask, size))

    return fetch


def _array(
    getter: Getter, store: FetchOp, convert: Callable[[int], int | float], count: int, read: Reading
) -> Fetcher:
    size, offset = store.size, store.param

    def fetch(c: FetchSource) -> Value:
        mask, memory = c.registers.mask, c.process
        address = (getter(c) + offset) & mask
        try:
            data = memory.read(address, size * count)
        except MemoryFault:
            numbers = [read(memory, (address + i * size) & mask, size) for i in range(count)]
        else:
            numbers = [int.from_bytes(data[i : i + size], "little") for i in range(0, size * count, size)]
        return tuple([convert(n) for n in numbers])

    return fetch


def _whole_number(memory: GuestMemory, address: int, size: int) -> int:
    return int.from_bytes(memory.read(address, size), "little")


def _read_number(memory: GuestMemory, address: int, size: int) -> int:
    try:
        return int.from_bytes(memory.read(address, size), "little")
    except MemoryFault:
        pass
    try:
        return memory.read(address, 1)[0]
    except MemoryFault:
        return 0


# --- strings --------------------------------------------------------------------------------------


def _texts(arg: FetchArg) -> Callable[[FetchSource], list[Text | None]]:
    """What locates and reads the strings of *arg*: one per element, None where a dereference faults.

    An array ends at its first None: the kernel gives up there.
    """
    head, store, _ = _split(arg)
    code = head[0].code
    if code is OpCode.COMM:
        return lambda c: [Text(c.comm.encode("utf-8", "surrogateescape"), TextState.TRACER)]
    if code is OpCode.IMMSTR:
        return lambda _: [Text(b"", TextState.FAULT)]
    if code is OpCode.COMPUTED and len(head) == 1 and store.param == _TEXT:
        return lambda c: [_computed(head[0], c)]
    if code is OpCode.ENTRY and len(head) == 1:
        return lambda c: [_captured(c.entry_values[head[0].param])]
    if arg.count:
        return _text_array(head, store, arg.count)
    getter = _chain(head)

    def locate(c: FetchSource) -> list[Text | None]:
        try:
            address = getter(c)
        except MemoryFault:
            return [None]
        return [read_text(c.process, (address + store.param) & c.registers.mask)]

    return locate


def _computed(op: FetchOp, hit: FetchSource) -> Text:
    try:
        found = op.compute(hit) if op.compute is not None else b""
    except MemoryFault:
        return Text(b"", TextState.FAULT)
    return Text(bytes(found), TextState.TRACER)


def _captured(value: object) -> Text:
    if not isinstance(value, str):
        return Text(b"", TextState.FAULT)
    return Text(value.encode("utf-8", "surrogateescape"), TextState.TRACER)


def _text_array(
    head: list[FetchOp], store: FetchOp, count: int
) -> Callable[[FetchSource], list[Text | None]]:
    """An array of pointers to strings; the last operation of *head* reads each pointer.

    An immediate is the only other thing that a line may make an array of: the kernel reads its first string
    and then fails (process_fetch_insn_bottom, 6.12, looks for a dereference to repeat; recorded).
    """
    if head[-1].code is OpCode.IMM:
        only = (head[-1].param + store.param) % (1 << 64)
        return lambda c: [read_text(c.process, only & c.registers.mask), None][:count]
    base, last = _chain(head[:-1]), head[-1].param

    def locate(c: FetchSource) -> list[Text | None]:
        found: list[Text | None] = []
        try:
            start, width = base(c) + last, c.registers.width
            for i in range(count):
                pointer = c.process.read((start + width * i) & c.registers.mask, width)
                address = int.from_bytes(pointer, "little") + store.param
                found.append(read_text(c.process, address & c.registers.mask))
        except MemoryFault:
            found.append(None)
        return found

    return locate
