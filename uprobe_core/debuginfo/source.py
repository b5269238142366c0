"""What the source of one program file says, as far as it is asked: the door of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from uprobe_core.debuginfo.finder import Found, find_debug
from uprobe_core.debuginfo.lines import LineTable
from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck
from uprobe_core.image.elf_symbols import ElfImage

__all__ = ("Source",)


class Source:
    """The debug information of *image*, which the guest calls *path*.

    :param folders: of this machine, laid out as /usr/lib/debug is
    """

    def __init__(self, image: ElfImage, path: str, files: FileCheck, folders: Sequence[str] = ()) -> None:
        self.image, self.path = image, path
        self._files, self._folders = files, folders

    @cached_property
    def found(self) -> Found:
        """Where it is."""
        return find_debug(self.image, self.path, self._files, self._folders)

    @cached_property
    def lines(self) -> LineTable:
        """The line tables; raises TargetError if there are none."""
        if self.found.info is None:
            raise TargetError(
                f"no line information in {self.image.path}",
                hint="compile with -g, or give a symbol; --debug-dir says where debug files are",
                slug="no-lines",
            )
        return LineTable(self.found.info)
