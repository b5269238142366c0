"""Probe state of one address space, and who may take its sites over."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Protocol

from uprobe_core.backend import Process
from uprobe_core.probes.installed import Installed
from uprobe_core.probes.sites import Site
from uprobe_core.probes.xol import XolArea
from uprobe_core.types import FileId, Mapping

__all__ = ("NativeInstaller", "Space")


class NativeInstaller(Protocol):
    """What may take sites over: :class:`uprobe_core.native.sites.NativeSites`."""

    def install(self, space: Space, site: Site) -> bool:
        """Place *site* natively if it can be; otherwise nothing has changed."""
        ...

    def how(self, site: Site) -> str:
        """How *site*, which was installed, is reached, in a few words."""
        ...

    def remove(self, space: Space, site: Site) -> None:
        """Take *site* out."""
        ...

    def forget(self, process: Process, start: int, end: int) -> None:
        """[start, end) lost its mapping."""
        ...


@dataclass(eq=False, slots=True)
class Space:
    """Probe state of one address space.

    :param raised: (file, ref_offset) of a semaphore -> how often it was raised here
    :param waiting: the same for raises that wait for the mapping with the semaphore
    :param sees_jumps: whether every longjmp is seen; None: no file has one, False: that cannot be said
    :param announced: what of files is mapped, [start, end), whatever its protection; sorted
    """

    process: Process
    sites: Installed = field(default_factory=Installed)
    xol: XolArea | None = None
    raised: dict[tuple[FileId, int], int] = field(default_factory=dict)
    waiting: dict[tuple[FileId, int], int] = field(default_factory=dict)
    announced: list[tuple[int, int]] = field(default_factory=list)
    sees_jumps: bool | None = None
    _known: dict[FileId, list[Mapping]] | None = None

    def look_once(self, on: bool) -> None:
        """Whether to ask for the mappings only once from now on, because no guest code runs meanwhile."""
        self._known = {} if on else None

    def mappings_of(self, file: FileId) -> list[Mapping]:
        """The mappings of *file*, by address."""
        if self._known is None:
            return [mapping for mapping in self.process.mappings() if mapping.file == file]
        if not self._known:
            for mapping in self.process.mappings():
                if mapping.file is not None:
                    self._known.setdefault(mapping.file, []).append(mapping)
        return self._known.get(file, [])

    def announce(self, start: int, end: int) -> bool:
        """Note that [start, end) is mapped from a file; False if it was already (its protection changed)."""
        index = bisect_left(self.announced, (start + 1,))
        if index and end <= self.announced[index - 1][1]:
            return False
        self.announced.insert(index, (start, end))
        return True

    def unannounce(self, start: int, end: int) -> None:
        """[start, end) is mapped no more."""
        first, stop = bisect_left(self.announced, (start,)), bisect_left(self.announced, (end,))
        first -= bool(first and start < self.announced[first - 1][1])
        pieces = self.announced[first:stop]
        rest = [piece for low, high in pieces for piece in ((low, start), (end, high))]
        self.announced[first:stop] = [(low, high) for low, high in rest if low < high]

    def copy(self, process: Process) -> Space:
        """What fork makes of it: everything but the XOL area, whose page is not copied (VM_DONTCOPY)."""
        space = Space(
            process,
            raised=dict(self.raised),
            waiting=dict(self.waiting),
            announced=list(self.announced),
            sees_jumps=self.sees_jumps,
        )
        for site in self.sites:
            space.sites.add(replace(site))
        return space
