"""What is asked of plugins of every kind: to come to an end, keep off standard output, and leave nothing.

The process is the run's, or somebody's who imports uprobe: what is one for all of it stays as it was.
"""

from __future__ import annotations

import gc
import inspect
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, ClassVar

import pytest

__all__ = ("Manners",)

_SECONDS = 60


_TESTED = {"pytest_pyfunc_call", "pytest_fixture_setup", "_teardown_yield_fixture"}
"""Functions of pytest that call a test and what it stands on."""


def _is_tested(frame: FrameType | None) -> bool:
    """Whether *frame* is in a test, not in pytest's report of what became of it."""
    while frame is not None:
        if frame.f_code.co_name in _TESTED:
            return True
        frame = frame.f_back
    return False


class Manners:
    """Around each test of a suite.

    :cvar stands: where the promises of the tests in a class can be read
    """

    stands: ClassVar[str] = ""

    @classmethod
    def uprobe_promise(cls, test: str) -> str:
        """What the test that is called *test* asks for, and where that was promised; "" if it is no suite's.

        Shown beside its failure by what uprobe brings to pytest.
        """
        owner = next((each for each in cls.__mro__ if test in vars(each)), cls)
        if not owner.__module__.startswith(__package__):
            return ""
        more = inspect.getdoc(vars(owner)[test]) or ""
        words = test.removeprefix("test_").replace("_", " ")
        where = getattr(owner, "stands", cls.stands)
        return "\n".join(filter(None, (words, more, f"It stands at {where}; of the suite: docs/testing.md.")))

    @pytest.fixture(autouse=True)
    def bounded(self) -> Iterator[None]:
        """What does not come to an end fails."""

        def end(_number: int, frame: FrameType | None) -> None:
            if _is_tested(frame):
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

    @pytest.fixture(autouse=True)
    def unchanged(self) -> Iterator[None]:
        """A plugin changes nothing that is the whole process's."""
        before = _of_process()
        yield
        after = _of_process()
        changed = [name for name, value in before.items() if after[name] != value]
        _give_back(before)
        assert changed == [], "it changed what is the whole process's"


def _of_process() -> dict[str, Any]:
    """What there is one of in a process."""
    mask = os.umask(0)
    os.umask(mask)
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
    return {
        "working directory": os.getcwd(),
        "umask": mask,
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "handlers of signals": {number: signal.getsignal(number) for number in ends},
        "limit of recursion": sys.getrecursionlimit(),
        "collector": gc.isenabled(),
        "functions for profilers": (sys.getprofile(), sys.gettrace()),
    }


def _give_back(before: Mapping[str, Any]) -> None:
    """What the tests that follow need."""
    os.chdir(before["working directory"])
    os.umask(before["umask"])
    for name in set(os.environ) - set(before["environment"]) - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update(before["environment"])
    if threading.current_thread() is threading.main_thread():
        for number, handler in before["handlers of signals"].items():
            signal.signal(number, handler)
    sys.setrecursionlimit(before["limit of recursion"])
    (gc.enable if before["collector"] else gc.disable)()
    sys.setprofile(before["functions for profilers"][0])
