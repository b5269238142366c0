"""The life of a run's consumers: start, fork, exec, finish, merge (:class:`uprobe_core.consumer.Consumer`).

A guest fork is a fork of the whole session, so each process has a copy of every consumer. One that can be
brought together says what it found when its process ends, and the session's own merges it at the end of
the run, process by process in the order in which they ended. What the others missed is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from uprobe_core.actions.base import Action
from uprobe_core.errors import as_failure

if TYPE_CHECKING:
    from uprobe_core.backend import Task
    from uprobe_core.records.spool import Spool
    from uprobe_core.tracing.event import Event, Sink

__all__ = ("Lives",)

Ended = tuple[int, int, int, Any]
"""Time and process id of an end, number of a consumer, what it found there."""


class Lives:
    """Everything that is attached to the events of a session.

    :param failed: called with (event, sink, exception) when one of them raised
    """

    def __init__(self, failed: Callable[[Event, Sink, Exception], None]) -> None:
        self._failed = failed
        self._attached: list[tuple[Event, Sink, bool]] = []
        """With whether what it finds in forked processes reaches the session."""
        self._first: dict[int, int] = {}
        """The number of each consumer, by its id()."""
        self._shared: int | None = None
        """In a forked process: how many of them the session knows as well."""
        self._started = False
        self._ended: list[Ended] = []
        self._last = (0, 0)

    def __len__(self) -> int:
        return len(self._attached)

    def add(self, event: Event, sink: Sink, source: object) -> None:
        """*sink*, which *source* made, was attached to *event*."""
        number = len(self._attached)
        is_new = self._first.setdefault(id(sink), number) == number
        travels = isinstance(source, Action) or getattr(sink, "writes_records", False)
        self._attached.append((event, sink, travels or hasattr(sink, "merge")))
        if self._started and is_new:
            self._call(event, sink, "start")

    def keep(self, count: int) -> None:
        """Forget all but the first *count*."""
        for _, sink, _ in self._attached[count:]:
            if self._first.get(id(sink), 0) >= count:
                del self._first[id(sink)]
        del self._attached[count:]

    def _each(self) -> Iterator[tuple[int, Event, Sink]]:
        """Every consumer once, with its number."""
        for number in list(self._first.values()):
            event, sink, _ = self._attached[number]
            yield number, event, sink

    def _call(self, event: Event, sink: Sink, name: str, *arguments: Any) -> Any:
        method = getattr(sink, name, None)
        try:
            return method(*arguments) if callable(method) else None
        except KeyboardInterrupt as interrupt:
            said = f"interrupted while {event.name_of(sink)} was to {name}"
            raise KeyboardInterrupt(said) from interrupt
        except BaseException as error:  # a consumer's bug must not end the run, nor may its sys.exit()
            self._failed(event, sink, as_failure(error))
        return None

    # --- in every process -----------------------------------------------------------------------------

    def start(self) -> None:
        """The program is about to run."""
        self._started = True
        for _, event, sink in self._each():
            self._call(event, sink, "start")

    def on_process(self, kind: str, task: Task) -> None:
        """*task* is about to execute another program ("exec"), or has ended ("exit")."""
        if kind == "exit":
            self._last = (task.clock(), task.process.pid)  # it may have been the last one here
        elif kind == "exec":
            for _, event, sink in self._each():
                self._call(event, sink, "exec", task.process)

    # --- in a forked process ----------------------------------------------------------------------------

    def enter_child(self) -> None:
        """This is a new process: what the consumers hold is their copies' in the other one."""
        if self._shared is None:
            self._shared = len(self._attached)
        for _, event, sink in self._each():
            self._call(event, sink, "fork")

    def end_child(self, spool: Spool) -> None:
        """This process ends: send the session what was found in it."""
        for number, event, sink in self._each():
            state = self._call(event, sink, "finish")
            if number < (self._shared or 0) and callable(getattr(sink, "merge", None)):
                try:
                    spool.put(("life", (*self._last, number, state)))
                except Exception as error:  # it cannot be pickled, say
                    self._failed(event, sink, error)

    # --- in the session's own process ---------------------------------------------------------------------

    def heard(self, ended: Ended) -> None:
        """Something came out of a process that has ended."""
        self._ended.append(ended)

    def finish(self) -> None:
        """All processes have ended: bring together what their consumers found."""
        for _time, _pid, number, state in sorted(self._ended, key=lambda each: each[:3]):
            event, sink, _ = self._attached[number]
            self._call(event, sink, "merge", state)
        for _, event, sink in self._each():
            self._call(event, sink, "finish")

    def losses(self, elsewhere: Counter[tuple[str, str]]) -> Iterator[str]:
        """A sentence for each consumer that did not see what forked processes did.

        :param elsewhere: how many "hits" and "returns" an event had there, by (full name, which)
        """
        for event, sink, takes_part in self._attached:
            what = "returns" if event.is_return or not hasattr(sink, "handler") else "hits"
            count = elsewhere[event.full_name, what]
            if count and not takes_part:
                yield (
                    f"{event.name_of(sink)} did not see {count} {what} in forked processes:"
                    " it has no merge() (docs/plugins.md)"
                )
