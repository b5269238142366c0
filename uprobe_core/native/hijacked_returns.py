"""Who follows hijacked returns of a run: the native engine or the core's Python, never both.

All of them come to one trampoline, where calls end in the order of one stack (uprobe_handle_trampoline,
kernel/events/uprobes.c): with two, one would take what is the other's.
"""

from __future__ import annotations

from uprobe_core.errors import ProbeError
from uprobe_core.probes.sites import Site

__all__ = ("HijackedReturns",)


class HijackedReturns:
    """Decides with the first site whose returns are wanted.

    :param hijack: whether returns are hijacked; else both may follow them
    :param in_python: whether the core has some to follow for itself
    """

    def __init__(self, *, hijack: bool, in_python: bool) -> None:
        self._hijack = hijack
        self._native = False if in_python else None

    def are_pythons(self, site: Site) -> bool:
        """Whether *site* may not be the engine's."""
        return self._native is False and self._matters(site)

    def placed(self, site: Site, *, native: bool) -> None:
        """*site* is the engine's (*native*) or is to be the core's; raises ProbeError if that cannot be."""
        if not self._matters(site):
            return
        if self._native and not native:
            raise ProbeError(
                f"returns of {site.uprobe.path}:{site.offset:#x} cannot be followed: they would be Python's,"
                " and calls that were hijacked before are the native engine's",
                address=site.vaddr,
                where=site.uprobe.path,
                hint="--returns watch, or --engine py",
            )
        self._native = native

    def _matters(self, site: Site) -> bool:
        return self._hijack and any(link.ret_handler is not None for link in site.uprobe.links)
