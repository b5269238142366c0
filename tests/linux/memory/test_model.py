"""AddressSpace against a model: a dictionary from page to permission and content.

Everything that mmap, munmap, mprotect, mremap and the kernel's own accesses do is done to both.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from uprobe_linux.cpu import HOLE, PAGE, Perm
from uprobe_linux.memory.address_space import AddressSpace
from uprobe_linux.memory.arena import Arena

from uprobe_core.types import MemoryFault

BASE, PAGES = 0x10_0000, 48
PERMS = [Perm.NONE, Perm.READ, Perm.WRITE, Perm.READ | Perm.WRITE, Perm.READ | Perm.EXEC, Perm.EXEC]
starts, counts = st.integers(0, PAGES - 1), st.integers(1, 12)


class NoCpu:
    """Forgets what it is told to forget."""

    def flush(self, *_: int) -> None:
        pass

    def forget_code(self, *_: int) -> None:
        pass

    def unsafe_offsets(self, _code: bytes) -> list[int]:
        return []


def address(page: int) -> int:
    return BASE + page * PAGE


class Model(RuleBasedStateMachine):
    """pages: number -> [permission, content]."""

    def __init__(self) -> None:
        super().__init__()
        cpu: Any = NoCpu()
        self.memory = AddressSpace(Arena(1 << 24), cpu)
        self.pages: dict[int, list[Any]] = {}

    def covered(self, start: int, count: int) -> list[int]:
        return list(range(start, min(start + count, PAGES)))

    @rule(start=starts, count=counts, prot=st.sampled_from(PERMS))
    def map(self, start: int, count: int, prot: Perm) -> None:
        pages = self.covered(start, count)
        self.memory.map(address(start), len(pages) * PAGE, prot)
        self.pages.update({page: [prot, bytes(PAGE)] for page in pages})

    @rule(start=starts, count=counts)
    def unmap(self, start: int, count: int) -> None:
        pages = self.covered(start, count)
        self.memory.unmap(address(start), len(pages) * PAGE)
        for page in pages:
            self.pages.pop(page, None)

    @rule(start=starts, count=counts, prot=st.sampled_from(PERMS))
    def protect(self, start: int, count: int, prot: Perm) -> None:
        """Linux changes what lies before the first hole and then fails."""
        pages = self.covered(start, count)
        failed = False
        try:
            self.memory.protect(address(start), len(pages) * PAGE, prot)
        except OSError:
            failed = True
        for page in pages:
            if page not in self.pages:
                break
            self.pages[page][0] = prot
        assert failed == any(page not in self.pages for page in pages)

    @rule(start=starts, offset=st.integers(0, PAGE - 1), data=st.binary(min_size=1, max_size=3 * PAGE))
    def write(self, start: int, offset: int, data: bytes) -> None:
        """What lies before the first refused byte is stored."""
        try:
            self.memory.write(address(start) + offset, data)
            fault = None
        except MemoryFault as refused:
            fault = refused.address
        assert fault == self.store(start * PAGE + offset, data)

    def store(self, at: int, data: bytes) -> int | None:
        while data:
            page, offset = divmod(at, PAGE)
            part = data[: PAGE - offset]
            if page not in self.pages or not self.pages[page][0] & Perm.WRITE:
                return BASE + at
            content = self.pages[page][1]
            self.pages[page][1] = content[:offset] + part + content[offset + len(part) :]
            data = data[len(part) :]
            at += len(part)
        return None

    @rule(start=starts, count=counts)
    def discard(self, start: int, count: int) -> None:
        pages = self.covered(start, count)
        self.memory.discard(address(start), len(pages) * PAGE)
        for page in pages:
            if page in self.pages:
                self.pages[page][1] = bytes(PAGE)

    @precondition(lambda self: self.pages)
    @rule(data=st.data(), count=counts, place=starts)
    def move(self, data: st.DataObject, count: int, place: int) -> None:
        """mremap(MAYMOVE | FIXED) of one mapping to a place that does not overlap it."""
        start = data.draw(st.sampled_from(sorted(self.pages)))
        prot = self.pages[start][0]
        pages = []
        for page in self.covered(start, count):
            if page not in self.pages or self.pages[page][0] != prot:
                break
            pages.append(page)
        places = [place + i for i in range(len(pages))]
        if places[-1] >= PAGES or set(places) & set(pages):
            return
        self.memory.unmap(address(place), len(places) * PAGE)
        self.memory.move(address(start), len(pages) * PAGE, address(place), len(pages) * PAGE)
        moved = [self.pages.pop(page) for page in pages]
        for gone in places:
            self.pages.pop(gone, None)
        self.pages.update(zip(places, moved, strict=True))

    @invariant()
    def content_is_the_same(self) -> None:
        for page in range(PAGES):
            expected = self.pages.get(page)
            if expected is None:
                assert self.memory.vmas.find(address(page)) is None
            else:
                assert self.memory.read_any(address(page), PAGE) == expected[1]

    @invariant()
    def translations_agree_with_the_permissions(self) -> None:
        """Writable and executable pages are readable, as on arm64."""
        for page in range(PAGES):
            prot = self.pages.get(page, [Perm.NONE])[0]
            for access in (Perm.READ, Perm.WRITE, Perm.EXEC):
                allowed = bool(prot & access) or (access is Perm.READ and bool(prot))
                physical, perms = self.memory.fill(address(page), access)
                assert (physical != HOLE) == allowed
                assert not allowed or perms & access

    @invariant()
    def mappings_cover_exactly_the_pages(self) -> None:
        shown = {
            page
            for m in self.memory.mappings()
            for page in range((m.start - BASE) // PAGE, (m.end - BASE) // PAGE)
        }
        assert shown == set(self.pages)

    @invariant()
    def accounting_adds_up(self) -> None:
        assert self.memory.committed == PAGE * sum(1 for prot, _ in self.pages.values() if prot)


TestAddressSpace = Model.TestCase
TestAddressSpace.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
