"""Triggers: ``COMMAND[:COUNT] [if FILTER]``, removed with ``!COMMAND``.

Forms, refusals and the text of the ``trigger`` file:
kernel/trace/trace_events_trigger.c (6.12) and recorded writes.  What a trigger
does at a hit is the session's part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from uprobe_core.errors import SpecError
from uprobe_core.events.fields import spec_of
from uprobe_core.events.filters import compile_filter
from uprobe_core.events.hints import nearest
from uprobe_core.events.hist_parse import ERRORS as HIST_ERRORS
from uprobe_core.events.hist_parse import HistSpec, parse_hist
from uprobe_core.events.tokens import NumberError, kstrtoul

__all__ = ("COMMANDS", "Trigger", "TriggerList", "parse_trigger")

COMMANDS = (
    "traceon",
    "traceoff",
    "snapshot",
    "stacktrace",
    "enable_event",
    "disable_event",
    "enable_hist",
    "disable_hist",
    "hist",
)
_ON_EVENTS = ("enable_event", "disable_event", "enable_hist", "disable_hist")
_BLANK = " \t"
UNLIMITED = -1


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger of an event.

    :param target: ``GROUP/NAME`` of the event that it switches, else ""
    :param count: how often it acts, UNLIMITED for always
    :param test: whether it acts on a hit; None without a filter
    :param hist: the histogram of a ``hist`` trigger
    """

    command: str
    target: str = ""
    count: int = UNLIMITED
    filter_text: str = ""
    test: Callable[[Any], bool] | None = field(default=None, compare=False)
    hist: HistSpec | None = None

    def text(self, state: str = "active") -> str:
        """The line of the ``trigger`` file; *state* is that of a histogram."""
        if self.hist is not None:
            return self.hist.text(state)
        target = f":{self.target.replace('/', ':')}" if self.target else ""
        count = "unlimited" if self.count == UNLIMITED else f"count={self.count}"
        condition = f" if {self.filter_text}" if self.filter_text else ""
        return f"{self.command}{target}:{count}{condition}"

    def replaces(self, other: Trigger) -> bool:
        """Whether an event can have only one of the two: the same command, target or histogram."""
        if self.hist is not None and other.hist is not None:
            return self.hist.same_as(other.hist)
        return self._switches() == other._switches()  # the same class

    def _switches(self) -> tuple[str, str]:
        """traceon and traceoff, enable and disable are one kind each."""
        kind = {"traceon": "trace", "traceoff": "trace"}.get(self.command, self.command)
        return kind.replace("disable_", "enable_"), self.target


class TriggerList:
    """The triggers of one event, newest first, as its ``trigger`` file lists them."""

    def __init__(self) -> None:
        self._triggers: list[Trigger] = []
        self._paused: list[Trigger] = []

    def __iter__(self) -> Any:
        return iter(self._triggers)

    def __len__(self) -> int:
        return len(self._triggers)

    def listing(self) -> list[str]:
        """The lines of the file."""
        return [trigger.text("paused" if trigger in self._paused else "active") for trigger in self._triggers]

    def write(self, text: str, event: object, events: Callable[[str], bool]) -> Trigger:
        """Do what one line says; returns the trigger that was added, removed or spoken of.

        :param events: whether ``GROUP/NAME`` is an event

        Raises SpecError.  ``!COMMAND`` of what is not there does nothing.
        """
        trigger = parse_trigger(text, event, events)
        same = next((each for each in self._triggers if trigger.replaces(each)), None)
        if text.strip(_BLANK).startswith("!"):
            if same is not None:
                self._triggers.remove(same)
            return trigger
        if trigger.hist is not None and trigger.hist.command in ("clear", "continue", "pause"):
            return self._command(trigger, same)
        if same is not None:
            raise self._exists(trigger, text)
        self._add(trigger)
        return trigger

    def _add(self, trigger: Trigger) -> None:
        """Histograms come after the others and in order; the newest of the others is first."""
        if trigger.hist is not None:
            self._triggers.append(trigger)
        else:
            self._triggers.insert(0, trigger)

    def _command(self, trigger: Trigger, same: Trigger | None) -> Trigger:
        """``pause`` defines a paused histogram; all three act on one that is there."""
        assert trigger.hist is not None
        if same is None and trigger.hist.command != "pause":
            raise SpecError(
                HIST_ERRORS["TRIGGER_ENOENT_CLEAR"], line=trigger.text(""), caret=0, errno_name="ENOENT"
            )
        if same is None:
            self._add(trigger)
        target = same or trigger
        self._paused = [
            each for each in self._paused if each is not target or trigger.hist.command == "clear"
        ]
        if trigger.hist.command == "pause":
            self._paused.append(target)
        return trigger

    @staticmethod
    def _exists(trigger: Trigger, text: str) -> SpecError:
        if trigger.hist is not None:
            return SpecError(HIST_ERRORS["TRIGGER_EEXIST"], line=text, caret=0, errno_name="EEXIST")
        return SpecError(
            f"the event has a {trigger.command} trigger already",
            line=text,
            errno_name="EEXIST",
            logged=False,
            hint=f"remove it first: !{trigger.command}",
        )


