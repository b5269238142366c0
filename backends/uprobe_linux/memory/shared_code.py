"""Code in shared mappings: a program may change it through another mapping of the same file, or by write(2).

Compilers that never map a page writable and executable at once do so: one mapping to write, one to
run.  Stores are told apart by the page that they go through, so a page that was executed has to be
known by what of which file it shows, and who else shows that may store to it only after its
translations are gone.  The first store after each fetch is told of, the others cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from uprobe_linux.cpu import PAGE, Cpu
from uprobe_linux.memory.vma import Vma

__all__ = ("SharedCode",)

Place = tuple[int, int, int]
"""Device, inode and position in the file of a page."""


class SharedCode:
    """The executed pages of shared mappings of one address space.

    :param changed: told of each page (address) whose content is about to change, or has
    """

    def __init__(self, cpu: Cpu, changed: Callable[[int], None]) -> None:
        self._cpu = cpu
        self._changed = changed
        self._executed: dict[Place, set[int]] = {}
        self._stored: dict[Place, set[int]] = {}
        """Through which pages stores may go unseen."""

    def __bool__(self) -> bool:
        return bool(self._executed)

    def fetched(self, vma: Vma, page: int) -> None:
        """*page*, of the shared *vma*, is about to be executed: later stores have to be seen."""
        place = _place(vma, page)
        if place not in self._executed:
            self._executed[place] = set()
            self._cpu.flush()  # whoever may store to it by now
        self._executed[place].add(page)
        for other in self._stored.pop(place, ()):
            self._cpu.flush(other, other + PAGE)

    def stored(self, vma: Vma, page: int) -> None:
        """*page*, of the shared *vma*, may be stored to from now on."""
        place = _place(vma, page)
        executed = self._executed.get(place, set()) - {page}
        if executed:
            self._stored.setdefault(place, set()).add(page)
        for other in executed:
            self._forget(other)

    def stored_range(self, vma: Vma, start: int, end: int) -> None:
        """[start, end) was stored to from outside the CPU, as far as it lies in *vma*, of any kind."""
        if vma.shared and vma.file is not None:
            for page in range(max(start, vma.start) & -PAGE, min(end, vma.end), PAGE):
                self.stored(vma, page)

    def written(self) -> None:
        """A file was written, which may be one of those that are mapped here."""
        for pages in self._executed.values():
            for page in pages:
                self._forget(page)

    def _forget(self, page: int) -> None:
        self._changed(page)
        self._cpu.flush(page, page + PAGE)


def _place(vma: Vma, page: int) -> Place:
    assert vma.file is not None
    identity = vma.file.file_id
    return identity.device, identity.inode, vma.offset + page - vma.start
