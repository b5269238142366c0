"""What ``uprobe doctor FILE`` says of a program file: what debug information was found, and where."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from uprobe_core.doctor.checks import Finding
from uprobe_core.errors import TargetError

if TYPE_CHECKING:
    from uprobe_core.debuginfo.finder import Found
    from uprobe_core.image.elf import ElfFile

__all__ = ("examine_file",)

_NOWHERE = "compile with -g, or install the debug package; --debug-dir says where else to look"


def _debug_info(found: Found) -> Finding:
    """What units there are, or why none can be read."""
    from uprobe_core.debuginfo.encoding import DAMAGED, damage
    from uprobe_core.debuginfo.unreadable import split_off

    info, error = found.info, found.error
    try:
        if info is None and error is None:
            return Finding("debug-info", "note", "none", _NOWHERE)
        if info is not None and info.headers:
            error = split_off(next(info.units()))
    except DAMAGED as damaged:
        error = damage(found.where, damaged)
    if error is not None or info is None:
        return Finding("debug-info", "note", str(error), "" if error is None else error.hint)
    versions = sorted({header.version for header in info.headers})
    detail = f"DWARF {', '.join(map(str, versions))}, {len(info.headers)} units, in {found.where}"
    return Finding("debug-info", "ok", detail)


def _without(image: ElfFile) -> Finding:
    """That nothing was found, and what the file says of where it should be."""
    from uprobe_core.image.debug_files import debug_link

    name = debug_link(image)[0]
    wanted = f"none; {name}, which the file names, is not found, or is of another build"
    return Finding("debug-info", "note", wanted if name else "none", _NOWHERE)


def examine_file(path: str, folders: Sequence[str]) -> Iterator[Finding]:
    """Findings about *path*; raises TargetError for what is no program.

    :param folders: of this machine, laid out as /usr/lib/debug is
    """
    from uprobe_core.debuginfo.finder import find_debug
    from uprobe_core.events.files import host_file
    from uprobe_core.image.elf_symbols import ElfImage

    with ElfImage(path) as image:
        yield Finding("build-id", "ok" if image.build_id else "note", image.build_id or "none")
        found = find_debug(image, os.path.abspath(path), host_file, folders)
        names = image if found.symbols is None else found.symbols
        try:
            count = len(image.functions()) if found.symbols is None else len(names.functions())
        except TargetError as error:
            yield Finding("symbols", "note", str(error))
        else:
            yield Finding("symbols", "ok" if count else "note", f"{count} functions in {names.path}")
        yield _debug_info(found) if found.where or found.error else _without(image)
        if found.info is None:
            return
        if image.section(".gnu_debugaltlink") or found.info.elf.section(".gnu_debugaltlink"):
            state = "ok" if found.shared else "note"
            hint = "" if found.shared else "some names and types are missing without it"
            yield Finding("shared-entries", state, found.shared or "not found", hint)
