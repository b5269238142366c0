"""Pages that were executed: breakpoints in a private fetch view, and code that changes.

The fill callback is told whether a fetch or a data access misses, so a page
with invisible breakpoints has two physical pages: fetches get a patched copy,
data accesses the original.  Stores are never granted to a page while it is
executable in the TLB; the store fill drops its translations, the next
fetch fill rebuilds the copy.  Pages that go to and fro are mapped
writable and executable together, where the emulator's own tracking works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uprobe_linux.cpu import PAGE, Cpu, Perm
from uprobe_linux.memory.arena import Arena

__all__ = ("CodePages",)

_READ, _WRITE, _EXEC = int(Perm.READ), int(Perm.WRITE), int(Perm.EXEC)
UDF = bytes(4)
AROUND = 16 * PAGE
"""Text that is looked at in one go; a power of two."""
MIXED_AFTER = 8
"""Times that a page may change between stores and fetches before it becomes mixed."""


@dataclass(slots=True, eq=False)
class CodePage:
    """State of one executed or trapped page.

    :param physical: the data page
    :param copy: the patched fetch copy, -1 without breakpoints
    :param live: translated code of it may exist
    :param stale: the data page may have been written since
    :param barred: offsets of words that the emulator must never see, shown to it as UDF
    """

    physical: int
    copy: int = -1
    live: bool = False
    stale: bool = False
    flips: int = 0
    barred: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether fetches are those of the data page."""
        return self.live and self.copy < 0 and not self.stale and not self.flips


