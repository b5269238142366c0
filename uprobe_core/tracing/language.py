"""The table of a session's event lines, and the language that they are in: made with the first of them."""

from __future__ import annotations

from uprobe_core.events.locations import LocationResolver
from uprobe_core.events.parse import Language
from uprobe_core.events.table import EventTable
from uprobe_core.image.guest_files import GuestFiles
from uprobe_core.probes.arch_ops import ArchOps
from uprobe_core.types import Policy

__all__ = ("make_table",)


def make_table(policy: Policy, arch: ArchOps, files: GuestFiles) -> EventTable:
    """An empty table for *arch*, with symbols, lines and markers found through *files*."""
    language = Language(
        policy,
        arch.info.registers,
        vectors=arch.vector_register,
        hint=arch.register_hint,
        file_check=files,
        resolver=None if policy.is_kernel else _resolver(arch, files),
    )
    return EventTable(language)


def _resolver(arch: ArchOps, files: GuestFiles) -> LocationResolver:
    from uprobe_core.image.resolver import ImageResolver

    return ImageResolver(arch.info, arch.marker_operand, files, files.debug_folders, arch.frame_rules)
