"""Where names went that plugins of earlier versions import from places that were never public."""

from __future__ import annotations

__all__ = ("where_to_look",)

MOVED = {
    "uprobe_core.action_base": "uprobe_core.actions",
    "uprobe_core.engine": "uprobe_core.native_backend",
    "uprobe_core.events.model": "uprobe_core.writer",
}
"""Module of an earlier version -> the public one that has its names now."""


def where_to_look(error: Exception) -> str:
    """What to do about an import of ours that failed; "" if *error* is something else."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name or not name.startswith("uprobe_core."):
        return ""
    if name in MOVED:
        return f"what {name} had is in {MOVED[name]} now"
    return (
        f"{name} is no place for plugins to import from: those are the files at the top of uprobe_core,"
        " and its folders actions, session and testing"
    )
