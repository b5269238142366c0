"""Calls that an exception ends, told from those that a longjmp ends.

Both leave functions without a return.  Before it unwinds, the program calls the
unwinder, and where the exception lands it calls its language's runtime or, after
a clean-up, the unwinder again (Itanium C++ ABI: Exception Handling, 1.3 and 2.5).
Hidden probes on those functions see both: every pending call whose stack pointer
lies between the two was ended by the exception.  They are placed in files that
have the names, in runs in which a return is followed.

Where a function never returns otherwise, a compiler may put its caller's landing pad at the return
address, and landing there looks like a return.  So who follows returns is told of it when one is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from uprobe_core.backend import Process, Task
from uprobe_core.consumer import Hit
from uprobe_core.errors import ProbeError
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.types import FileId
from uprobe_core.types import Mapping as MappedFile

if TYPE_CHECKING:
    from uprobe_core.image.elf_symbols import Symbol

    Named = Mapping[str, Symbol]

__all__ = ("NAMES", "Exceptions")

_STARTS = ("_Unwind_RaiseException", "_Unwind_ForcedUnwind", "_Unwind_Resume_or_Rethrow", "_Unwind_Resume")
_LANDS = ("_Unwind_Resume", "__cxa_begin_catch", "__rust_panic_cleanup")
NAMES = frozenset((*_STARTS, *_LANDS))


class Follower(Protocol):
    """Who follows the returns of tasks."""

    def raised(self, task: Task, sp: int) -> None:
        """*task* raised an exception at *sp*; where that lands SP is higher."""
        ...

    def unwound(self, task: Task, lowest: int, highest: int) -> None:
        """An exception ended the calls that *task* entered with SP from *lowest* to *highest* (inclusive)."""
        ...


class _Place:
    """The consumer of a hidden probe."""

    name = "exceptions"

    def __init__(self, seen: Callable[[Task], None]) -> None:
        self._seen = seen

    def handler(self, hit: Hit) -> None:
        """A task enters the function."""
        self._seen(hit.task)


class Exceptions:
    """The hidden probes of one run.

    :param named: the functions with these NAMES (and others) in a file
    :param sp: the number of the stack pointer
    :param followers: who follows returns, by now
    """

    def __init__(
        self,
        registry: UprobeRegistry,
        named: Callable[[FileId, str], Named],
        sp: int,
        *,
        followers: Callable[[], Iterable[Follower]],
    ) -> None:
        self._registry, self._named, self._sp = registry, named, sp
        self._followers = followers
        self._known: set[FileId] = set()
        self._raised: dict[Task, int] = {}
        """The stack pointer at which an exception was raised that has not landed."""

    def mapped(self, _process: Process, mapping: MappedFile) -> None:
        """A file with code was mapped: place the probes in it, once."""
        file = mapping.file
        if file is None or file in self._known:
            return
        self._known.add(file)
        for offset, lands, starts in self._places(file, mapping.path):
            try:
                seen = partial(self._seen, lands=lands, starts=starts)
                self._registry.register(file, offset, _Place(seen), path=mapping.path)
            except ProbeError:
                continue  # what cannot be probed leaves calls that are said to be left by longjmp

    def _places(self, file: FileId, path: str) -> list[tuple[int, bool, bool]]:
        """(file offset, whether exceptions land there, whether they start there) in the file *path*."""
        found = {name: symbol for name, symbol in self._named(file, path).items() if name in NAMES}
        return [(symbol.offset, name in _LANDS, name in _STARTS) for name, symbol in found.items()]

    def _seen(self, task: Task, *, lands: bool, starts: bool) -> None:
        sp = task.get_reg(self._sp)
        raised = self._raised.pop(task, None)
        if lands and raised is not None and raised <= sp:
            for follower in self._followers():
                follower.unwound(task, raised, sp)
        if starts:
            self._raised[task] = sp
            for follower in self._followers():
                follower.raised(task, sp)
