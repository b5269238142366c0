"""What of ours a run imports behind its wall, by what asks for it; see :mod:`uprobe_core.late_imports`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.setup_words import COVERAGE, PROFILE, TRACE

__all__ = ("late_modules",)

_STACKS = "uprobe_core.stacks.user_stacks"
_OF_CONSUMERS = {
    COVERAGE: ("uprobe_core.covering.seen", "uprobe_core.covering.files"),
    PROFILE: ("uprobe_core.tracing.language", "uprobe_core.tracing.samples", _STACKS),
    "leaks": (_STACKS,),
    "stacks": (_STACKS,),
}


def late_modules(setup: RunSetup, uses: Sequence[ConsumerUse]) -> Iterator[str]:
    """The modules that a run with the consumers *uses* will import once its program is loaded."""
    for use in uses:
        yield from _OF_CONSUMERS.get(use.name, ())
    if any(use.name != TRACE for use in uses):
        yield "uprobe_core.terminal_text"
    if setup.coverage:
        yield from ("uprobe_core.covering.lcov", "uprobe_core.covering.drcov")
    if setup.events or setup.functions:
        yield from ("uprobe_core.tracing.exceptions", "uprobe_core.tracing.jumps")
