"""System calls as strace writes them: flags by name, modes in octal, AT_FDCWD, errors as results.

Values: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h and
include/uapi/asm-generic/mman.h of Linux 6.12.
"""

from __future__ import annotations

from collections.abc import Mapping

from uprobe_core.event_model import Record
from uprobe_core.value_text import values_text

__all__ = ("call_texts", "in_words")

_LAST = {"exit", "exit_group"}
"""Those that have no result."""

_OPEN: Mapping[int, str] = {
    0x40: "O_CREAT",
    0x80: "O_EXCL",
    0x100: "O_NOCTTY",
    0x200: "O_TRUNC",
    0x400: "O_APPEND",
    0x800: "O_NONBLOCK",
    0x4000: "O_DIRECTORY",
    0x8000: "O_NOFOLLOW",
    0x10000: "O_DIRECT",
    0x20000: "O_LARGEFILE",
    0x80000: "O_CLOEXEC",
    0x200000: "O_PATH",
}
_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "0x3")
_PROT: Mapping[int, str] = {1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC"}
_MAP: Mapping[int, str] = {
    1: "MAP_SHARED",
    2: "MAP_PRIVATE",
    0x10: "MAP_FIXED",
    0x20: "MAP_ANONYMOUS",
    0x800: "MAP_DENYWRITE",
    0x4000: "MAP_NORESERVE",
    0x8000: "MAP_POPULATE",
    0x20000: "MAP_STACK",
    0x100000: "MAP_FIXED_NOREPLACE",
}
_AT: Mapping[int, str] = {
    0x100: "AT_SYMLINK_NOFOLLOW",
    0x200: "AT_REMOVEDIR",
    0x400: "AT_SYMLINK_FOLLOW",
    0x1000: "AT_EMPTY_PATH",
}
_CLOSE: Mapping[int, str] = {0x80000: "O_CLOEXEC", 0x800: "O_NONBLOCK"}
_FLAGS: Mapping[str, Mapping[int, str]] = {
    "openat": _OPEN,
    "mmap": _MAP,
    "newfstatat": _AT,
    "statx": _AT,
    "unlinkat": _AT,
    "linkat": _AT,
    "fchownat": _AT,
    "utimensat": _AT,
    "pipe2": _CLOSE,
    "dup3": _CLOSE,
}
_AT_FDCWD = -100


def in_words(call: str, argument: str, value: object) -> str | None:
    """What *value* of an argument of the system call *call* is called; None: it is just a number."""
    if not isinstance(value, int):
        return None
    if argument.endswith("dirfd") and value == _AT_FDCWD:
        return "AT_FDCWD"
    if argument == "mode" and call != "fallocate":
        return f"{value:#o}".replace("0o", "0") if value else "0"
    if argument == "prot":
        return _joined(value, _PROT) if value else "PROT_NONE"
    if argument == "flags" and call in _FLAGS:
        head = [_ACCESS[value & 3]] if call == "openat" else []
        return _joined(value & ~3 if head else value, _FLAGS[call], head)
    return None


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


def _joined(value: int, names: Mapping[int, str], head: list[str] | None = None) -> str:
    words = [*(head or ()), *(name for bit, name in names.items() if value & bit)]
    rest = value & ~sum(names)
    return "|".join([*words, *([f"{rest:#x}"] if rest or not words else [])])
