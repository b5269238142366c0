"""Where the debug information of a program file lies: in it, or in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.debuginfo.encoding import DAMAGED, damage
from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck
from uprobe_core.image.debug_files import debug_file, mini_debug_file, shared_file
from uprobe_core.image.elf import ElfFile
from uprobe_core.image.elf_symbols import ElfImage

if TYPE_CHECKING:
    from uprobe_core.debuginfo.info import DebugInfo

__all__ = ("Found", "find_debug")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    :param info: None if there is no debug information
    :param symbols: the file that has the names which a stripped one has not, None if it has them itself
    :param where: "" if nothing was found, else the file, as the machine names it
    :param shared: where entries lie that several files share, "" without such
    :param error: why what there is cannot be read, None if it can or there is nothing
    """

    info: DebugInfo | None
    symbols: ElfImage | None
    where: str = ""
    shared: str = ""
    error: TargetError | None = None


def find_debug(image: ElfImage, path: str, files: FileCheck, folders: Sequence[str] = ()) -> Found:
    """What there is for *image*, which the guest calls *path*.

    :param folders: of this machine, laid out as /usr/lib/debug is
    """
    try:
        has_symbols = image.section(".symtab") is not None
        if _has_entries(image):
            return _found(image, None, (path, files, folders))
        apart = debug_file(image, path, files, folders)
        if apart is None:
            mini = None if has_symbols else mini_debug_file(image)
            return Found(None, mini, image.path if mini is not None else "")
        symbols = None if has_symbols else apart
        return (
            _found(apart, symbols, (path, files, folders))
            if _has_entries(apart)
            else Found(None, symbols, apart.path)
        )
    except DAMAGED as error:
        return Found(None, None, error=damage(image.path, error))


def _has_entries(elf: ElfFile) -> bool:
    names = {section.name for section in elf.sections if section.size and section.kind != 8}
    return bool(names & {".debug_info", ".zdebug_info", ".debug_line", ".zdebug_line"})


def _found(elf: ElfFile, symbols: ElfImage | None, where: tuple[str, FileCheck, Sequence[str]]) -> Found:
    from uprobe_core.debuginfo.info import DebugInfo  # many files have none
    from uprobe_core.debuginfo.split import SplitFiles

    _, files, folders = where
    other = shared_file(elf, files, folders)
    shared = None if other is None else DebugInfo(other)
    info = DebugInfo(elf, shared, halves=SplitFiles(*where))
    return Found(info, symbols, elf.path, "" if other is None else other.path)