class CodePages:
    """The executed pages of one address space, by page address.

    :param written: called with (start, end) after the guest changed code that it had executed
    """

    def __init__(self, arena: Arena, cpu: Cpu, written: Callable[[int, int], None]) -> None:
        self._arena = arena
        self._cpu = cpu
        self._written = written
        self.pages: dict[int, CodePage] = {}
        self._traps: dict[int, dict[int, bytes]] = {}

    # --- the fill callback's side --------------------------------------------------------------

    def fetch(self, page: int, physical: int, prot: int) -> tuple[int, int]:
        """Translation of a fetch from *page*; *physical* is the data page."""
        code = self.pages.get(page)
        if code is None:
            code = self.pages[page] = CodePage(physical)
        if code.stale:
            code.stale = False
            self._rebuild(page, code)
            self._written(page, page + PAGE)
        if not code.live:
            self._bar(page, code)
            code.live = True
        if code.copy >= 0:
            return code.copy, _EXEC
        if self._is_mixed(code):
            return physical, prot
        return physical, prot & ~_WRITE

    def fetch_around(self, page: int, start: int, end: int) -> None:
        """[start, end) around *page* is text that nobody can store to: as if all of it was fetched from."""
        start, end = max(start, page & -AROUND), min(end, (page & -AROUND) + AROUND)
        to_physical = self.pages[page].physical - page
        if self._cpu.unsafe_offsets(self._arena.view[start + to_physical : end + to_physical]):
            return
        for each in range(start, end, PAGE):
            if each not in self.pages:
                self.pages[each] = CodePage(each + to_physical, live=True)

    def _is_mixed(self, code: CodePage) -> bool:
        """Whether stores to the page go unseen: words that no CPU should see are not noticed then."""
        return code.flips > MIXED_AFTER and self._cpu.survives

    def _bar(self, page: int, code: CodePage) -> None:
        """Give a page that holds words which the emulator cannot survive a copy without them."""
        found = tuple(self._cpu.unsafe_offsets(self._arena.view[code.physical : code.physical + PAGE]))
        if found == code.barred:
            return
        code.barred = found
        if code.copy < 0:
            code.copy = self._arena.allocate(PAGE)
        self._rebuild(page, code)

    def data(self, code: CodePage, access: int, prot: int) -> tuple[int, int]:
        """Translation of a read or write of the page of *code*."""
        if code.copy < 0 and self._is_mixed(code):
            return code.physical, prot
        if access == _WRITE:
            self._before_write(code)
            return code.physical, _READ | _WRITE
        if code.copy >= 0:
            return code.physical, _READ
        if code.live:
            return code.physical, prot & ~_WRITE
        return code.physical, _READ

    def changes(self, page: int) -> None:
        """The data of *page* is about to change by other ways than through it."""
        code = self.pages.get(page)
        if code is not None:
            self._before_write(code)

    def _before_write(self, code: CodePage) -> None:
        if code.live:
            self._cpu.forget_code(code.copy if code.copy >= 0 else code.physical, PAGE)
            code.live = False
            code.flips += 1
        code.stale = True

    def span(self, page: int, start: int, end: int) -> tuple[int, int]:
        """[low, high) of [start, end) around *page*, whose fetches are those of their data pages."""
        low, high, get = page, page + PAGE, self.pages.get
        while low > start and (code := get(low - PAGE)) is not None and code.is_plain:
            low -= PAGE
        while high < end and (code := get(high)) is not None and code.is_plain:
            high += PAGE
        return low, high

    def is_plain(self, page: int) -> bool:
        """Whether fetches from *page*, which was executed, are those of its data page."""
        code = self.pages.get(page)
        return code is not None and code.is_plain

    def any_in(self, start: int, end: int) -> bool:
        """Whether a page of [start, end) was executed or has a breakpoint."""
        if (end - start) // PAGE > 4 * len(self.pages):
            return any(start <= page < end for page in self.pages)
        return not self.pages.keys().isdisjoint(range(start, end, PAGE))

    def none_around(self, page: int, start: int, end: int) -> tuple[int, int] | None:
        """The largest [low, high) of [start, end) around *page* without such a page; None: it is one."""
        if page in self.pages:
            return None
        if not self.any_in(start, end):
            return start, end
        low, high = page, page + PAGE
        while low > start and low - PAGE not in self.pages:
            low -= PAGE
        while high < end and high not in self.pages:
            high += PAGE
        return low, high

    # --- stores by system calls and by the core --------------------------------------------------

    def host_wrote(self, start: int, end: int) -> None:
        """[start, end) of the data view was written from outside the CPU."""
        for page in self._touched(start, end):
            code = self.pages[page]
            was_live = code.live
            if was_live:
                self._cpu.forget_code(code.copy if code.copy >= 0 else code.physical, PAGE)
                self._cpu.flush()
                code.live = False
            self._rebuild(page, code)
            if was_live:
                self._written(max(start, page), min(end, page + PAGE))

    def _touched(self, start: int, end: int) -> list[int]:
        first = start & -PAGE
        if (end - first) // PAGE > len(self.pages):
            return [page for page in self.pages if first <= page < end]
        return [page for page in range(first, end, PAGE) if page in self.pages]

    # --- breakpoints ---------------------------------------------------------------------------

    def insert(self, address: int, insn: bytes, physical: int) -> None:
        """Show *insn* to fetches at *address*; *physical* is the data page of its page."""
        page = address & -PAGE
        traps = self._traps.setdefault(page, {})
        if traps.get(address) == insn:
            return
        traps[address] = insn
        code = self.pages.get(page)
        if code is None:
            code = self.pages[page] = CodePage(physical)
        if code.copy >= 0:
            self._patch(code, address, insn)
            self._drop_some(code, address, len(insn))
            return
        self._drop_translations(page, code)
        code.copy = self._arena.allocate(PAGE)
        self._rebuild(page, code)

    def remove(self, address: int) -> None:
        """Show the original again; nothing happens if there is no breakpoint."""
        page = address & -PAGE
        traps = self._traps.get(page, {})
        insn = traps.pop(address, None)
        if insn is None:
            return
        code = self.pages[page]
        if not traps:
            del self._traps[page]
        if traps or code.barred:
            self._restore(code, address, len(insn))
            self._drop_some(code, address, len(insn))
            return
        self._drop_translations(page, code)
        self._arena.release(code.copy, PAGE)
        code.copy = -1

    def has(self, address: int) -> bool:
        """Whether a breakpoint is at *address*."""
        return address in self._traps.get(address & -PAGE, ())

    def forget(self, address: int, size: int) -> None:
        """Drop the translations of [address, address + size), in one page, if there are any."""
        code = self.pages.get(address & -PAGE)
        if code is not None:
            self._drop_some(code, address, size)

    @property
    def trapped(self) -> bool:
        """Whether there is any breakpoint."""
        return bool(self._traps)

    def _drop_some(self, code: CodePage, address: int, size: int) -> None:
        """What was translated from [address, address + size) goes; fetches stay where they are."""
        if code.live:
            physical = code.copy if code.copy >= 0 else code.physical
            self._cpu.forget_code(physical + (address & (PAGE - 1)), size)

    def _drop_translations(self, page: int, code: CodePage) -> None:
        """Fetches from *page* are about to be those of another physical page."""
        if code.live:
            self._cpu.forget_code(code.copy if code.copy >= 0 else code.physical, PAGE)
            code.live = False
        self._cpu.flush(page, page + PAGE)

    def _patch(self, code: CodePage, address: int, insn: bytes) -> None:
        at = code.copy + (address & (PAGE - 1))
        self._arena.view[at : at + len(insn)] = insn

    def _restore(self, code: CodePage, address: int, size: int) -> None:
        """Show the *size* bytes of the data page at *address* again, but for what is barred."""
        at = address & (PAGE - 1)
        original = bytes(self._arena.view[code.physical + at : code.physical + at + size])
        barred = any(each < at + size and at < each + len(UDF) for each in code.barred)
        self._patch(code, address, UDF if barred else original)

    def _rebuild(self, page: int, code: CodePage) -> None:
        if code.copy < 0:
            return
        view = self._arena.view
        view[code.copy : code.copy + PAGE] = view[code.physical : code.physical + PAGE]
        for at in code.barred:
            self._patch(code, page + at, UDF)
        for address, insn in self._traps.get(page, {}).items():
            self._patch(code, address, insn)

    # --- mappings that come and go -----------------------------------------------------------------

    def take_live(self, start: int, end: int) -> dict[int, CodePage]:
        """The pages of [start, end) whose translations are those of the data page; no longer ours."""
        pages = self.pages
        found = ((page, pages[page]) for page in self._touched(start, end))
        taken = {page: code for page, code in found if code.live and code.copy < 0}
        for page in taken:
            del pages[page]
        return taken

    def adopt(self, pages: dict[int, CodePage]) -> None:
        """Translations of *pages*, which have just been mapped, exist from before."""
        self.pages |= pages

    def drop(self, start: int, end: int) -> None:
        """[start, end) loses its mapping: its breakpoints and translations go with it."""
        for page in self._touched(start, end):
            code = self.pages.pop(page)
            self._traps.pop(page, None)
            if code.live:
                self._cpu.forget_code(code.copy if code.copy >= 0 else code.physical, PAGE)
            if code.copy >= 0:
                self._arena.release(code.copy, PAGE)
