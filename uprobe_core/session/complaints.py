"""What a session says about things that go wrong without ending it, each once; --strict makes them errors."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from uprobe_core.errors import OverdueError, PluginError, ProbeError, UprobeError, said_by

if TYPE_CHECKING:
    from uprobe_core.probes.registry import Link, Uprobe
    from uprobe_core.tracing.event import Event, Sink

__all__ = ("Complaints",)


class Complaints:
    """Warnings of one session, and how often each consumer raised.

    :param strict: whether what would be warned of is raised instead
    :param debug: whether the traceback of a consumer's exception is shown
    """

    def __init__(self, *, strict: bool, debug: bool) -> None:
        self._strict, self._debug = strict, debug
        self._raised: Counter[str] = Counter()
        self._said: set[str] = set()
        self._refused: set[Uprobe] = set()
        self.failure: UprobeError | None = None
        """What makes the run itself fail once it has ended, and everything else is written."""

    def warn(self, text: str) -> None:
        """Tell the user once, on standard error."""
        if text not in self._said:
            self._said.add(text)
            self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        """A line on standard error."""
        if sys.stderr is not None:
            with suppress(OSError):  # the reader of standard error may have gone away
                print(f"uprobe: {text}", file=sys.stderr, flush=True)

    def not_written(self, error: UprobeError) -> None:
        """Something that was collected is lost: said at once, and an error of the run when it has ended."""
        if self._strict and isinstance(error, PluginError):
            raise error
        self.failure = self.failure or error
        self.warn(error.message)

    def not_probed(self, error: ProbeError) -> None:
        """A place could not be probed when nobody was there to be told: raises *error* if strict."""
        if self._strict:
            raise error
        self.warn(f"not probed: {error}")

    def refused(self, uprobe: Uprobe, error: ProbeError) -> None:
        """A mapping that came later could not be probed: a kernel says nothing, we warn once a place."""
        if uprobe not in self._refused:
            self._refused.add(uprobe)
            self.not_probed(error)

    def never_mapped(self, paths: list[str], hint: str) -> None:
        """Nobody told that the files *paths* were mapped."""
        if paths:
            self._unseen(f"not probed: the program was not seen to map {', '.join(paths)}", hint, paths[0])

    def mapped_late(self, count: int, hint: str) -> None:
        """*count* mappings were there for a while before anybody told of them."""
        if count:
            self._unseen(f"hits may be missing: {count} mapping(s) with probes were found late", hint)

    def _unseen(self, what: str, hint: str, where: str = "") -> None:
        """A failure of the run if strict."""
        error = ProbeError(what, where=where, hint=hint, slug="never-mapped")
        if self._strict and self.failure is None:
            self.failure = error
        else:
            self.warn(f"{what}; {hint}" if hint else what)

    def sink_failed(self, event: Event, sink: Sink, error: Exception) -> None:
        """A consumer raised: name it, disable it for this event, count, go on."""
        self._blame(event.name_of(sink), error)
        event.remove(sink)

    def link_failed(self, link: Link, error: Exception) -> None:
        """A consumer raised outside of its handlers, in its filter say."""
        if self._strict and isinstance(error, PluginError):
            raise error  # it already names the consumer
        self._blame(f"consumer {getattr(link.consumer, 'name', '?')!r}", error)

    def _blame(self, name: str, error: Exception) -> None:
        self._raised[name] += not isinstance(error, OverdueError)
        text = f"{name} raised {said_by(error)}"
        if isinstance(error, OverdueError):
            text = f"{name} did not come back and was stopped: {error.message}"
        elif isinstance(error, PluginError):  # it already names who is to blame
            text = error.message
        if self._strict:
            raise PluginError(text, plugin=name, slug="consumer-raised") from error
        self.warn(text)
        if self._debug:
            from traceback import print_exception

            print_exception(error)

    def sum_up(self) -> None:
        """Say how often each consumer raised."""
        for name, count in (+self._raised).items():
            times = "time" if count == 1 else "times"
            self.warn(f"{name} raised {count} {times}; it was disabled the first time")
