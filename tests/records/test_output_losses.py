"""Records that do not get into the output, because its disk is full, are counted."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from uprobe_core.errors import UprobeError
from uprobe_core.records.output import RunOutput
from uprobe_core.records.spool import Spool
from uprobe_core.testing.compliance.writer import ENTRY, record

COUNT = 500


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """While it is entered, files cannot become larger than *size* bytes (Python ignores SIGXFSZ)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Lines:
    """A writer, two calls to its file for each record."""

    appends = True

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, record: Any) -> None:
        self._stream.write(f"{record.values[0]} ".encode())
        self._stream.write(b"record\n")

    def close(self) -> None:
        """There is no end."""


class Document(Lines):
    """A writer whose file is nothing without its end."""

    appends = False


def written(path: Path, spool: Spool, writer: type[Lines] | None, room: int) -> list[UprobeError]:
    """What is said when COUNT records go to *path* and there is *room* for so many bytes."""
    said: list[UprobeError] = []
    output = RunOutput(str(path), spool, writer, not_written=said.append)
    with files_of_at_most(room):
        output.line("not a record")
        for number in range(COUNT):
            output.record(record(ENTRY, (number, "text")))
            if number % 100 == 50:
                output.show()
        output.close()
    return said


@pytest.mark.parametrize("room", [0, 1, 300, 2000, 9000])
@pytest.mark.parametrize("writer", [None, Lines], ids=["text", "lines"])
def test_those_that_are_not_in_the_file_as_a_whole(
    tmp_path: Path, spool: Spool, writer: type[Lines] | None, room: int
) -> None:
    said = written(tmp_path / "out", spool, writer, room)
    if writer is Lines and room == 9000:
        assert said == []
        return
    found = (tmp_path / "out").read_bytes().count(b"\n") - (writer is None and room > 12)
    assert said[0].message == f"{COUNT - found} records are lost: cannot write the output: File too large"


def test_all_of_them_where_a_file_without_its_end_cannot_be_read(tmp_path: Path, spool: Spool) -> None:
    (error,) = written(tmp_path / "out", spool, Document, 3000)
    assert error.message.startswith(f"{COUNT} records are lost: ")
