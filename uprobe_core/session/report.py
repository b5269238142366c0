"""What is written when a run has ended: consumers' reports, histograms, missed returns, the profile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from uprobe_core.discovery.contracts import blaming
from uprobe_core.errors import PluginError, UsageError

if TYPE_CHECKING:
    from uprobe_core.run_setup import ConsumerUse
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Profile", "report")


def report(
    consumers: Sequence[tuple[ConsumerUse, Any]], events: EventSet, emit: Callable[[str], None]
) -> PluginError | None:
    """Emit the reports of *consumers* and of *events*; returns the first error, all others heard."""
    failure: PluginError | None = None
    for use, plugin in consumers:
        try:
            for line in _text(use, plugin).splitlines():
                emit(line)
        except PluginError as error:  # what the others found is still written
            failure = failure or error
    for line in events.findings.reports():
        emit(line)
    return failure


def _text(use: ConsumerUse, plugin: Any) -> str:
    with blaming(use.name, "report"):
        found = plugin.report()
        return "" if found is None else str(found.as_text())


class Profile:
    """The file of ``uprobe_profile`` text, opened before the run so that nobody waits for it in vain.

    :param path: "-" is standard error
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: TextIO | None = None
        if path == "-":
            return
        try:
            self._file = open(path, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115  # for the run
        except OSError as error:
            raise UsageError(
                f"cannot write the profile {path!r}: {error.strerror}",
                hint="--profile names a file in a folder that exists and may be written; - is standard error",
            ) from None

    def write(self, lines: Sequence[str]) -> None:
        """Write *lines*; raises OSError."""
        file = self._file or sys.stderr
        if file is not None:
            file.write("".join(line + "\n" for line in lines))
            file.flush()

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file is not None:
            self._file.close()
