"""What the source of one program file says, as far as it is asked: the door of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from uprobe_core.debuginfo.callers import Callers, SourceOf
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.finder import Found, find_debug
from uprobe_core.debuginfo.frames import Frame
from uprobe_core.debuginfo.functions import function_at
from uprobe_core.debuginfo.lines import LineTable
from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.unwinding import FrameRules

if TYPE_CHECKING:
    from uprobe_core.debuginfo.names import Names

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

    def names(
        self,
        offset: int,
        rules: FrameRules,
        sources: SourceOf = lambda _path: None,
        *,
        at_return: bool = False,
    ) -> Names | None:
        """What can be named at file *offset*; None if nothing is said of the code there.

        :param sources: other files, which callers may be in
        """
        from uprobe_core.debuginfo.names import Names

        vaddr, info = self.image.offset_to_vaddr(offset), self.found.info
        try:
            function = None if vaddr is None or info is None else function_at(info, vaddr)
            if function is None or vaddr is None:
                return None
            frame = Frame(self.image, function, vaddr, offset, rules)
            entry_value = partial(Callers(sources).entry_value, frame)
            return Names(frame, at_return=at_return, entry_value=entry_value)
        except DAMAGED:
            return None

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