def _refusal(text: str, reason: str, hint: str = "") -> SpecError:
    return SpecError(reason, line=text, logged=False, hint=hint, slug="bad-trigger")


def parse_trigger(text: str, event: object, events: Callable[[str], bool]) -> Trigger:
    """The trigger that *text* defines for *event* (an EventSpec, or anything with one as ``spec``).

    A leading ``!`` is passed over: it names the trigger to remove.

    :param events: whether ``GROUP/NAME`` is an event

    Raises SpecError with what the kernel says, where it says something.
    """
    line = text.strip(_BLANK)
    body = line.removeprefix("!")
    cut = min((body.find(c) for c in ": \t" if c in body), default=len(body))
    command = body[:cut]
    if command not in COMMANDS:
        hint = nearest(command, COMMANDS) or f"triggers: {', '.join(COMMANDS)}"
        raise _refusal(line, f"no such trigger: {command!r}", hint)
    if command == "hist":
        return _hist(line, body.replace("hist ", "hist:", 1), event)
    return _simple(line, command, body[cut:], event, events)


def _condition(line: str, text: str, event: object) -> tuple[str, Callable[[Any], bool] | None]:
    """The filter in ``if FILTER`` (or "" for none) and its test."""
    words = text.split(None, 1)
    if not words:
        return "", None
    if words[0] != "if" or len(words) < 2:
        raise _refusal(line, f"not a condition: {text.strip()!r}", "write COMMAND[:COUNT] if FILTER")
    condition = words[1].strip(_BLANK)
    return condition, _test(condition, event)


def _test(condition: str, event: object) -> Callable[[Any], bool]:
    """What the filter *condition* tests; 6.1 logs nothing of one that is wrong."""
    try:
        return compile_filter(condition, event)
    except SpecError as error:
        error.logged = not spec_of(event).is_older
        raise


def _count(line: str, text: str) -> int:
    try:
        return kstrtoul(text)
    except NumberError:
        raise _refusal(line, f"not a count: {text!r}", "write COMMAND:COUNT, COUNT a number") from None


def _simple(line: str, command: str, rest: str, event: object, events: Callable[[str], bool]) -> Trigger:
    """Every command but ``hist``; *rest* is what follows its name."""
    head, tail = rest, ""
    for blank in _BLANK:
        at = head.find(blank)
        if at >= 0:
            head, tail = head[:at], head[at:] + tail
    parts = head.split(":")[1:]
    if command in _ON_EVENTS and not parts and tail.strip(_BLANK):  # a blank separates as well
        word, _, tail = tail.strip(_BLANK).partition(" ")
        parts = word.split(":")
    target = ""
    if command in _ON_EVENTS:
        target = _target(line, command, parts, events)
        parts = parts[2:]
    count = _count(line, parts[0]) if parts and parts[0] else UNLIMITED
    condition, test = _condition(line, tail, event)
    return Trigger(command, target, count, condition, test)


def _target(line: str, command: str, parts: list[str], events: Callable[[str], bool]) -> str:
    if len(parts) < 2 or not all(parts[:2]):
        raise _refusal(line, f"{command} names no event", f"write {command}:GROUP:NAME[:COUNT]")
    name = f"{parts[0]}/{parts[1]}"
    if not events(name):
        raise _refusal(line, f"no such event: {name}", f"write {command}:GROUP:NAME[:COUNT]")
    return name


def _hist(line: str, text: str, event: object) -> Trigger:
    """``hist:...[ if FILTER]``; the histogram is checked before the filter."""
    at = text.find(" if ")
    if at < 0 and text.rstrip(_BLANK).endswith(" if"):
        raise _refusal(line, "no filter follows 'if'")
    body, condition = (text[:at], text[at + 4 :].rstrip(_BLANK)) if at >= 0 else (text, "")
    spec = parse_hist(body.rstrip(_BLANK), condition, spec_of(event))
    test = _test(condition, event) if condition else None
    return Trigger("hist", filter_text=condition, test=test, hist=replace(spec, filter_text=condition))
