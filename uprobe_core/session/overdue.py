"""A consumer that does not come back: who it is, and how it is made to.

Nothing is done per hit.  When somebody wants to know, the stack of the running
thread is searched for the code of a consumer's method; to end one, an
exception that is no Exception is raised in it, and on the line after if it
catches that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, MethodType
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import ConsumerStopped

if TYPE_CHECKING:
    from uprobe_core.tracing.event import Event
    from uprobe_core.tracing.event_set import EventSet

__all__ = ("Call", "call_under_way", "report_under_way", "stop_call", "waiting_for_reader")

_REPORTS = "uprobe_core.session.report"
_METHODS = ("handler", "ret_handler", "missed", "filter", "fork", "exec")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A method of a consumer that has not come back.

    :param name: whose it is, for messages
    :param frame: its frame; another call has another one
    """

    name: str
    frame: FrameType


def call_under_way(events: EventSet, frame: FrameType | None) -> Call | None:
    """The call of a consumer that *frame* is in, None if it is in none."""
    known: dict[CodeType, list[tuple[Any, Event, Any]]] = {}
    for event in events.events:
        for sink in event.sinks:
            for method in (getattr(sink, name, None) for name in _METHODS):
                for code, owner in _codes(method):
                    known.setdefault(code, []).append((owner, event, sink))
    found = None
    while frame is not None:
        if frame.f_code in known:
            found = _of(frame, known[frame.f_code])
        frame = frame.f_back
    return found


def _codes(method: Any) -> Iterator[tuple[CodeType, Any]]:
    """The code that calling *method* runs first, if it is Python's, and the object that it belongs to."""
    function = getattr(method, "func", method)  # of a functools.partial
    if not hasattr(function, "__code__") and not isinstance(function, MethodType):
        function = getattr(function, "__call__", None)  # noqa: B004  # an object that can be called
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        yield code, getattr(function, "__self__", None)


def _of(frame: FrameType, candidates: list[tuple[Any, Event, Any]]) -> Call:
    """Which of the *candidates*, who share their code, is the one called in *frame*."""
    values = [frame.f_locals.get(name) for name in frame.f_code.co_varnames[: frame.f_code.co_argcount]]
    events = [getattr(value, "event", None) for value in values]

    def fit(candidate: tuple[Any, Event, Any]) -> int:
        owner, event, _sink = candidate
        return 2 * any(value is owner for value in values) + any(each is event for each in events)

    _owner, event, sink = max(candidates, key=fit)
    return Call(event.name_of(sink), frame)


def report_under_way(frame: FrameType | None) -> Call | None:
    """What a consumer is asked for at the end that *frame* is in, None if it is in none."""
    inner = None
    while frame is not None and frame.f_globals.get("__name__") != _REPORTS:
        inner, frame = frame, frame.f_back
    use = None if frame is None else frame.f_locals.get("use")
    return None if inner is None or use is None else Call(f"the report of consumer {use.name!r}", inner)


def waiting_for_reader(frame: FrameType | None) -> FrameType | None:
    """The frame in which output waits for somebody to read it, None if *frame* is in none."""
    while frame is not None and frame.f_code.co_name != "write_patiently":
        frame = frame.f_back
    return frame


def stop_call(call: Call, frame: FrameType | None, why: str) -> None:
    """Raise ConsumerStopped in *frame*, which is in *call*; from a signal handler that interrupted it.

    If *call* catches it, it comes once more with the next line, outside of most that catch.
    """

    def trace(where: FrameType, what: str, _value: object) -> Any:
        if where is call.frame and what == "return":
            sys.settrace(None)
        elif what == "line":
            raise ConsumerStopped(why)
        return trace

    while frame is not None:
        frame.f_trace = trace
        if frame is call.frame:
            break
        frame = frame.f_back
    sys.settrace(lambda *_: None)
    raise ConsumerStopped(why)
