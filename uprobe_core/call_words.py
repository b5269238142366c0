"""System calls as strace writes them: numbers by name, modes in octal, AT_FDCWD, errors as results."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uprobe_core.call_constants import CHOICES, FLAGS, signal_name
from uprobe_core.event_model import Record
from uprobe_core.value_text import values_text

__all__ = ("call_texts", "in_words")

_LAST = {"exit", "exit_group"}
"""Those that have no result."""
_AT_FDCWD = -100
_ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "0x3")
_SOCKET_TYPES = ("0", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET")
_TESTS: Mapping[int, str] = {4: "R_OK", 2: "W_OK", 1: "X_OK"}
_FUTEX_PRIVATE, _FUTEX_REALTIME = 0x80, 0x100


def in_words(call: str, argument: str, value: object) -> str | None:
    """What *value* of an argument of the system call *call* is called; None: it is just a number."""
    if not isinstance(value, int):
        return None
    both = f"{call} {argument}"
    special = _SPECIAL.get(both) or _SPECIAL.get(argument)
    if special is not None:
        return special(value)
    choices = CHOICES.get(both) or CHOICES.get(argument)
    if choices is not None:
        return choices.get(value)
    flags = FLAGS.get(both) or FLAGS.get(argument)
    return _joined(value, flags) if flags is not None and value else None


def _folder(value: int) -> str | None:
    return "AT_FDCWD" if value == _AT_FDCWD else None


def _mode(value: int) -> str:
    return f"{value:#o}".replace("0o", "0") if value else "0"


def _futex(value: int) -> str | None:
    name = CHOICES["futex_op"].get(value & ~(_FUTEX_PRIVATE | _FUTEX_REALTIME))
    if name is None:
        return None
    private = "_PRIVATE" if value & _FUTEX_PRIVATE else ""
    return f"{name}{private}{'|FUTEX_CLOCK_REALTIME' if value & _FUTEX_REALTIME else ''}"


def _clone(value: int) -> str:
    """The flags, and the signal at the end in the lowest byte."""
    end = value & 0xFF
    flags = [_joined(value & ~0xFF, FLAGS["clone flags"])] if value & ~0xFF or not end else []
    return "|".join([*flags, *([signal_name(end) or f"{end:#x}"] if end else [])])


def _socket_type(value: int) -> str | None:
    which = value & 0xF
    return _joined(value & ~0xF, FLAGS["type"], _SOCKET_TYPES[which]) if which < len(_SOCKET_TYPES) else None


_SPECIAL: Mapping[str, Callable[[int], str | None]] = {
    "clone flags": _clone,
    "dirfd": _folder,
    "faccessat mode": lambda value: _joined(value, _TESTS) if value else "F_OK",
    "faccessat2 mode": lambda value: _joined(value, _TESTS) if value else "F_OK",
    "fallocate mode": lambda _: None,
    "futex_op": _futex,
    "mode": _mode,
    "newdirfd": _folder,
    "olddirfd": _folder,
    "openat flags": lambda value: _joined(value & ~3, FLAGS["openat flags"], _ACCESS_MODES[value & 3]),
    "prot": lambda value: _joined(value, FLAGS["prot"]) if value else "PROT_NONE",
    "sig": signal_name,
    "signum": signal_name,
    "type": _socket_type,
}
"""What has a form of its own, by argument, or by call and argument."""


def call_texts(record: Record) -> tuple[list[str], str, int]:
    """Of the record of a system call: its arguments, its result, and nanoseconds that it took."""
    event = record.event
    *arguments, result, _, _ = values_text(record)
    for number, (arg, value) in enumerate(zip(event.args, record.values, strict=True)):
        words = in_words(event.name, arg.name, value)
        if words is not None and number < len(arguments):
            arguments[number] = f"{arg.name}={words}"
    *_, error, took = record.values
    text = f"-{error}" if error else result.removeprefix("rv=")
    return arguments, "?" if event.name in _LAST else text, int(str(took))


def _joined(value: int, names: Mapping[int, str], head: str = "") -> str:
    """*head*, the names of the bits of *value*, and what has none as a number."""
    words = [*([head] if head else ()), *(name for bit, name in names.items() if value & bit)]
    rest = value & ~sum(names)
    return "|".join([*words, *([f"{rest:#x}"] if rest or not words else [])])
