"""The hidden probes that say how a call ended that did not return: by an exception, or by a longjmp."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Protocol

from uprobe_core.backend import Process
from uprobe_core.errors import TargetError
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.tracing import exceptions, jumps
from uprobe_core.types import FileId, Mapping

__all__ = ("follow_left_calls",)


class Follower(exceptions.Follower, jumps.Follower, Protocol):
    """Who follows the returns of tasks."""


def follow_left_calls(
    registry: UprobeRegistry,
    files: GuestFiles,
    sp: int,
    *,
    sees_all: bool,
    wanted: Callable[[], bool],
    followers: Callable[[], Iterable[Follower]],
) -> Callable[[Process, Mapping], None]:
    """What is to be called for each file that is mapped.

    :param sp: the number of the stack pointer
    :param sees_all: whether every file is told that a program maps, so that no longjmp is overlooked
    :param wanted: whether a return is followed, asked for each file
    :param followers: who follows returns, by now
    """
    named = lru_cache(maxsize=1)(partial(_named, files))
    raised = exceptions.Exceptions(registry, named, sp, wanted=wanted, followers=followers)
    if not sees_all:
        return raised.mapped
    jumped = jumps.Jumps(registry, named, wanted=wanted, followers=followers)

    def mapped(process: Process, mapping: Mapping) -> None:
        raised.mapped(process, mapping)
        jumped.mapped(process, mapping)

    return mapped


def _named(files: GuestFiles, _file: FileId, path: str) -> exceptions.Named:
    """The functions in the file at *path* that have one of the names."""
    status = files(path)
    if status.errno_name or not status.regular:
        return {}
    from uprobe_core.image.elf_symbols import ElfImage

    try:
        with ElfImage(status.host_path) as image:
            found = {name: image.find(name) for name in exceptions.NAMES | jumps.NAMES}
    except TargetError:
        return {}
    return {name: symbol for name, symbol in found.items() if symbol is not None}
