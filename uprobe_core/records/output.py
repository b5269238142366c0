"""Where a run's records and reports go.

Records are written as they happen, until the program forks.  From then on those
of all processes are collected, and written at the end in the order of their
time, so that the same run gives the same bytes however the host's processors
were shared.  Trace text on a terminal, where somebody watches, stays as it comes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import OutputError, UprobeError
from uprobe_core.records.marks import CountedStream, Marks, WriterFile, write_patiently
from uprobe_core.records.opening import open_output

if TYPE_CHECKING:
    from uprobe_core.event_model import Record
    from uprobe_core.records.part import Part
    from uprobe_core.records.spool import Spool
    from uprobe_core.records.two_buffers import TwoBuffers

__all__ = ("RunOutput",)

_FLUSH_BYTES = 1 << 16
_READER_GONE = "its reader went away"


def _text_of(record: Record) -> bytes:
    """The line of trace text of *record*."""
    from uprobe_core.events.trace_text import format_record

    return format_record(record).encode("utf-8", "surrogateescape") + b"\n"


def _two_buffers() -> TwoBuffers:
    from uprobe_core.records.two_buffers import TwoBuffers  # rarely needed

    return TwoBuffers()


class RunOutput:
    """The output file of a run; *path* None is standard error.

    With a writer the file holds its records alone, and lines of text go to standard error.

    :param writer: None for trace text, else an object with ``write(record)`` and ``close()``
        made by *make_writer* from the open stream
    :param keep: keep only the last so many records and write them at the end; None: write all at once
    :param not_written: told of what could not be written; it may raise to end the run
    :param also: who else is told of each record, in order
    :param snapshots: hold trace text as the two buffers of a kernel until the end
    :ivar dropped: records that made room for later ones, or were lost on their way here
    """

    def __init__(
        self,
        path: str | None,
        spool: Spool,
        make_writer: Callable[[Any], Any] | None = None,
        keep: int | None = None,
        *,
        not_written: Callable[[UprobeError], None],
        also: Callable[[Record], None] | None = None,
        snapshots: bool = False,
    ) -> None:
        self._path, self._not_written = path, not_written
        self._also = also
        self._kept: deque[Record] | None = None if keep is None else deque(maxlen=keep)
        self.dropped = 0
        self._spool = spool
        self._lines: list[bytes] = []
        self._size = 0
        self._fd = self._open(path)
        self._live = path is None
        self._two = _two_buffers() if snapshots and make_writer is None and keep is None else None
        watchable = make_writer is None and keep is None and also is None and self._two is None
        self._watched = watchable and os.isatty(self._fd)
        self._unread = False
        """Whether the reader does not read: the run was to end, and nothing more is written."""
        self._collected = False
        """Whether what forked processes gave is here by now."""
        self._size_before_forks: int | None = None
        self._lost_before_forks = 0
        self._marks = Marks()
        self._loss: OutputError | None = None
        self._stream: Any = None
        self._writer: Any = None
        self._on_terminal = False
        self._part: Part | None = None
        if make_writer is not None:
            self._stream = CountedStream(WriterFile(self._fd, self._lost))
            self._fd, self._live = self._open(None), True  # such a file has no place for lines of text
            try:
                self._writer = make_writer(self._stream)
                self._on_terminal = self._stream.isatty()
                self._part = self._open_part()
            except BaseException:
                self.close()
                raise

    def _open_part(self) -> Part | None:
        """Where records stand until the end, if it takes the end to read the output."""
        make = getattr(self._writer, "until_closed", None)
        if make is None or self._path is None or self._kept is not None:
            return None
        from uprobe_core.records.part import Part  # rarely needed

        regular = stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode)
        return Part(self._path, lambda fd: WriterFile(fd, self._lost), make) if regular else None

    @staticmethod
    def _open(path: str | None) -> int:
        if path is None:
            try:
                if sys.__stderr__ is None:  # the caller closed it, and 2 may be another file of ours
                    return os.open(os.devnull, os.O_WRONLY)
                if sys.stderr is not None:
                    sys.stderr.flush()
                return os.dup(2)
            except OSError:
                return os.open(os.devnull, os.O_WRONLY)
        return open_output(path, "output file", "-o")

    def descriptors(self) -> list[int]:
        """What is written to."""
        writer = [] if self._stream is None or self._stream.closed else [self._stream.raw.fileno()]
        part = [] if self._part is None else [self._part.descriptor()]
        return [each for each in (self._fd, *writer, *part) if each >= 0]

    def record(self, record: Record) -> None:
        """Write one hit, or collect it once there are several processes."""
        if not self._collects:
            self._tell(record)
            self._take(record)
        elif self._stream is None and self._kept is None and self._also is None:
            text = _text_of(record)
            self._spool.put_output(record.timestamp_ns, record.pid, text)
            if self._may_rewrite:
                self._gather(text, record=True)
        else:
            self._spool.put_output(record.timestamp_ns, record.pid, record)
            if self._may_rewrite:
                self._write(record)
            elif self._part is not None:
                self._part.write(record)

    @property
    def _collects(self) -> bool:
        return self._spool.forked and not self._watched and not self._collected

    @property
    def _may_rewrite(self) -> bool:
        """Whether all processes write to the file as it comes, for who cannot wait for its right order."""
        return self._size_before_forks is not None

    def before_fork(self) -> None:
        """Nothing may be left in a buffer that would be written by two processes."""
        self.flush()
        if self._stream is not None and not self._stream.closed:
            self._stream.flush()
        if self._part is not None:
            self._part.flush()
        if self._size_before_forks is None and not self._spool.forked and self._kept is None:
            self._size_before_forks = self._size_to_rewrite()
            self._settle()
            self._lost_before_forks = self._marks.lost

    def _size_to_rewrite(self) -> int | None:
        """Bytes in the file, None where several processes cannot write it, and one then once more."""
        fd = self._fd if self._stream is None else self._stream.raw.fileno()
        status = os.fstat(fd)
        whole = self._two is None if self._stream is None else getattr(self._writer, "appends", False)
        return status.st_size if self._path and whole and stat.S_ISREG(status.st_mode) else None

    def collect(self) -> None:
        """All processes have ended: write what was collected from them, in order."""
        self._collected = True
        if self._size_before_forks is not None:
            self.before_fork()
            fd = self._fd if self._stream is None else self._stream.raw.fileno()
            os.ftruncate(fd, self._size_before_forks)
            self._marks.forget(self._lost_before_forks)
            if self._stream is not None:
                self._stream.raw.broken = False  # there is the room of what was cut off
        for output in self._spool.outputs():
            if isinstance(output, bytes):
                self._add(output, record=True)
            else:
                self._tell(output)
                self._take(output)

    def _tell(self, record: Record) -> None:
        if self._also is not None:
            self._also(record)

    def _take(self, record: Record) -> None:
        if self._kept is None:
            self._write(record)
            return
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append(record)

    def lose(self, count: int) -> None:
        """*count* records that should have come here are gone."""
        self.dropped += count

    def _write(self, record: Record) -> None:
        if self._stream is not None:
            if self._part is not None and not self._collected:
                self._part.write(record)
            self._by_writer("write", record)
            self._mark()
            return
        self._add(_text_of(record), record=True)

    def _mark(self) -> None:
        """The writer has one record more."""
        if self._writer is None:
            return
        if not self._writer.appends:
            self._marks.add_to_whole()
            return
        self._marks.add(self._stream.given)
        if self._marks.many:
            self._settle()

    def _settle(self) -> None:
        """What the file of a writer has is not lost any more."""
        if self._stream is not None:
            self._marks.settle(self._stream.raw.taken, broken=self._stream.raw.broken)

    def _by_writer(self, method: str, *arguments: Any) -> None:
        """Have the writer do something; one that fails gets no more records, and they are counted."""
        if self._writer is None:
            self.dropped += method == "write"
            return
        try:
            getattr(self._writer, method)(*arguments)
        except UprobeError as error:  # whatever it raised: it is a BlamedWriter
            self._writer = None
            self.dropped += method == "write"
            self._not_written(error)

    def write_kept(self) -> None:
        """Write what was kept until the end, before it how much is missing of it; else nothing is to do."""
        two, self._two = self._two, None
        for data, is_record in () if two is None else two.in_order():
            self._gather(data, record=is_record)
        kept, self._kept = self._kept, None
        if kept is not None and self.dropped:
            self._write_loss(self.dropped)
        for record in kept or ():
            self._write(record)

    def _write_loss(self, count: int) -> None:
        """In trace text as a kernel says it (print_trace_line in kernel/trace/trace.c)."""
        if self._stream is None:
            self.line(f"CPU:0 [LOST {count} EVENTS]")
        elif hasattr(self._writer, "lost"):
            self._by_writer("lost", count)

    @property
    def columns(self) -> int:
        """Of the terminal that lines go to, 0 if it is none."""
        from uprobe_core.terminal_text import columns_of  # a run without tables has no need of it

        return columns_of(self._fd)

    def line(self, text: str, time: int = 0, pid: int = 0) -> None:
        """Write one line of text, given without its newline, that process *pid* gave at *time*."""
        data = text.encode("utf-8", "surrogateescape") + b"\n"
        if self._collects:
            self._spool.put_output(time, pid, data)
        else:
            self._add(data)

    def _add(self, data: bytes, *, record: bool = False) -> None:
        self._gather(data, record=record)
        if self._live or (self._spool.forked and not self._collected):
            self.flush()

    def _gather(self, data: bytes, *, record: bool) -> None:
        if self._two is not None:
            self._two.add(data, record=record)
            return
        self._lines.append(data)
        self._size += len(data)
        if record and self._stream is None:
            self._marks.add(self._size)
        if self._size > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        data, self._lines, self._size = b"".join(self._lines), [], 0
        view, taken = memoryview(b"" if self._unread else data), 0
        try:
            while taken < len(view):
                taken += write_patiently(self._fd, view[taken:])
        except OSError as error:  # the program must not suffer for it
            self._lost(error)
        if self._stream is None:
            self._marks.settle(taken, broken=taken < len(data))

    def _lost(self, error: OSError) -> None:
        """Tell that records are lost, unless it is the reader of a standard stream that wants no more."""
        if error.errno == errno.EPIPE and self._is_standard:
            return
        self._unread |= error.errno == errno.ETIMEDOUT
        reason = _READER_GONE if error.errno == errno.EPIPE else error.strerror
        text = f"records are lost: cannot write the output: {reason}"
        if self._spool.is_root:
            self.fail(text)
        else:
            self._spool.put(("not-written", text))

    @property
    def _is_standard(self) -> bool:
        """Whether the output is this process's standard output or error, under whatever name."""
        written = os.fstat(self._fd if self._stream is None else self._stream.raw.fileno())
        streams = [] if self._path is not None else [written]
        for fd in (1, 2):
            with contextlib.suppress(OSError):
                streams.append(os.fstat(fd))
        return any(os.path.samestat(written, each) for each in streams)

    def fail(self, text: str) -> None:
        """Something could not be written, here or in a forked child."""
        where = "standard error" if self._path is None else repr(self._path)
        hint = "" if text.endswith(_READER_GONE) else f"is there room where {where} lies?"
        loss = OutputError(text, hint=hint)
        self._loss = self._loss or loss
        self._not_written(loss)

    def _count_lost(self) -> None:
        """What is lost was said when it began; the error at the end says how many records that are."""
        lost = self._marks.lost
        if self._loss is not None and lost:
            self._loss.message = f"{lost} {self._loss.message}"
            self._marks.forget()

    def show(self) -> None:
        """Let everything so far be read by others: the program waits, and so may they."""
        if self._lines:
            self.flush()
        if self._on_terminal and self._spool.is_root and hasattr(self._writer, "known"):
            self._by_writer("known")
        if (
            self._stream is not None
            and not self._stream.closed
            and (self._may_rewrite or self._spool.is_root)
        ):
            self._stream.flush()
        if self._part is not None:
            self._part.flush()

    def close(self) -> None:
        """Finish the format and close; idempotent."""
        if self._two is not None and self._spool.is_root:
            self.write_kept()
        self.flush()
        if self._stream is not None and not self._stream.closed:
            self._by_writer("close")
            self._stream.close()
            self._settle()
            if self._part is not None:
                self._part.close(complete=self._writer is not None and not self._stream.raw.broken)
            self._writer = self._part = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._count_lost()
