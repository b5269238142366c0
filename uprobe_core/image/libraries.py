"""The libraries that a dynamic program loads, by the names that it loads them by.

What the dynamic linker does, as far as files tell: DT_NEEDED of the program and
of what it needs, looked for in DT_RUNPATH or DT_RPATH, where the program's
interpreter lies, in the folders of /etc/ld.so.conf and in the usual ones (ld.so(8)).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import ElfFile
from uprobe_core.image.host_files import read_bounded

__all__ = ("loaded_libraries", "short_name")

_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_USUAL = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_MOST = 512
_MOST_BYTES = 1 << 20
"""Libraries that are looked at; more than any program has."""

HostPath = Callable[[str], str]
"""``host_path(path)``: where the guest's *path* lies; raises OSError."""


def short_name(soname: str) -> str:
    """``libc`` of ``libc.so.6``, ``libstdc++`` of ``libstdc++.so.6``."""
    return os.path.basename(soname).partition(".so")[0]


def loaded_libraries(program: str, host_path: HostPath) -> dict[str, str]:
    """Name -> guest path of everything that *program* (a guest path) loads when it starts, in order.

    The interpreter is among them.  Libraries that are not found are left out,
    and a program that is no dynamic ELF file has none.
    """
    found: dict[str, str] = {}
    try:
        usual = list(_usual_folders(program, host_path, found))
        waiting = list(_needed(program, host_path))
    except (OSError, TargetError):
        return found
    while waiting and len(found) < _MOST:
        name, own = waiting.pop(0)
        path = _find(name, [*own, *usual], host_path)
        if name in found or path is None:
            continue
        found[name] = path
        try:
            waiting += _needed(path, host_path)
        except TargetError:
            continue
    return found


def _usual_folders(program: str, host_path: HostPath, found: dict[str, str]) -> Iterator[str]:
    with ElfFile(host_path(program)) as elf:
        interpreter = elf.interpreter
    if interpreter:
        found[os.path.basename(interpreter)] = interpreter
        for path in (interpreter, _guest_target(interpreter, host_path)):
            yield os.path.dirname(path)
    yield from _configured("/etc/ld.so.conf", host_path)
    yield from _USUAL


def _guest_target(path: str, host_path: HostPath) -> str:
    """Where the link *path* leads, one step, as the guest names it; *path* if it is none."""
    try:
        folder = host_path(os.path.dirname(path))
        target = os.readlink(os.path.join(folder, os.path.basename(path)))
    except OSError:
        return path
    return os.path.join(os.path.dirname(path), target)


def _configured(path: str, host_path: HostPath) -> Iterator[str]:
    """The folders that a file like ld.so.conf names, those of the files that it includes among them."""
    try:
        lines = [line.partition("#")[0].split() for line in _lines(host_path(path))]
    except OSError:
        return
    for words in lines:
        if words[:1] == ["include"]:
            yield from _included(words[1:], host_path)
        else:
            yield from words


def _included(patterns: list[str], host_path: HostPath) -> Iterator[str]:
    from fnmatch import fnmatch

    for pattern in patterns:
        folder, name = os.path.split(pattern)
        try:
            entries = sorted(os.listdir(host_path(folder)))
        except OSError:
            continue
        for entry in entries:
            if fnmatch(entry, name) and entry.endswith(".conf"):
                yield from _plain_lines(f"{folder}/{entry}", host_path)


def _plain_lines(path: str, host_path: HostPath) -> Iterator[str]:
    try:
        lines = [line.partition("#")[0].strip() for line in _lines(host_path(path))]
    except OSError:
        return
    yield from (line for line in lines if line.startswith("/"))


def _lines(path: str) -> list[str]:
    return read_bounded(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()


def _needed(path: str, host_path: HostPath) -> Iterator[tuple[str, list[str]]]:
    """(name, folders to look in first) of each library that the file at *path* asks for."""
    with ElfFile(host_path(path)) as elf:
        entries = list(_dynamic(elf))
        table = next((value for tag, value in entries if tag == _DT_STRTAB), 0)
        texts = [(tag, _text(elf, table + value)) for tag, value in entries]
    places = {tag: text for tag, text in texts if tag in (_DT_RPATH, _DT_RUNPATH)}
    origin = os.path.dirname(path)
    folders = places.get(_DT_RUNPATH, places.get(_DT_RPATH, ""))
    own = [
        each.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for each in folders.split(":") if each
    ]
    yield from ((text, own) for tag, text in texts if tag == _DT_NEEDED and text)


def _dynamic(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """(tag, value) of each entry of PT_DYNAMIC up to DT_NULL."""
    data = elf.dynamic
    for tag, value in struct.iter_unpack("<QQ", data[: len(data) // 16 * 16]):
        if tag == 0:
            return
        yield tag, value


def _text(elf: ElfFile, vaddr: int) -> str:
    return elf.read(vaddr, 1024).partition(b"\0")[0].decode(errors="surrogateescape")


def _find(name: str, folders: list[str], host_path: HostPath) -> str | None:
    candidates = [name] if "/" in name else [f"{folder}/{name}" for folder in folders]
    for path in candidates:
        try:
            host_path(path)
        except OSError:
            continue
        return path
    return None
