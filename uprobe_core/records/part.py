"""The records of a file that nobody can read before it is complete, in another that anybody can.

Formats with an index at their end are lost with a run that is killed. So their records stand in
``FILE.part`` as well until the end, in a format that is whole after each record, and go when FILE is
complete.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uprobe_core.records.opening import open_output

if TYPE_CHECKING:
    from uprobe_core.event_model import Record

__all__ = ("Part", "part_of")


def part_of(path: str) -> str:
    """What the file beside *path* is called."""
    return f"{path}.part"


class Part:
    """``FILE.part``, which all processes of the program write to as they go.

    :param path: FILE
    :param make_file: a raw file from a descriptor
    :param make_writer: from its stream, what has ``write(record)``; raises UsageError if there is no file
    """

    def __init__(
        self, path: str, make_file: Callable[[int], io.RawIOBase], make_writer: Callable[[Any], Any]
    ) -> None:
        self._path, self._owner = part_of(path), os.getpid()
        descriptor = open_output(self._path, "records until the output is complete", "-o")
        self._stream = io.BufferedWriter(make_file(descriptor))
        self.write: Callable[[Record], None] = make_writer(self._stream).write

    def descriptor(self) -> int:
        """What is written to."""
        return self._stream.fileno()

    def flush(self) -> None:
        """Have everything so far where who kills the run leaves it."""
        self._stream.flush()

    def close(self, *, complete: bool) -> None:
        """The run is over.

        :param complete: FILE has it all
        """
        self._stream.close()
        if complete and os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
