"""The short texts of a set-up that command line and set-up file share: NAME:key=value and its kin."""

from __future__ import annotations

import re

from uprobe_core.backend import Bind
from uprobe_core.errors import UsageError
from uprobe_core.events.reading import source_lines
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, TriggerUse
from uprobe_core.setup.value_types import parse_policy
from uprobe_core.types import Policy

__all__ = (
    "event_lines",
    "event_name",
    "parse_bind",
    "parse_consumer",
    "parse_filter",
    "parse_policy_text",
    "parse_sysroot",
    "parse_trigger",
)

_EVENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*[./])?[A-Za-z_][A-Za-z0-9_]*")
_NAMED_LINE = re.compile(r"\s*[pr][0-9]*:(?P<event>[^\s]+)\s")


def parse_consumer(text: str) -> ConsumerUse:
    """A consumer from ``NAME[:key=value,...]``; a comma belongs to a value unless ``key=`` follows it.

    The option ``event`` is ours: the one event that the consumer is for.
    Raises UsageError.
    """
    name, colon, rest = text.partition(":")
    if not name or (colon and not rest):
        raise UsageError(
            f"consumer {text!r} has no name or no options after ':'", hint="NAME[:key=value,...]"
        )
    options: dict[str, str] = {}
    for part in re.split(r",(?=[A-Za-z_][A-Za-z0-9_-]*=)", rest) if rest else ():
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise UsageError(f"{part!r} in consumer {text!r} is not key=value", hint="NAME[:key=value,...]")
        if key in options:
            raise UsageError(f"option {key!r} is given twice in consumer {text!r}")
        options[key] = value
    event = options.pop("event", None)
    return ConsumerUse(name, options, event)


def _event_and(text: str, what: str) -> tuple[str, str]:
    """Split ``EVENT:REST``; raises UsageError."""
    event, colon, rest = text.partition(":")
    if not colon or not rest.strip() or _EVENT.fullmatch(event) is None:
        raise UsageError(
            f"{what} {text!r} is not EVENT:TEXT", hint="EVENT is [GROUP/]NAME, as in work:'a > 3'"
        )
    return event, rest.strip()


def parse_filter(text: str) -> FilterUse:
    """A filter from ``[GROUP/]EVENT:EXPR``; raises UsageError."""
    return FilterUse(*_event_and(text, "filter"))


def parse_trigger(text: str) -> TriggerUse:
    """A trigger from ``[GROUP/]EVENT:TEXT``; raises UsageError."""
    return TriggerUse(*_event_and(text, "trigger"))


def parse_bind(text: str) -> Bind:
    """A bind from ``HOST:GUEST[:ro]``; GUEST is absolute.  Raises UsageError."""
    parts = text.split(":")
    read_only = len(parts) == 3 and parts[2] == "ro"
    if len(parts) - read_only != 2 or not parts[0] or not parts[1].startswith("/"):
        raise UsageError(f"bind {text!r} is not HOST:GUEST[:ro]", hint="GUEST is an absolute path")
    return Bind(parts[0], parts[1], read_only)


def parse_sysroot(text: str) -> tuple[str, bool]:
    """(folder, read-only) from ``DIR[:ro]``; raises UsageError."""
    folder, read_only = (text[:-3], True) if text.endswith(":ro") else (text, False)
    if not folder:
        raise UsageError(f"sysroot {text!r} names no folder", hint="DIR or DIR:ro")
    return folder, read_only


def parse_policy_text(text: str) -> Policy:
    """A policy from ``anywhere``, ``kernel`` or ``kernel:VERSION``; raises UsageError."""
    try:
        name, version = parse_policy(text)
    except ValueError as error:
        raise UsageError(f"policy {error}") from error
    return Policy(name) if version is None else Policy(name, version)


def event_lines(text: str, source: str, *, continued: bool = True) -> list[EventLine]:
    """The event lines of a file in the form of ``uprobe_events``, as they stand there.

    Blank lines and comments are left out.  *number* is the 1-based line on
    which an event starts.

    :param continued: whether a line that ends in a backslash goes on in the next one
        (a kernel has no such thing)
    """
    return [
        EventLine(line.text, line.source, line.number)
        for line in source_lines(text, source, continued=continued)
    ]


def event_name(line: str) -> str | None:
    """The ``[GROUP/]NAME`` that an event line gives its event, None if it leaves that to us."""
    match = _NAMED_LINE.match(line + " ")
    return match["event"] if match and not match["event"].endswith("/") else None
