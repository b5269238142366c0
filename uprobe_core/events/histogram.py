"""Histograms: counting hits by keys, and the text that a kernel prints of them.

Sources: hist_trigger_entry_print and friends in
kernel/trace/trace_events_hist.c (6.12), and recorded histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from uprobe_core.events.fields import FieldKind, join
from uprobe_core.events.hist_parse import HITCOUNT, HistField, HistSpec, SortKey
from uprobe_core.events.system_calls import system_call_name
from uprobe_core.events.tracing_map import heap_sort, older_heap_sort, sorted_entries

__all__ = ("Histogram",)

_MASK = (1 << 64) - 1
_STACK_DEPTH = 16
_BAR = 20
Stack = Callable[[Any], tuple[int, ...]]
Symbol = Callable[[int], str]
Key = tuple[Any, ...]
Row = list[int]
"""The hit count, then the sums."""


def no_stack(_hit: Any) -> tuple[int, ...]:
    """The stack of a hit where nothing can unwind."""
    return ()


class Histogram:
    """The entries of one histogram trigger.

    :param stack: return addresses of a hit, innermost first, for ``common_stacktrace``
    :param symbol: ``name+0xOFF/0xSIZE`` of an address, or ``0xADDR`` when nothing is known
    :param system_call: name of a system call number, "" when there is none
    """

    def __init__(
        self,
        spec: HistSpec,
        *,
        stack: Stack = no_stack,
        symbol: Symbol = hex,
        system_call: Callable[[int], str] = system_call_name,
    ) -> None:
        self.spec = spec
        self.paused = spec.command == "pause"
        self.entries: dict[Key, Row] = {}
        self.names: dict[Key, str] = {}
        self.hits = self.dropped = 0
        self._symbol, self._system_call = symbol, system_call
        self._limit = 1 << spec.bits
        self._wants_name = any(key.modifier == "execname" for key in spec.keys)
        self._measure = _measurer(spec, stack)

    # --- counting -------------------------------------------------------------------------------

    def measure(self, hit: Any) -> tuple[Key, tuple[int, ...], str]:
        """Key, values and task name of *hit*; plain data that may travel between processes."""
        key, values = self._measure(hit)
        return key, values, hit.comm if self._wants_name else ""

    def add(self, measurement: tuple[Key, tuple[int, ...], str]) -> None:
        """Count one measurement, unless paused; a new key beyond the size is dropped."""
        if self.paused:
            return
        key, values, name = measurement
        row = self.entries.get(key)
        if row is None:
            if len(self.entries) >= self._limit:
                self.dropped += 1
                return
            row = self.entries[key] = [0] * (len(values) + 1)
            if self._wants_name:
                self.names[key] = name
        self.hits += 1
        row[0] += 1
        for index, value in enumerate(values, start=1):
            row[index] = row[index] + value & _MASK

    def clear(self) -> None:
        """Forget all entries; whether it is paused stays."""
        self.entries.clear()
        self.names.clear()
        self.hits = self.dropped = 0

    # --- printing -------------------------------------------------------------------------------

    def rows(self) -> list[tuple[Key, Row]]:
        """The entries as they are listed."""
        compares = [_comparer(self.spec, key) for key in self.spec.sort]
        entries = sorted(self.entries.items(), key=lambda entry: _key_bytes(entry[0]))
        return sorted_entries(entries, compares, older_heap_sort if self.spec.is_older else heap_sort)

    def text(self) -> str:
        """What reading the ``hist`` file gives."""
        state = "paused" if self.paused else "active"
        head = f"# event histogram\n#\n# trigger info: {self.spec.text(state)}\n#\n\n"
        rows = self.rows()
        return head + "".join(self._lines(rows)) + self._totals()

    def _totals(self) -> str:
        counts = f"    Hits: {self.hits}\n    Entries: {len(self.entries)}\n    Dropped: {self.dropped}\n"
        return f"\nTotals:\n{counts}"

    def _lines(self, rows: list[tuple[Key, Row]]) -> Iterator[str]:
        sums = list(zip(*(row for _, row in rows), strict=True))
        for key, row in rows:
            hitcount = "" if self.spec.no_hitcount else f" hitcount: {row[0]:10}"
            columns = [
                " " + _column(value, row[i], sum(sums[i]), max(sums[i]))
                for i, value in enumerate(self.spec.values, start=1)
            ]
            yield f"{self._key_text(key)}{hitcount}{''.join(columns)}\n"

    def _key_text(self, key: Key) -> str:
        parts = [self._part_text(f, value, key) for f, value in zip(self.spec.keys, key, strict=True)]
        end = "" if any(f.field.kind is FieldKind.STACK for f in self.spec.keys) else " "
        return "{ " + ", ".join(parts) + end + "}"

    def _part_text(self, part: HistField, value: Any, key: Key) -> str:
        name = part.shown
        if part.field.kind is FieldKind.STACK:
            lines = "".join(f"         {self._symbol(address)}\n" for address in value)
            return f"{part.field.name}:\n{lines}"
        if part.field.kind is FieldKind.STRING and part.modifier in ("", "usecs"):
            return f"{name}: {value:<50}"
        number = value if isinstance(value, int) else _number_of_text(value, part.modifier)
        return f"{name}: {self._number_text(part, number, key)}"

    def _number_text(self, part: HistField, number: int, key: Key) -> str:
        number &= _MASK
        if part.modifier == "hex":
            return f"{number:x}"
        if part.modifier == "sym":
            return f"[{number:x}] {self._symbol(number).partition('+')[0]:<45}"
        if part.modifier == "sym-offset":
            return f"[{number:x}] {self._symbol(number):<55}"
        if part.modifier == "execname":
            return f"{self.names.get(key, ''):<16}[{number:10}]"
        if part.modifier == "syscall":
            return f"{self._system_call(number) or 'unknown_syscall':<30}[{number:3}]"
        if part.modifier == "log2":
            return f"~ 2^{number:<2}"
        if part.modifier == "buckets":
            return f"~ {number}-{(number + part.buckets - 1) & _MASK}"
        return f"{number:10}"

    def as_json(self) -> dict[str, Any]:
        """The entries as plain data."""
        names = ["hitcount", *(str(v) for v in self.spec.values)]
        entries = [
            {
                "key": dict(zip(map(str, self.spec.keys), key, strict=True)),
                **dict(zip(names, row, strict=True)),
            }
            for key, row in self.rows()
        ]
        return {
            "trigger": self.spec.text(),
            "entries": entries,
            "hits": self.hits,
            "dropped": self.dropped,
        }


# --- what is counted ------------------------------------------------------------------------------


def _measurer(spec: HistSpec, stack: Stack) -> Callable[[Any], tuple[Key, tuple[int, ...]]]:
    """A function from a hit to key and values, made once."""
    keys = "".join(f"{_key_source(key, spec)}, " for key in spec.keys)
    values = "".join(f"{_value_source(value)}, " for value in spec.values)
    names = {"join": join, "log2": _log2, "stack": lambda h: stack(h)[:_STACK_DEPTH], "count": count()}
    code = f"lambda h, v=None: (({keys}), ({values})) if (v := h.values) is not None else None"
    return eval(code, names)  # type: ignore[no-any-return]  # noqa: S307  # built from field tables only


def _key_source(key: HistField, spec: HistSpec) -> str:
    if key.field.kind is FieldKind.STACK:
        return key.field.source
    if key.field.kind is FieldKind.STRING and key.modifier == "log2" and spec.is_older:
        return "''"  # one and the same
    if key.field.kind is FieldKind.STRING and key.modifier == "log2":
        return "f'{h.tid} {next(count)}'"  # 256 bytes of the kernel's stack: never the same again
    if key.field.kind is FieldKind.STRING:
        return f"({key.field.source} or '')[:255]"
    number = _value_source(key)
    if key.modifier == "log2":
        return f"log2({number})"
    if key.modifier == "buckets":
        return f"({number} // {key.buckets} * {key.buckets})"
    return (
        f"({number} // 1000)" if key.modifier == "usecs" and key.field.name == "common_timestamp" else number
    )


def _value_source(value: HistField) -> str:
    """The field as a 64-bit number; what is no number counts as 0, the hit count as 1."""
    if value.field.kind in (FieldKind.STRING, FieldKind.STACK):
        return "0"
    if value.field is HITCOUNT:
        return "1"
    source = f"int({value.field.source})" if value.field.kind is FieldKind.FLOAT else value.field.source
    return f"({source} & {_MASK})"


def _number_of_text(text: str, modifier: str) -> int:
    """What a kernel shows of a string as a number: its first bytes, or the logarithm of its own address."""
    if modifier == "log2":
        return 64
    return int.from_bytes(text.encode("utf-8", "surrogateescape")[:8], "little")


def _log2(number: int) -> int:
    """The binary logarithm, rounded up; 0 of 0 and of 1."""
    return max(number - 1, 0).bit_length()


# --- how it is sorted and shown -------------------------------------------------------------------


def _key_bytes(key: Key) -> bytes:
    """A key as it lies in the kernel's memory: numbers little endian, strings and stacks padded."""
    return b"".join(_part_bytes(part) for part in key)


