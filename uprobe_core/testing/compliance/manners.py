"""What is asked of plugins of every kind: to come to an end, keep off standard output, and leave nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

__all__ = ("Manners",)

_SECONDS = 60


class Manners:
    """Around each test of a suite."""

    @pytest.fixture(autouse=True)
    def bounded(self) -> Iterator[None]:
        """What does not come to an end fails."""

        def end(_number: int, _frame: FrameType | None) -> None:
            raise AssertionError(f"it did not end within {_SECONDS} s")

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, end)
        # Again and again: what is raised while C calls back to Python may be lost.
        signal.setitimer(signal.ITIMER_REAL, _SECONDS, 1)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @pytest.fixture(autouse=True)
    def mannerly(self, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
        """Standard output is the program's, and no thread of a plugin lives on when its run is over."""
        capfd.readouterr()
        running = set(threading.enumerate())
        yield
        assert capfd.readouterr().out == "", "it wrote to standard output, which is the program's"
        left = [each.name for each in threading.enumerate() if each not in running and not each.daemon]
        assert left == [], "its threads live on"
