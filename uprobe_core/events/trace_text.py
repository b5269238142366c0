"""The kernel's trace text: one line per record, exactly as ``trace`` shows it.

Sources: print_uprobe_event in kernel/trace/trace_uprobe.c and
trace_print_context in kernel/trace/trace_output.c (6.12), and recorded traces.
Strings are printed raw, without escaping, as the kernel does; text that is not
UTF-8 is carried as surrogates, so write with ``errors="surrogateescape"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.event_model import Gone, OpCode
from uprobe_core.value_text import is_character, word_of

if TYPE_CHECKING:
    from uprobe_core.event_model import EventSpec, FetchArg, FetchType, Record, Scalar, Value

__all__ = (
    "FLAGS",
    "event_text",
    "format_record",
    "header",
    "line_prefix",
    "printer",
    "profile_line",
    "shown",
)

FLAGS = "....."
"""irqs-off, need-resched, irq context, preempt-depth, migrate-disable: a user probe has none."""

_HEADER = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {count}/{written}   #P:{cpus}
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""

_MANY = 4096
Printer = Callable[["Value"], str]


def header(entries: int, written: int | None = None, cpus: int = 1) -> str:
    """The comment lines above the records.

    :param entries: records that follow
    :param written: records that were made, those dropped included; None: as many
    """
    return _HEADER.format(count=entries, written=entries if written is None else written, cpus=cpus)


def _character(value: Scalar) -> str:
    return "'" + bytes([int(value or 0) & 0xFF]).decode("utf-8", "surrogateescape") + "'"


def _unicode(value: Scalar) -> str:
    number = int(value or 0)
    return f"'{chr(number)}'" if is_character(number) else hex(number)


def _string(value: Scalar) -> str:
    return "(fault)" if value is None else f'"{value}"'


def _float(value: Scalar) -> str:
    return repr(float(value or 0))


_SCALAR: dict[str, Callable[[Scalar], str]] = {
    "u": str,
    "s": str,
    "x": hex,  # type: ignore[dict-item]  # a number
    "c": _character,
    "C": _unicode,
    "f": _float,
    "string": _string,
    "shape": str,
}


def _named(kind: FetchType) -> Callable[[Scalar], str]:
    """Shows words for the numbers that have one."""
    plain = _SCALAR[kind.kind]
    return lambda value: plain(value) if (word := word_of(kind, value)) is None else word


def printer(arg: FetchArg) -> Printer:
    """What makes the text of a value of *arg*."""
    kind, count = arg.type, arg.count
    plain = _named(kind) if kind.words else _SCALAR[kind.kind]
    one: Printer = plain  # type: ignore[assignment]  # a value without a count is a scalar
    if count:
        one = lambda values: "{" + ",".join(map(plain, values)) + "}"  # type: ignore[arg-type]  # noqa: E731
    if one is str:
        return one  # also of what is not there
    if not arg.tells and all(op.code is not OpCode.COMPUTED for op in arg.ops):
        return one
    return lambda value: str(value) if isinstance(value, Gone) else one(value)


_made: dict[int, tuple[EventSpec, tuple[tuple[str, Printer], ...]]] = {}
"""Printers by the identity of the event, which is kept so that no other gets it."""


def _printers(event: EventSpec) -> tuple[tuple[str, Printer], ...]:
    known = _made.get(id(event))
    if known is not None and known[0] is event:
        return known[1]
    printers = tuple((f" {arg.name}=", printer(arg)) for arg in event.args)
    if len(_made) >= _MANY:
        _made.clear()
    _made[id(event)] = (event, printers)
    return printers


def shown(arg: FetchArg, value: Value) -> str:
    """*value* of *arg* as trace text shows it."""
    return printer(arg)(value)


def arguments_text(event: EventSpec, values: Sequence[Value]) -> str:
    """`` name=value`` for each argument, with the leading space."""
    pairs = zip(_printers(event), values, strict=True)
    return "".join([name + show(value) for (name, show), value in pairs])


def event_text(event: EventSpec, ip: int, function: int | None, values: Sequence[Value]) -> str:
    """What follows the time: ``NAME: (0xIP) a=..``, or ``(0xRETURN_TO <- 0xFUNCTION)``."""
    where = f"({ip:#x})" if function is None else f"({ip:#x} <- {function:#x})"
    return f"{event.name}: {where}{arguments_text(event, values)}"


def line_prefix(comm: str, tid: int, cpu: int, timestamp_ns: int) -> str:
    """``comm-tid [cpu] flags secs.micros: `` with its widths, the space after the colon included."""
    seconds, rest = divmod(timestamp_ns, 1_000_000_000)
    return f"{comm:>16}-{tid:<7} [{cpu:03}] {FLAGS} {seconds:5}.{rest // 1000:06}: "


def format_record(record: Record) -> str:
    """One line without its newline."""
    prefix = line_prefix(record.comm, record.tid, record.cpu, record.timestamp_ns)
    return prefix + event_text(record.event, record.ip, record.function, record.values)


def profile_line(path: str, name: str, hits: int, missed: int | None = None) -> str:
    """A line of ``uprobe_profile`` without its newline.

    :param missed: entries whose return was not seen; a column that a kernel does not print
    """
    line = f"  {path} {name:<44} {hits:15}"
    return line if missed is None else f"{line} {missed:15}"
