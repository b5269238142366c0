"""What a registry is made of: a uprobe, its consumers, and an address at which it is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.backend import Process
from uprobe_core.types import Analysis, FileId, Mode

__all__ = ("Link", "Site", "Uprobe", "accept_all")


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
    filtered: str = ""
    """Who decides which of its hits are wanted, where a target could, and why."""
    native: bool = False
    """Whether a native engine has it, and its hits do not come to the dispatcher."""