def _part_bytes(part: Any) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogateescape")[:255].ljust(256, b"\0")
    if isinstance(part, tuple):
        return b"".join(address.to_bytes(8, "little") for address in part).ljust(8 * _STACK_DEPTH, b"\0")
    return int(part & _MASK).to_bytes(8, "little")


def _comparer(spec: HistSpec, order: SortKey) -> Callable[[tuple[Key, Row], tuple[Key, Row]], int]:
    """Compare two entries by one sort key."""
    read = _reader(spec, order.index)
    sign = -1 if order.descending else 1

    def compare(a: tuple[Key, Row], b: tuple[Key, Row]) -> int:
        x, y = read(a), read(b)
        return sign * (int(x > y) - int(x < y))

    return compare


def _reader(spec: HistSpec, index: int) -> Callable[[tuple[Key, Row]], Any]:
    if index <= len(spec.values):
        return lambda entry: entry[1][index]
    at = index - 1 - len(spec.values)
    field = spec.keys[at].field
    if field.kind is FieldKind.STACK:
        return lambda _entry: 0
    if field.kind is FieldKind.STRING:
        return lambda entry: entry[0][at].encode("utf-8", "surrogateescape")
    bits = 8 * field.size if field.size in (1, 2, 4, 8) else 64
    return lambda entry: _low_bits(entry[0][at], bits, signed=field.signed)


def _low_bits(value: int, bits: int, *, signed: bool) -> int:
    low = value & ((1 << bits) - 1)
    return low - (1 << bits) if signed and low >> (bits - 1) else low


def _column(value: HistField, number: int, total: int, largest: int) -> str:
    """One value of an entry."""
    if value.modifier == "percent":
        part = _ten_thousandths(number, total & _MASK)
        text = "[ERROR]" if part is None else f" {part // 100:3}.{part % 100:02}"
        return f" {value.shown} (%):{text}"
    if value.modifier == "graph":
        part = _ten_thousandths(number, largest)
        bar = "[ERROR]" if part is None else "#" * min(part * _BAR // 10000, _BAR)
        return f" {value.shown}: {bar:<{_BAR}}"
    return f" {value.shown}: {number:10x}" if value.modifier == "hex" else f" {value.shown}: {number:10}"


def _ten_thousandths(number: int, whole: int) -> int | None:
    """*number* of *whole*, without rounding up; None where a kernel shows an error."""
    if not whole:
        return None if number else 0
    if number < _MASK // 10000:
        return number * 10000 // whole
    whole //= 10000
    return number // whole if whole else None
