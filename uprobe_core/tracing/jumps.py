"""Longjmps, seen where they begin: they tell a call that was left from a function that tail-calls itself.

A function that is entered with the stack pointer and the return address of a call that is pending was
called again, so a longjmp left that call, or it is a tail call, which a kernel tells by the
trampoline in the link register.  Hidden probes on the functions that jump move a number of the task: where
it stands still, nobody has jumped.  A program without any such name may jump by itself, and so may the
runtimes of some languages: there it stays 0, and a call that looks like one that is pending ends that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from uprobe_core.backend import Process, Task
from uprobe_core.consumer import Hit
from uprobe_core.errors import ProbeError
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.types import FileId, Mapping

if TYPE_CHECKING:
    from uprobe_core.tracing.exceptions import Named

__all__ = ("NAMES", "Jumps")

_JUMPS = (
    *("longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "____longjmp_chk", "__libc_longjmp"),
    *("__libc_siglongjmp", "__longjmp", "setcontext", "__setcontext", "swapcontext", "__swapcontext"),
)
_LOADERS = ("_dl_signal_error", "_dl_signal_exception")
"""What jumps in glibc's loader, which has a longjmp without a name."""
_OWN = ("caml_raise_exn", "caml_raise_exception", "lj_vm_unwind_c", "runtime.gogo")
"""Signs of a runtime whose compiled code jumps without calling anybody."""
NAMES = frozenset((*_JUMPS, *_LOADERS, *_OWN))
_WORD = 4
"""Bytes of an instruction, and how far in a probe is, as far as it is known that the function has more: an
event at the function itself is another place."""


class Follower(Protocol):
    """Who follows the returns of tasks."""

    def sees_jumps(self, process: Process, *, seen: bool) -> None:
        """Whether all jumps of *process* are told, from now on."""
        ...

    def jumped(self, task: Task) -> None:
        """*task* is about to jump."""
        ...


class Jumps:
    """The hidden probes of one run, a consumer.

    :param named: the functions with these NAMES (and others) in a file
    :param followers: who follows returns, by now
    """

    name = "jumps"

    def __init__(
        self,
        registry: UprobeRegistry,
        named: Callable[[FileId, str], Named],
        *,
        followers: Callable[[], Iterable[Follower]],
    ) -> None:
        self._registry, self._named = registry, named
        self._followers = followers
        self._known: dict[FileId, bool | None] = {}
        """What each file says: all its jumps are seen, or some may not be; None: it has none."""

    def handler(self, hit: Hit) -> None:
        """A task is about to jump."""
        for follower in self._followers():
            follower.jumped(hit.task)

    def mapped(self, process: Process, mapping: Mapping) -> None:
        """A file with code was mapped: place the probes in it, once."""
        file = mapping.file
        if file is None:
            return
        if file not in self._known:
            self._known[file] = self._place(file, mapping.path)
        sees, space = self._known[file], self._registry.space_of(process)
        if sees is None or space.sees_jumps is False or space.sees_jumps == sees:
            return
        space.sees_jumps = sees
        for follower in self._followers():
            follower.sees_jumps(process, seen=sees)

    def _place(self, file: FileId, path: str) -> bool | None:
        """Place the probes in *file*; what it says."""
        found = self._named(file, path)
        symbols = [found[name] for name in (*_JUMPS, *_LOADERS) if name in found]
        try:
            for offset in {each.offset + (_WORD if each.size > _WORD else 0) for each in symbols}:
                self._registry.register(file, offset, self, path=path)
        except ProbeError:
            return False
        if any(name in found for name in _OWN):
            return False
        return True if any(name in found for name in _JUMPS) else None
