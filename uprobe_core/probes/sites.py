"""What a registry is made of: a uprobe, its consumers, and where it is installed in one address space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from uprobe_core.backend import Process
from uprobe_core.probes.installed import Installed
from uprobe_core.probes.xol import XolArea
from uprobe_core.types import Analysis, FileId, Mapping, Mode

__all__ = ("Link", "NativeInstaller", "Site", "Space", "Uprobe", "accept_all")


def accept_all(process: Process) -> bool:
    """The filter of a consumer that has none."""
    return True


class Link:
    """One consumer on one uprobe, its optional methods looked up once."""

    __slots__ = ("consumer", "filter", "handler", "has_filter", "missed", "ret_handler")

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.handler: Callable[[Any], Any] | None = getattr(consumer, "handler", None)
        self.ret_handler: Callable[[Any], Any] | None = getattr(consumer, "ret_handler", None)
        self.missed: Callable[[int, str], None] | None = getattr(consumer, "missed", None)
        own: Callable[[Process], bool] | None = getattr(consumer, "filter", None)
        self.has_filter = own is not None
        self.filter: Callable[[Process], bool] = own or accept_all

    def insists(self, process: Process) -> bool:
        """Whether it has a filter that wants *process* probed although every handler voted for removal.

        A kernel asks all filters again there (handler_chain), and takes a consumer without one to
        want the place for ever; ours may vote itself out.
        """
        return self.has_filter and self.filter(process)


@dataclass(eq=False, slots=True)
class Uprobe:
    """One probed place of one file.

    :param ref_offset: file offset of the 16-bit semaphore, 0 for none
    :param links: the consumers in the order in which they were added; replaced, never
        changed in place, so that a chain that is running keeps its own view
    """

    file: FileId
    offset: int
    path: str = ""
    ref_offset: int = 0
    links: tuple[Link, ...] = ()

    def refresh(self, consumer: Any) -> None:
        """Look the optional methods of *consumer* up again; it has gained or lost one."""
        self.links = tuple(Link(link.consumer) if link.consumer is consumer else link for link in self.links)


@dataclass(eq=False, slots=True)
class Site:
    """A uprobe as it is installed at one address of one process."""

    uprobe: Uprobe
    vaddr: int
    analysis: Analysis
    mode: Mode
    offset: int
    native: bool = False
    """Whether a native engine has it, and its hits do not come to the dispatcher."""


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
    :param announced: what of files is mapped, [start, end), whatever its protection
    """

    process: Process
    sites: Installed = field(default_factory=Installed)
    xol: XolArea | None = None
    raised: dict[tuple[FileId, int], int] = field(default_factory=dict)
    waiting: dict[tuple[FileId, int], int] = field(default_factory=dict)
    announced: list[tuple[int, int]] = field(default_factory=list)
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
        if any(low <= start and end <= high for low, high in self.announced):
            return False
        self.announced.append((start, end))
        return True

    def unannounce(self, start: int, end: int) -> None:
        """[start, end) is mapped no more."""
        pieces = [
            piece
            for low, high in self.announced
            for piece in ((low, min(high, start)), (max(low, end), high))
        ]
        self.announced = sorted({(low, high) for low, high in pieces if low < high})

    def copy(self, process: Process) -> Space:
        """What fork makes of it: everything but the XOL area, whose page is not copied (VM_DONTCOPY)."""
        space = Space(
            process, raised=dict(self.raised), waiting=dict(self.waiting), announced=list(self.announced)
        )
        for site in self.sites:
            space.sites.add(replace(site))
        return space
