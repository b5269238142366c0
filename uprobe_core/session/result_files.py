"""The files of a run besides its records: the profile and the report."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from uprobe_core.errors import OutputError, UprobeError
from uprobe_core.records.opening import open_output
from uprobe_core.writer import escaped

if TYPE_CHECKING:
    from uprobe_core.run_setup import RunSetup

__all__ = ("REPORT_VERSION", "ResultFiles")

REPORT_VERSION = 1
"""The report's ``version``; a field that changes its meaning raises it, a new field does not."""


class ResultFiles:
    """Opened before the run, so that nobody waits for one that cannot be written; filled after it."""

    def __init__(self, setup: RunSetup) -> None:
        self._profile = None if setup.profile is None else _File("profile", setup.profile)
        self._report = None if setup.report is None else _File("report", setup.report)
        self._junit = None if setup.junit_xml is None else _File("junit-xml", setup.junit_xml)

    @property
    def wants_report(self) -> bool:
        """Whether there is a file for :meth:`write_report`."""
        return self._report is not None

    def write_profile(
        self, lines: Callable[[], list[str]], not_written: Callable[[UprobeError], None]
    ) -> None:
        """The text of ``uprobe_profile``, if it has a file."""
        if self._profile is not None:
            self._profile.write("".join(f"{line}\n" for line in lines()), not_written)

    def write_report(self, document: dict[str, Any], not_written: Callable[[UprobeError], None]) -> None:
        """The run as one JSON document, if it has a file."""
        if self._report is not None:
            import json  # not needed to start

            text = json.dumps(_escaped({"version": REPORT_VERSION, **document}), indent=2)
            self._report.write(f"{text}\n", not_written)

    def write_junit(self, text: Callable[[], str], not_written: Callable[[UprobeError], None]) -> None:
        """The outcomes of expectations as JUnit XML, if they have a file."""
        if self._junit is not None:
            self._junit.write(text(), not_written)

    def close(self) -> None:
        """Close what is open; idempotent."""
        for file in self._files():
            file.close()

    def _files(self) -> Iterator[_File]:
        yield from (file for file in (self._profile, self._report, self._junit) if file is not None)


class _File:
    """One of them.

    :param what: the option that names it
    :param path: "-" is standard error
    """

    def __init__(self, what: str, path: str) -> None:
        self._what, self._path = what, path
        self._file: TextIO | None = None
        if path == "-":
            return
        descriptor = open_output(path, what, f"--{what}")
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape")

    def write(self, text: str, not_written: Callable[[UprobeError], None]) -> None:
        """Write all of it; *not_written* is told what cannot be, unless its reader went away."""
        file = self._file or sys.stderr
        try:
            if file is not None:
                file.write(text)
                file.flush()
        except OSError as error:
            if error.errno != errno.EPIPE:
                not_written(OutputError(f"cannot write the {self._what} {self._path!r}: {error.strerror}"))

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is still in its buffer was complained about
                self._file.close()


def _escaped(data: Any) -> Any:
    """Plain data with every text as UTF-8 can hold it."""
    if isinstance(data, dict):
        return {escaped(name): _escaped(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_escaped(value) for value in data]
    return escaped(data) if isinstance(data, str) else data
