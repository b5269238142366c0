"""Why a target stopped: stop replies as values, signal numbers as Linux has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("FAULTS", "SIGTRAP", "Stop", "parse_stop", "to_linux", "to_stub")

SIGTRAP = 5
FAULTS = frozenset({4, 7, 8, 11})
"""Linux's numbers of signals that an instruction makes: it makes them again if it is done again."""

_LINUX = (
    *(1, 2, 3, 4, 5, 6, 0, 8, 9, 7, 11, 31, 13, 14),
    *(15, 23, 19, 20, 18, 17, 21, 22, 29, 24, 25, 26, 27, 28),
)
"""Linux's numbers of the stub's signals 1 to 28 (gdb/signals.def in GDB's sources); EMT has none."""
_REST = {30: 10, 31: 12, 32: 30, 77: 32, 78: 64}
"""SIGUSR1, SIGUSR2, SIGPWR, SIG32 and SIG64."""
_FROM = {number: linux for number, linux in enumerate(_LINUX, start=1) if linux} | _REST
_FROM |= {45 + n: 33 + n for n in range(31)}
_TO = {linux: number for number, linux in _FROM.items()}


def to_linux(number: int) -> int:
    """Linux's number of the stub's signal *number*, 0 for one that Linux does not have."""
    return _FROM.get(number, 0)


def to_stub(linux: int) -> int:
    """The stub's number of Linux's signal *linux*, 0 for one that it does not have."""
    return _TO.get(linux, 0)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop reply.

    :param kind: "signal", "exited", "killed", "thread-exit", "none" (no thread is left), "output"
    :param signal: Linux's number
    :param code: the exit status, 0 to 255
    :param thread: the thread's id as the stub writes it
    :param reasons: "swbreak", "library", "syscall_entry" ... and what follows the colon
    :param registers: what came with it, by the stub's numbers
    :param process: the one that has ended, 0 if it is not said
    :param text: what the target wrote ("output")
    """

    kind: str
    signal: int = 0
    code: int = 0
    thread: bytes = b""
    reasons: Mapping[str, bytes] = field(default_factory=dict)
    registers: Mapping[int, bytes] = field(default_factory=dict)
    text: bytes = b""
    process: int = 0


def parse_stop(packet: bytes) -> Stop:
    """The stop reply *packet*; raises ValueError for what is none."""
    kind, rest = packet[:1], packet[1:]
    if kind == b"S":
        return Stop("signal", to_linux(int(rest[:2], 16)))
    if kind == b"T":
        return _with_pairs(to_linux(int(rest[:2], 16)), rest[2:])
    if kind == b"W":
        return Stop("exited", code=int(rest.partition(b";")[0], 16) & 0xFF, process=_process(rest))
    if kind == b"X":
        return Stop("killed", to_linux(int(rest.partition(b";")[0], 16)), process=_process(rest))
    if kind == b"w":
        return Stop("thread-exit", thread=rest.partition(b";")[2])
    if kind == b"N":
        return Stop("none")
    if kind == b"O":
        return Stop("output", text=bytes.fromhex(rest.decode("ascii")))
    raise ValueError(f"{packet[:40]!r} is no stop reply")


def _process(rest: bytes) -> int:
    """The process id behind an exit status."""
    _, found, number = rest.partition(b";process:")
    return int(number, 16) if found else 0


def _with_pairs(signal: int, text: bytes) -> Stop:
    thread, reasons, registers = b"", {}, {}
    for pair in filter(None, text.split(b";")):
        name, _, value = pair.partition(b":")
        if name == b"thread":
            thread = value
        elif all(byte in b"0123456789abcdefABCDEF" for byte in name):
            registers[int(name, 16)] = bytes.fromhex(value.decode("ascii"))
        else:
            reasons[name.decode(errors="replace")] = value
    return Stop("signal", signal, thread=thread, reasons=reasons, registers=registers)
