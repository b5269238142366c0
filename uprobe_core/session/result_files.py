"""The files of a run besides its records: the profile and the reports."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from uprobe_core.errors import OutputError, UprobeError, UsageError
from uprobe_core.records.opening import open_output

if TYPE_CHECKING:
    from uprobe_core.run_setup import RunSetup

__all__ = ("REPORT_VERSION", "ResultFiles", "refuse_one_file", "report_kind")

REPORT_VERSION = 1
"""The report's ``version``; a field that changes its meaning raises it, a new field does not."""


class ResultFiles:
    """Opened before the run, so that nobody waits for one that cannot be written; filled after it."""

    def __init__(self, setup: RunSetup) -> None:
        for path in setup.report:
            report_kind(path)
        refuse_one_file(setup)
        self._profile = None if setup.profile is None else _File("profile", setup.profile)
        self._reports = [_File("report", path) for path in dict.fromkeys(setup.report)]
        self._junit = None if setup.junit_xml is None else _File("junit-xml", setup.junit_xml)

    @property
    def wants_report(self) -> bool:
        """Whether there is a file for :meth:`write_report`."""
        return bool(self._reports)

    def write_profile(
        self, lines: Callable[[], list[str]], not_written: Callable[[UprobeError], None]
    ) -> None:
        """The text of ``uprobe_profile``, if it has a file."""
        if self._profile is not None:
            self._profile.write("".join(f"{line}\n" for line in lines()), not_written)

    def write_report(
        self,
        document: dict[str, Any],
        not_written: Callable[[UprobeError], None],
        texts: Mapping[str, str],
        calls: Mapping[str, Any] | None,
    ) -> None:
        """The run as one document in each file that there is for it, whose name says of which kind."""
        shown = {number: _readable(text) for number, text in texts.items()}
        for file in self._reports:
            file.write(_report_text(report_kind(file.path), _escaped(document), shown, calls), not_written)

    def write_junit(self, text: Callable[[], str], not_written: Callable[[UprobeError], None]) -> None:
        """The outcomes of expectations as JUnit XML, if they have a file."""
        if self._junit is not None:
            self._junit.write(text(), not_written)

    def close(self) -> None:
        """Close what is open; idempotent."""
        for file in self._files():
            file.close()

    def _files(self) -> Iterator[_File]:
        yield from (file for file in (self._profile, *self._reports, self._junit) if file is not None)


def refuse_one_file(setup: RunSetup) -> None:
    """Raise UsageError if two options name one file: what one writes the other would overwrite."""
    named = [("-o", setup.output), ("--profile", setup.profile), ("--junit-xml", setup.junit_xml)]
    named += [("--report", path) for path in dict.fromkeys(setup.report)]
    named += [("--coverage", path) for path in dict.fromkeys(setup.coverage)]
    known: dict[str, str] = {}
    for flag, path in named:
        if path is None or path == "-" or (os.path.exists(path) and not os.path.isfile(path)):
            continue
        before = known.setdefault(os.path.realpath(path), f"{flag} {path}")
        if before != f"{flag} {path}":
            raise UsageError(
                f"{before} and {flag} {path} are one file",
                hint="give each a file of its own",
                slug="one-file",
            )


class _File:
    """One of them.

    :param what: the option that names it
    :param path: "-" is standard error
    """

    def __init__(self, what: str, path: str) -> None:
        self._what, self._path, self.path = what, path, path
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


_KINDS = {"": "json", ".json": "json", ".html": "html", ".htm": "html", ".md": "md", ".markdown": "md"}
"""What a report is, by the ending of its file's name."""


def report_kind(path: str) -> str:
    """ "html", "md" or "json", by the name of the file; raises UsageError for another ending."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in _KINDS:
        raise UsageError(
            f"a report cannot be written as {ending!r}: {path!r}",
            hint="the name ends in .html (a page), .md (Markdown) or .json; without an ending it is JSON",
        )
    return _KINDS[ending]


def _report_text(
    kind: str, document: dict[str, Any], texts: Mapping[str, str], calls: Mapping[str, Any] | None
) -> str:
    if kind == "html":
        from uprobe_core.reporting.page import page_of

        return page_of(document, texts, calls)
    if kind == "md":
        from uprobe_core.reporting.markdown import markdown_of

        return markdown_of(document, texts)
    import json  # not needed to start

    plain = {name: value for name, value in document.items() if name not in ("setup", "versions")}
    return json.dumps({"version": REPORT_VERSION, **plain}, indent=2) + "\n"


def _escaped(data: Any) -> Any:
    """Plain data with every text as UTF-8 can hold it."""
    from uprobe_core.writer import escaped  # not needed to start

    if isinstance(data, dict):
        return {escaped(name): _escaped(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_escaped(value) for value in data]
    return escaped(data) if isinstance(data, str) else data


def _readable(text: str) -> str:
    """Text for people with bytes that are not UTF-8 as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
