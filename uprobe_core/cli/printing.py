"""What plugins print while a program runs: not among what the program writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from typing import BinaryIO, TextIO

__all__ = ("printing_aside",)


@contextmanager
def printing_aside() -> Iterator[None]:
    """While it is entered, what a plugin prints goes to standard error: standard output is the program's."""
    if sys.stdout is None or sys.stderr is None:
        yield
        return
    with redirect_stdout(_Aside(sys.stdout, sys.stderr)):
        yield


class _Aside(TextIOBase):
    """Text goes to *aside*; bytes where they did, which a backend may write for the program."""

    def __init__(self, out: TextIO, aside: TextIO) -> None:
        self._out, self._aside = out, aside

    @property
    def buffer(self) -> BinaryIO:
        """Of standard output."""
        return self._out.buffer

    def fileno(self) -> int:
        """Of standard output."""
        return self._out.fileno()

    def write(self, text: str) -> int:
        """Write *text* aside."""
        return self._aside.write(text)

    def flush(self) -> None:
        """Both."""
        self._out.flush()
        self._aside.flush()
