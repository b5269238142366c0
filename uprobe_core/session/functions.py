"""The event lines that ``-F`` means in a run and in its check: at which ends, and whether they fetch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.discovery.load import reads_arguments
from uprobe_core.errors import PluginError, UsageError
from uprobe_core.session.choices import shows_calls, uses_of
from uprobe_core.tracing.functions import function_lines

if TYPE_CHECKING:
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.run_setup import EventLine, RunSetup
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("lines_of_functions",)


def lines_of_functions(
    setup: RunSetup,
    events: EventSet,
    files: GuestFiles,
    arch: ArchOps,
    *,
    records: bool,
    typed: bool,
    warn: Callable[[str], None],
) -> Sequence[EventLine]:
    """The lines, as :func:`~uprobe_core.tracing.functions.function_lines` has them.

    :param typed: whether others than *setup* says may look at arguments
    """
    return function_lines(
        setup,
        files,
        arch,
        events.table.language.resolver,
        records=records,
        frames=records and shows_calls(setup),
        typed=typed or _needs_arguments(setup),
        warn=warn,
    )


def _needs_arguments(setup: RunSetup) -> bool:
    """Whether somebody may look at what functions of ``-F`` take, which is long to find out.

    Not if all that is done is to count and to time them.
    """
    if any((setup.filters, setup.triggers, setup.expect, setup.explain, setup.stop_at, setup.gdb)):
        return True
    try:
        return setup.control is not None or setup.repl or any(map(reads_arguments, uses_of(setup)))
    except (UsageError, PluginError):  # refused where it is loaded
        return True
