"""Executed code of one run: who asks for it, how forked processes tell it, the files that it goes to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from uprobe_core.errors import OutputError, UprobeError, UsageError
from uprobe_core.records.opening import open_output
from uprobe_core.setup_words import COVERAGE

if TYPE_CHECKING:
    from uprobe_core.covering.seen import CodeSeen
    from uprobe_core.executed_code import CodeFile
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.records.spool import Spool
    from uprobe_core.run_setup import RunSetup

__all__ = ("RunCoverage",)

_KINDS = {"info": "lcov", "lcov": "lcov", "drcov": "drcov", "log": "drcov"}
"""By the end of a file's name."""


class RunCoverage:
    """The executed code of one run; nothing unless a consumer wants it.

    :ivar watcher: what the backend tells, None: nobody asks
    """

    def __init__(self, setup: RunSetup, files: GuestFiles) -> None:
        self._setup, self._files = setup, files
        self.watcher: CodeSeen | None = None
        self._outputs: list[tuple[str, str, int]] = []

    def begin(self) -> None:
        """A consumer wants it: open the files that it goes to.  Raises UsageError."""
        from uprobe_core.covering.seen import CodeSeen

        self.watcher = CodeSeen()
        for path in dict.fromkeys(self._setup.coverage):
            kind = _KINDS.get(path.rpartition(".")[2].lower())
            if kind is None:
                text = f"--coverage {path}: the end of a name says which format it is"
                raise UsageError(text, hint=".info is lcov's, .drcov (or .log) DynamoRIO's")
            self._outputs.append((path, kind, open_output(path, "coverage", "--coverage")))

    def merge(self, files: Mapping[str, Mapping[tuple[int, int], int]]) -> None:
        """Another process has executed this."""
        if self.watcher is not None:
            self.watcher.merge(files)

    def enter_child(self) -> None:
        """This is a forked process now: what was executed before is its parent's."""
        if self.watcher is not None:
            self.watcher.take()

    def end_child(self, spool: Spool) -> None:
        """This forked process ends."""
        if self.watcher is not None and self.watcher.files:
            spool.put(("code", self.watcher.take()))

    def code(self, patterns: Sequence[str] = ()) -> list[CodeFile]:
        """What was executed of the program, or of the files that match *patterns*."""
        from uprobe_core.covering.files import code_files

        seen = {} if self.watcher is None else self.watcher.files
        return code_files(seen, self._files, self._setup.argv[0] if self._setup.argv else "", patterns)

    def write(self, not_written: Callable[[UprobeError], None], warn: Callable[[str], None]) -> None:
        """Fill the files; *not_written* is told of each that cannot be, *warn* of one that is empty."""
        if not self._outputs:
            return
        from uprobe_core.covering.drcov import drcov_bytes
        from uprobe_core.covering.lcov import lcov_text

        code = self.code(patterns_of(self._setup))
        for path, kind, descriptor in self._outputs:
            if kind == "lcov" and not any(file.lines for file in code):
                warn(_nothing(path, code))
            data = (
                drcov_bytes(code) if kind == "drcov" else lcov_text(code).encode("utf-8", "surrogateescape")
            )
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
            except OSError as error:
                not_written(OutputError(f"cannot write the coverage {path!r}: {error.strerror}"))
        self._outputs.clear()

    def close(self) -> None:
        """Close what is open; idempotent."""
        while self._outputs:
            os.close(self._outputs.pop()[2])


def _nothing(path: str, code: Sequence[CodeFile]) -> str:
    names = ", ".join(file.path for file in code)
    why = f"{names} without debug information (-g)" if names else "no code of the files that are asked for"
    return f"coverage: {path!r} is empty: there is {why}; -C coverage:files=GLOBS names others"


def patterns_of(setup: RunSetup) -> tuple[str, ...]:
    """Of which files the run wants the coverage; () is the program."""
    uses = [use for use in setup.consumers if use.name == COVERAGE]
    texts = [use.options.get("files", "") for use in uses]
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())
