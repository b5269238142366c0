"""One run of a program under test: probes before it, what it did after it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from uprobe_core.errors import PluginError, UsageError
from uprobe_core.session import Session
from uprobe_pytest.recorded_hits import RecordedHit, expect_hits, expect_trace, read_hits

if TYPE_CHECKING:
    from uprobe_core.backend import ExitStatus

__all__ = ("ProbedRun", "Runs")


class Runs:
    """Makes runs, whose records go to files in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def __call__(self, argv: Sequence[str] | str, *, stdin: bytes = b"", **options: Any) -> ProbedRun:
        """A run of *argv* (a path alone is a program without arguments); see ProbedRun."""
        self._made += 1
        words = [argv] if isinstance(argv, str) else list(argv)
        return ProbedRun(words, self._folder / f"{self._made}.jsonl", stdin, options)


class ProbedRun:
    """A session whose hits, standard streams and failures belong to a test.

    Every event that is hit is recorded (:attr:`hits`).  What a handler raises,
    an ``assert`` say, comes out of :meth:`run` as it is, which ends the program
    there; with ``strict=False`` it is a warning.

    :param records: the file for the records
    :param stdin: what the program can read
    :ivar session: the ``uprobe_core.Session``, for whatever is not offered here
    :ivar stdout: what the program wrote, known after :meth:`run`; likewise *stderr*
    """

    def __init__(self, argv: Sequence[str], records: Path, stdin: bytes, options: dict[str, Any]) -> None:
        taken = {"output", "format"} & set(options)
        if taken:
            raise UsageError(
                f"uprobe_session keeps the records itself and takes no {min(taken)!r}", hint="use Session"
            )
        consumers = ["trace", *options.pop("consumers", ())]
        self._records, self._stdin = records, stdin
        self._raised: BaseException | None = None
        self.stdout = b""
        self.stderr = b""
        self.session = Session(
            argv,
            **{"strict": True, **options},
            consumers=consumers,
            output=str(records),
            format="jsonl",
        )

    def probe(self, spec: str, *consumers: Any) -> Any:
        """Add an event line with *consumers*, as ``Session.probe`` does.

        What is given are actions (``up.Count()``), objects with ``handler`` and/or ``ret_handler``,
        or a function, which is called with each hit; of a return event, with each return.
        """
        guarded = tuple(self._guard(spec, consumer) for consumer in consumers)
        self.session.probe(spec, *guarded)
        return consumers[0] if len(consumers) == 1 else consumers

    def _guard(self, spec: str, consumer: Any) -> Any:
        if hasattr(consumer, "attach"):
            return consumer
        if callable(consumer) and not hasattr(consumer, "handler") and not hasattr(consumer, "ret_handler"):
            method = "ret_handler" if spec.lstrip()[:1] == "r" else "handler"
            return _Guarded(self._failed, {method: consumer}, getattr(consumer, "__name__", "function"))
        names = ("handler", "ret_handler", "missed", "filter")
        methods = {name: getattr(consumer, name) for name in names if hasattr(consumer, name)}
        return _Guarded(self._failed, methods, getattr(consumer, "name", type(consumer).__name__))

    def _failed(self, error: BaseException) -> None:
        if self._raised is None:
            self._raised = error

    def run(self) -> ExitStatus:
        """Run the program to its end; raises what a handler raised, and the errors of ``Session.run``."""
        streams = _Streams(self._stdin)
        try:
            with self.session, streams:
                return self.session.run()
        except PluginError as error:
            raise self._raised or error from None
        finally:
            self.stdout, self.stderr = streams.out, streams.err

    @property
    def hits(self) -> list[RecordedHit]:
        """All hits in order, over events, threads and processes; empty before the run."""
        return read_hits(self._records)

    def assert_hits(self, event: str, times: int | None = None, **args: Any) -> list[RecordedHit]:
        """The hits of *event* whose arguments are *args*; there are *times* of them (None: at least one).

        Raises AssertionError with the trace.
        """
        return expect_hits(self.hits, event, times, args)

    def assert_trace(self, expected: Sequence[str], *events: str) -> None:
        """The hits of *events* (all if none is named) are *expected*, each as ``name arg=value ...``."""
        expect_trace([hit for hit in self.hits if not events or hit.event in events], expected)


class _Guarded:
    """A consumer whose failures are kept as they were raised, pytest's own included."""

    def __init__(
        self,
        failed: Callable[[BaseException], None],
        methods: dict[str, Callable[..., Any]],
        name: str,
    ) -> None:
        self.name = name
        for method, function in methods.items():
            setattr(self, method, self._keep(failed, function))

    @staticmethod
    def _keep(failed: Callable[[BaseException], None], function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            try:
                return function(*args)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # pytest.fail() and pytest.skip() are no Exceptions
                failed(error)
                raise RuntimeError(str(error)) from error

        return call


class _Streams:
    """Descriptors 0, 1 and 2 are files meanwhile.

    :ivar out: what 1 got, known afterwards; *err*: the same for 2
    """

    def __init__(self, stdin: bytes) -> None:
        self.out = self.err = b""
        self._stdin = stdin

    def __enter__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115  # closed at the exit
        self._files[0].write(self._stdin)
        self._files[0].seek(0)
        self._kept = [os.dup(number) for number in range(3)]
        for number, file in enumerate(self._files):
            os.dup2(file.fileno(), number)

    def __exit__(self, *exc: object) -> None:
        for number, original in enumerate(self._kept):
            os.dup2(original, number)
            os.close(original)
        _, self.out, self.err = [_content(file) for file in self._files]


def _content(file: IO[bytes]) -> bytes:
    """All of *file*, which is closed."""
    with file:
        file.seek(0)
        return file.read()
