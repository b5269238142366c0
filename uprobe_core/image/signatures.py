"""What known functions take and give, for arguments that nobody has written down.

``prototypes/LIBRARY.h`` are C prototypes, one a line; the types of a prototype
say how a value is fetched and printed.  The C library is the only one so far.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ("Signature", "functions_of", "signature_of")

_PROTOTYPE = re.compile(r"^(?P<gives>[^(\n]*?)(?P<name>\w+)\((?P<takes>.*)\);$", re.MULTILINE)
_FETCHED = {
    "int": "s32",
    "unsigned": "u32",
    "long": "s64",
    "unsigned long": "u64",
    "size_t": "u64",
    "ssize_t": "s64",
    "intptr_t": "s64",
    "off_t": "s64",
    "time_t": "s64",
    "mode_t": "x32",
    "pid_t": "s32",
    "uid_t": "u32",
    "gid_t": "u32",
    "wchar_t": "u32",
    "socklen_t": "u32",
    "double": "f64",
}
"""Fetch types by C type; of what is no pointer."""
_BITS = {"flags", "prot", "request"}
"""Arguments that are sets of bits: hexadecimal."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One function's.

    :param arguments: fetch arguments at its entry, ``size=$arg1:u64``
    :param gives: the one at its return, ``rv=$retval:x64``, "" if it gives nothing
    :param types: of each argument, as C writes it without the name: ``const char [.count]``
    """

    arguments: tuple[str, ...]
    gives: str
    types: tuple[str, ...] = ()


def signature_of(library: str, function: str) -> Signature | None:
    """That of *function* in *library* (its short name), None if it is not known."""
    return _signatures(library).get(function)


def functions_of(library: str) -> list[str]:
    """The functions of *library* that are known, in the order of their file."""
    return list(_signatures(library))


@cache
def _signatures(library: str) -> Mapping[str, Signature]:
    path = Path(__file__).with_name("prototypes") / f"{library}.h"
    if not re.fullmatch(r"\w+", library) or not path.is_file():
        return {}
    return dict(_prototypes(path.read_text(encoding="utf-8")))


def _prototypes(text: str) -> Iterator[tuple[str, Signature]]:
    for found in _PROTOTYPE.finditer(text):
        taken = list(_taken(found["takes"]))
        gives, types = _gives(found["gives"].strip()), tuple(kind for kind, _ in taken)
        yield found["name"], Signature(tuple(_arguments(taken)), gives, types)


def _taken(takes: str) -> Iterator[tuple[str, str]]:
    """The type and the name of each argument."""
    for each in [] if takes == "void" else takes.split(", "):
        found = re.fullmatch(r"(.*?)(\w+)(\[.*\])?", each)
        assert found is not None
        yield f"{found[1].strip()} {found[3] or ''}".strip(), found[2]


def _arguments(taken: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Integers and pointers come in general registers, floating-point numbers in others (AAPCS64, 6.8.2)."""
    integers = floats = 0
    for kind, name in taken:
        if kind == "double":
            yield f"{name}=%d{floats}:f64"
            floats += 1
            continue
        integers += 1
        yield f"{name}={_fetch(kind, f'$arg{integers}', name)}"


def _gives(kind: str) -> str:
    if kind == "void":
        return ""
    return "rv=%d0:f64" if kind == "double" else f"rv={_fetch(kind, '$retval', '')}"


def _fetch(kind: str, source: str, name: str) -> str:
    if kind == "const char *":
        return f"+0({source}):string"
    if "*" in kind or "[" in kind:
        return f"{source}:x64"
    return f"{source}:{'x64' if name == 'request' else 'x32' if name in _BITS else _FETCHED[kind]}"
