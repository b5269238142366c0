"""What one check of ``uprobe doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Finding",)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    :param state: "ok", "note" (something optional is not there) or "fail" (a run will not work)
    :param hint: what to do, "" when nothing needs doing
    """

    name: str
    state: str
    detail: str
    hint: str = ""
