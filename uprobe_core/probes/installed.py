"""Where uprobes are installed in one address space: by address, by uprobe, by range."""

from __future__ import annotations

from collections.abc import Iterator

from uprobe_core.probes.sites import Site, Uprobe

__all__ = ("Installed",)

_PAGE_BITS = 12


class Installed:
    """The sites of one address space; adding and removing one is a step, however many there are.

    :ivar get: the site at an address, None if there is none (bound once, since every hit asks)
    """

    def __init__(self) -> None:
        self._sites: dict[int, Site] = {}
        self._of: dict[Uprobe, dict[int, Site]] = {}
        self._pages: dict[int, dict[int, Site]] = {}
        self.get = self._sites.get

    def __len__(self) -> int:
        return len(self._sites)

    def __contains__(self, address: int) -> bool:
        return address in self._sites

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites.values())

    def add(self, site: Site) -> None:
        """Note *site* at its address, where there is none."""
        for group in self._groups(site):
            group[site.vaddr] = site

    def remove(self, site: Site) -> bool:
        """Forget *site*; whether it was there."""
        if self._sites.get(site.vaddr) is not site:
            return False
        for group in self._groups(site):
            del group[site.vaddr]
        if not self._of[site.uprobe]:
            del self._of[site.uprobe]
        return True

    def _groups(self, site: Site) -> tuple[dict[int, Site], ...]:
        page = self._pages.setdefault(site.vaddr >> _PAGE_BITS, {})
        return self._sites, self._of.setdefault(site.uprobe, {}), page

    def of(self, uprobe: Uprobe) -> list[Site]:
        """The sites of *uprobe*."""
        return list(self._of.get(uprobe, {}).values())

    def between(self, start: int, end: int) -> list[Site]:
        """The sites in [start, end), those of one page together."""
        first, last = start >> _PAGE_BITS, end - 1 >> _PAGE_BITS
        if last - first > len(self._pages):
            pages = [page for number, page in self._pages.items() if first <= number <= last]
        else:
            pages = [self._pages.get(number, {}) for number in range(first, last + 1)]
        return [site for page in pages for site in page.values() if start <= site.vaddr < end]
