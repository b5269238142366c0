"""The hidden probes that say how a call ended that did not return: by an exception, or by a longjmp."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from uprobe_core.backend import Process
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.registry import UprobeRegistry
from uprobe_core.tracing import exceptions, jumps
from uprobe_core.types import Mapping

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
    raised = exceptions.Exceptions(registry, files, sp, wanted=wanted, followers=followers)
    if not sees_all:
        return raised.mapped
    jumped = jumps.Jumps(registry, files, wanted=wanted, followers=followers)

    def mapped(process: Process, mapping: Mapping) -> None:
        raised.mapped(process, mapping)
        jumped.mapped(process, mapping)

    return mapped
