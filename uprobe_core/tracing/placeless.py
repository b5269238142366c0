"""Events that are at no instruction of a file: system calls (``s:NAME``), samples (``i:N``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.tracing.samples import SAMPLE, sample_spec
from uprobe_core.tracing.system_calls import KIND, system_call_specs

if TYPE_CHECKING:
    from uprobe_core.event_model import EventSpec
    from uprobe_core.events.parse import Language

__all__ = ("placeless_specs",)


def placeless_specs(text: str, language: Language) -> list[EventSpec] | None:
    """The events of the event line *text*, None if it names a place; raises SpecError.  A kernel has none."""
    kind, colon, rest = text.partition(":")
    if not colon or language.policy.is_kernel:
        return None
    if kind == KIND:
        return system_call_specs(rest.strip(), language)
    return [sample_spec(rest.strip())] if kind == SAMPLE else None
