"""What an event compiles to, for people: ``uprobe check --explain``."""

from __future__ import annotations

from uprobe_core.event_model import EventSpec
from uprobe_core.events.fetch_run import explain as explain_argument
from uprobe_core.events.listing import listing_of

__all__ = ("explain",)


def explain(spec: EventSpec) -> list[str]:
    """The event's line, then one commented line for each argument's operations.

    What a return event captures at entry comes first, marked ``at entry``.
    """
    where = f"  # {spec.location}" if spec.location else ""
    at_entry = [f"#  at entry {explain_argument(arg)}" for arg in spec.entry_args]
    return [listing_of(spec) + where, *at_entry, *(f"#  {explain_argument(arg)}" for arg in spec.args)]
