"""Translated code that outlives its mapping: what exec throws away, the next mapping of the same file gets.

Emulators key translations by where the code lies, physically and virtually. A program that executes
itself, a script that runs one small program after the other, and every program's ELF interpreter would be
translated anew at each exec if their text did not stay where it was. Only text that nobody can have
changed is kept, and only for a file that has not changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uprobe_linux.cpu import PAGE, Cpu, Perm
from uprobe_linux.memory.arena import Arena
from uprobe_linux.memory.code_pages import CodePage, CodePages
from uprobe_linux.memory.file_image import FileImage, HostFile
from uprobe_linux.memory.vma import Vma

__all__ = ("Kept", "KeptCode")

MOST_BYTES = 64 << 20
_EXEC = int(Perm.EXEC)
Key = tuple[int, ...]
"""Of a file's text: the file's stamp and the offset."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Text that was kept.

    :param physical: arena address of its first byte
    :param size: bytes, a multiple of PAGE
    :param live: the pages that translations exist of, by offset from *physical*
    """

    physical: int
    size: int
    image: FileImage
    live: dict[int, CodePage]


class KeptCode:
    """The text of files that is in the arena and in no address space, oldest first."""

    def __init__(self, arena: Arena, cpu: Cpu) -> None:
        self._arena = arena
        self._cpu = cpu
        self._kept: dict[Key, Kept] = {}
        self._bytes = 0
        """Of them all."""

    def keep(self, vma: Vma, code: CodePages) -> bool:
        """Take over the arena range of *vma*, which goes; False: it is not worth it, or may be changed."""
        image = vma.image
        if image is None or vma.changed or not int(vma.prot) & _EXEC:
            return False
        live = {page - vma.start: each for page, each in code.take_live(vma.start, vma.end).items()}
        key = (*image.stamp, vma.offset)
        if not live or key in self._kept or image.host.stamp() != image.stamp:
            for page in live:
                self._cpu.forget_code(vma.physical + page, PAGE)
            return False
        self._kept[key] = Kept(vma.physical, vma.end - vma.start, image, live)
        self._bytes += vma.end - vma.start
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))
        return True

    def take(self, host: HostFile, offset: int, size: int) -> Kept | None:
        """What was kept of *host* from *offset* on, if it is no more than *size* bytes."""
        key = (*host.stamp(), offset) if self._kept else ()
        kept = self._kept.get(key)
        return self._pop(key) if kept is not None and kept.size <= size else None

    def _pop(self, key: Key) -> Kept:
        kept = self._kept.pop(key)
        self._bytes -= kept.size
        return kept

    def _drop(self, key: Key) -> None:
        kept = self._pop(key)
        for page in kept.live:
            self._cpu.forget_code(kept.physical + page, PAGE)
        kept.image.retire(kept.physical, kept.size)
        self._arena.release(kept.physical, kept.size)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())
