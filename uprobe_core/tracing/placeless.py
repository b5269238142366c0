"""Events that are at no instruction of a file: system calls (``s:NAME``), samples (``i:N``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.event_model import EventSpec
    from uprobe_core.events.parse import Language

__all__ = ("placeless_specs",)


def placeless_specs(text: str, language: Language) -> list[EventSpec] | None:
    """The events of the event line *text*, None if it names a place; raises SpecError.  A kernel has none."""
    kind, colon, rest = text.partition(":")
    if not colon or language.policy.is_kernel:
        return None
    if kind == "s":
        from uprobe_core.tracing.system_calls import system_call_specs  # rarely needed, as the other

        return system_call_specs(rest.strip(), language)
    if kind == "i":
        from uprobe_core.tracing.samples import sample_spec

        return [sample_spec(rest.strip())]
    return None
