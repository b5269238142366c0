"""Sessions on a program whose calls are counted, under every engine and mode."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uprobe_unicorn  # noqa: F401  # it says what modes it has when it is imported, without UPROBE_ENGINE

import uprobe_core as up
from tests.programs import zig

WAYS = [("py", "inline"), ("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump")]


class Live:
    """One run of ``calls``; WORK and the others name places in it."""

    def __init__(self, engine: str, mode: str) -> None:
        self.engine, self.mode = engine, mode
        self.program = str(zig("calls.c"))
        self.sessions: list[up.Session] = []

    def __call__(self, *arguments: str, **options: Any) -> up.Session:
        options = {"engine": self.engine, "mode": self.mode, "output": os.devnull, **options}
        session = up.Session([self.program, *arguments], **options)
        self.sessions.append(session)
        return session

    def line(self, function: str, name: str = "", kind: str = "p") -> str:
        value = "n=$retval" if kind == "r" else "n=%x0"
        return f"{kind}:g/{name or function} {self.program}:{function} {value}"


@pytest.fixture(params=WAYS, ids="-".join)
def live(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Make sessions: ``live("spin", "1000")``."""
    engine, mode = request.param
    if engine == "c":
        pytest.importorskip("uprobe_core.native._engine")
        pytest.importorskip("uprobe_unicorn.native._glue")
    monkeypatch.setenv("UPROBE_ENGINE", engine)
    made = Live(engine, mode)
    yield made
    for session in made.sessions:
        session.close()


class At:
    """A consumer that acts once, when the argument ``n`` is *number*."""

    name = "at"

    def __init__(self, actions: dict[int, Callable[[], Any]]) -> None:
        self.actions = actions

    def handler(self, hit: Any) -> None:
        action = self.actions.pop(hit.values[0], None)
        if action is not None:
            action()


class Talk:
    """The program's standard input and output, while a session runs in this process.

    What *function* does in a thread of its own is done between two requests, when the
    program is waiting or busy, as it likes; its error is the test's.
    """

    def __init__(self) -> None:
        self._in, self._to = os.pipe()
        self._from, self._out = os.pipe()
        self.error: BaseException | None = None

    def request(self) -> None:
        """Let the program call work() ten times."""
        os.write(self._to, b"x")
        assert os.read(self._from, 1) == b"+"

    def during(self, session: up.Session, function: Callable[[], None]) -> None:
        """Run *session*, with *function* in another thread; then the program is told to quit."""

        def control() -> None:
            try:
                function()
            except BaseException as error:
                self.error = error
            finally:
                os.write(self._to, b"q")

        kept = os.dup(0), os.dup(1)
        os.dup2(self._in, 0)
        os.dup2(self._out, 1)
        thread = threading.Thread(target=control, daemon=True)
        thread.start()
        try:
            session.run()
        finally:
            for number, descriptor in enumerate(kept):
                os.dup2(descriptor, number)
                os.close(descriptor)
        thread.join(30)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        for descriptor in (self._in, self._to, self._from, self._out):
            os.close(descriptor)


@pytest.fixture
def talk() -> Iterator[Talk]:
    """The other end of the program's standard input and output."""
    made = Talk()
    yield made
    made.close()
