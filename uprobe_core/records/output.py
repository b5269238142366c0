"""Where a run's records and reports go.

Records are written as they happen.  Trace text of a forked child goes straight
to the shared file, one line a write; every other format is collected from the
children through the spool and written by the session's own process.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    from uprobe_core.event_model import Record
    from uprobe_core.records.spool import Spool

__all__ = ("RunOutput",)

_FLUSH_BYTES = 1 << 16


def _write_patiently(fd: int, data: Any) -> int:
    """Write some of *data*; a reader that is slow behind a descriptor that does not block is waited for."""
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            select.select([], [fd], [])


class _PatientFile(io.FileIO):
    """For writers: a descriptor that never says that it would block."""

    def write(self, data: Any, /) -> int:
        return _write_patiently(self.fileno(), data)


class RunOutput:
    """The output file of a run; *path* None is standard error.

    With a writer the file holds its records alone, and lines of text go to standard error.

    :param writer: None for trace text, else an object with ``write(record)`` and ``close()``
        made by *make_writer* from the open stream
    :param keep: keep only the last so many records and write them at the end; None: write all at once
    :ivar dropped: records that made room for later ones, or were lost on their way here
    """

    def __init__(
        self,
        path: str | None,
        spool: Spool,
        make_writer: Callable[[Any], Any] | None = None,
        keep: int | None = None,
    ) -> None:
        self._kept: deque[Record] | None = None if keep is None else deque(maxlen=keep)
        self.dropped = 0
        self._spool = spool
        self._lines: list[bytes] = []
        self._size = 0
        self._fd = self._open(path)
        self._live = path is None
        self._said_lost = False
        self._stream: Any = None
        self._writer: Any = None
        if make_writer is not None:
            self._stream = io.BufferedWriter(_PatientFile(self._fd, "wb"))
            self._fd, self._live = self._open(None), True  # such a file has no place for lines of text
            self._writer = make_writer(self._stream)

    @staticmethod
    def _open(path: str | None) -> int:
        if path is None:
            try:
                if sys.stderr is not None:  # it is None when the caller closed it
                    sys.stderr.flush()
                return os.dup(2)
            except OSError:
                return os.open(os.devnull, os.O_WRONLY)
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UsageError(
                f"cannot write the output file {path!r}: {error.strerror}",
                hint="-o names a file in a folder that exists and may be written",
            ) from None

    def record(self, record: Record) -> None:
        """Write one hit; what has to be collected from forked children goes to the session."""
        if self._writer is None and self._kept is None:
            self._write(record)
        elif self._spool.is_root and not self._spool.forked:
            self.replay(record)
        else:
            self._spool.put(("record", record))

    def replay(self, record: Record) -> None:
        """Take a record in the session's own process, perhaps one that came through the spool."""
        if self._kept is None:
            self._write(record)
            return
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append(record)

    def lose(self, count: int) -> None:
        """*count* records that should have come here are gone."""
        self.dropped += count

    def _write(self, record: Record) -> None:
        if self._writer is not None:
            self._writer.write(record)
            return
        from uprobe_core.events.trace_text import format_record

        self.line(format_record(record))

    def write_kept(self) -> None:
        """Write what a bounded run has kept, and before it how much is missing; else nothing is to do."""
        kept, self._kept = self._kept, None
        if kept is not None and self.dropped:
            self._write_loss(self.dropped)
        for record in kept or ():
            self._write(record)

    def _write_loss(self, count: int) -> None:
        """In trace text as a kernel says it (print_trace_line in kernel/trace/trace.c)."""
        if self._writer is None:
            self.line(f"CPU:0 [LOST {count} EVENTS]")
        elif hasattr(self._writer, "lost"):
            self._writer.lost(count)

    def line(self, text: str) -> None:
        """Write one line of text, given without its newline."""
        data = text.encode("utf-8", "surrogateescape") + b"\n"
        self._lines.append(data)
        self._size += len(data)
        if self._live or self._size > _FLUSH_BYTES or self._spool.forked:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        data, self._lines, self._size = b"".join(self._lines), [], 0
        view = memoryview(data)
        while view:
            try:
                written = _write_patiently(self._fd, view)
            except OSError as error:
                self._lost(error)
                return  # the program must not suffer for it
            view = view[written:]

    def _lost(self, error: OSError) -> None:
        """Say once that records are lost, unless the reader went away and wants no more."""
        if error.errno == errno.EPIPE or self._said_lost or sys.stderr is None:
            return
        self._said_lost = True
        text = f"records are lost: cannot write the output: {error.strerror}"
        print(f"uprobe: warning: {text}", file=sys.stderr)

    def close(self) -> None:
        """Finish the format and close; idempotent."""
        self.flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._stream.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
