"""The hidden probes that say how a call ended that did not return: by an exception, or by a longjmp."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import TargetError

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.registry import UprobeRegistry
    from uprobe_core.tracing.exceptions import Named
    from uprobe_core.types import FileId, Mapping

__all__ = ("follow_left_calls",)


def follow_left_calls(
    registry: UprobeRegistry,
    files: GuestFiles,
    sp: int,
    *,
    sees_all: bool,
    wanted: Callable[[], bool],
    followers: Callable[[], Iterable[Any]],
) -> Callable[[Process, Mapping], None]:
    """What is to be called for each file that is mapped.

    :param sp: the number of the stack pointer
    :param sees_all: whether every file is told that a program maps, so that no longjmp is overlooked
    :param wanted: whether a return is followed, asked for each file
    :param followers: who follows returns, by now (Follower of both modules)
    """

    @cache
    def hidden() -> list[Callable[[Process, Mapping], None]]:
        from uprobe_core.tracing.exceptions import NAMES, Exceptions
        from uprobe_core.tracing.jumps import NAMES as JUMPING
        from uprobe_core.tracing.jumps import Jumps

        @lru_cache(maxsize=1)
        def named(_file: FileId, path: str) -> Named:
            return _named(files, path, NAMES | JUMPING)

        raised = Exceptions(registry, named, sp, followers=followers)
        jumped = Jumps(registry, named, followers=followers)
        return [raised.mapped, jumped.mapped] if sees_all else [raised.mapped]

    def mapped(process: Process, mapping: Mapping) -> None:
        if mapping.executable and wanted():
            for each in hidden():
                each(process, mapping)

    return mapped


def _named(files: GuestFiles, path: str, names: Iterable[str]) -> Named:
    """The functions in the file *path* that have one of *names*."""
    status = files(path)
    if status.errno_name or not status.regular:
        return {}
    from uprobe_core.image.elf_symbols import ElfImage

    try:
        with ElfImage(status.host_path) as image:
            found = {name: image.find(name) for name in names}
    except TargetError:
        return {}
    return {name: symbol for name, symbol in found.items() if symbol is not None}
