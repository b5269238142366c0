"""The ELF files that a session's processes have mapped, opened once each: names and unwind rules by place."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from uprobe_core.errors import TargetError
from uprobe_core.image.debug_files import debug_file
from uprobe_core.image.elf import Section
from uprobe_core.image.elf_symbols import ElfImage, Symbol
from uprobe_core.stacks.cfi import DAMAGED, CallFrames
from uprobe_core.unwinding import FrameRules, Row

if TYPE_CHECKING:
    from uprobe_core.image.guest_files import GuestFiles

__all__ = ("Image", "Images")

_MOST_PROLOGUE = 1 << 16
"""Bytes of a function that are looked through where there is no unwind information."""


class Image:
    """One file; addresses are its own, without the load bias.

    :param path: as the guest names it
    """

    def __init__(self, elf: ElfImage, path: str, files: GuestFiles, rules: FrameRules | None) -> None:
        self._elf, self._path, self._files, self._rules = elf, path, files, rules
        self._rows: dict[tuple[int, int], Row | None] = {}

    @cached_property
    def _debug(self) -> ElfImage | None:
        """Its separate debug file."""
        try:
            return debug_file(self._elf, self._path, self._files, self._files.debug_folders)
        except DAMAGED:
            return None

    @cached_property
    def _named(self) -> list[ElfImage]:
        """The files that symbols are looked for in: a stripped one has most of them elsewhere."""
        has_all = any(section.name == ".symtab" for section in self._sections)
        return [self._elf] if has_all or self._debug is None else [self._debug, self._elf]

    @cached_property
    def _sections(self) -> tuple[Section, ...]:
        try:
            return self._elf.sections
        except TargetError:
            return ()

    @cached_property
    def _frames(self) -> list[CallFrames]:
        """Where rules are looked for, best first."""
        if self._rules is None:
            return []
        found = [CallFrames(self._elf, self._rules), CallFrames(self._elf, self._rules, debug=True)]
        return (
            [*found, CallFrames(self._debug, self._rules, debug=True)] if self._debug is not None else found
        )

    def vaddr_of(self, offset: int) -> int | None:
        """The address at which file position *offset* is loaded, None if it is not."""
        try:
            return self._elf.offset_to_vaddr(offset)
        except TargetError:
            return None

    def symbol_at(self, vaddr: int) -> tuple[Symbol, int] | None:
        """The function around *vaddr*, and the distance from its start."""
        for elf in self._named:
            try:
                found = elf.symbol_at(vaddr)
            except DAMAGED:
                continue
            if found is not None:
                return found
        return None

    def row_at(self, vaddr: int, after_call: int) -> Row | None:
        """How to get from a frame at *vaddr* to its caller's, from what the file says; None: it does not.

        :param after_call: 1 if *vaddr* is a return address, else 0
        """
        key = (vaddr, after_call)
        if key not in self._rows:
            self._rows[key] = self._row(vaddr, after_call)
        return self._rows[key]

    def _row(self, vaddr: int, after_call: int) -> Row | None:
        # A return address may lie behind a call that ends its function: it is the call that counts.
        rows = (frames.row_at(vaddr - after_call) for frames in self._frames)
        row = next((row for row in rows if row is not None), None)
        return self._prologue(vaddr, after_call) if row is None else row

    def _prologue(self, vaddr: int, after_call: int) -> Row | None:
        """The same from the function's instructions, where there is no unwind information for it."""
        if self._rules is None:
            return None
        if not after_call and self._is_stub(vaddr):
            return self._rules.prologue(b"")
        found = self.symbol_at(vaddr - after_call)
        if found is None or found[1] > _MOST_PROLOGUE:
            return None
        start = found[0].vaddr
        row = self._rules.prologue(self._elf.read(start, vaddr - start))
        if row is None or (after_call and all(each.register != row.pc_from for each in row.saved)):
            return None  # it has made a call, so the return address must be somewhere
        return row

    def _is_stub(self, vaddr: int) -> bool:
        """Whether it is in a procedure linkage table, whose entries make no frame."""
        names = (".plt", ".iplt")
        return any(s.vaddr <= vaddr < s.vaddr + s.size and s.name.startswith(names) for s in self._sections)


class Images:
    """The files by the guest's paths.

    :param files: finds the host file behind a guest path
    :param rules: of the architecture, None: nothing can be unwound
    """

    def __init__(self, files: GuestFiles, rules: FrameRules | None) -> None:
        self._files, self._rules = files, rules
        self._images: dict[str, Image | None] = {}

    def __getitem__(self, path: str) -> Image | None:
        """The ELF file that the guest calls *path*, None if it is none."""
        if path not in self._images:
            self._images[path] = self._open(path)
        return self._images[path]

    def _open(self, path: str) -> Image | None:
        status = self._files(path)
        if status.errno_name or not status.regular:
            return None
        try:
            return Image(ElfImage(status.host_path), path, self._files, self._rules)
        except TargetError:
            return None
