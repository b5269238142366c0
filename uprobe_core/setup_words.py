"""The parts of a set-up that have a text of their own: event lines, consumers, filters, triggers, binds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from uprobe_core.backend import Bind
from uprobe_core.errors import UsageError
from uprobe_core.value_types import ONE_OR_MORE, choice, listing

__all__ = (
    "BINDS",
    "CONSUMERS",
    "COVERAGE",
    "EVENTS",
    "EXPECTED",
    "FILES",
    "FILES_WRITTEN",
    "FILTERS",
    "FOLDERS",
    "PATTERNS",
    "PROFILE",
    "SAMPLES",
    "TOPICS",
    "TRACE",
    "TRIGGERS",
    "WALLS",
    "ConsumerUse",
    "EventLine",
    "EventsFile",
    "FilterUse",
    "FormatUse",
    "FunctionOf",
    "TriggerUse",
    "parse_bind",
    "parse_sysroot",
    "parse_topic",
)

TRACE = "trace"
"""The consumer that writes records, which there is when none is named."""
COVERAGE = "coverage"
"""The consumer of executed code, which there is where it is to go to a file."""
PROFILE = "profile"
"""The consumer of samples, which are records as well where a format is named."""
SAMPLES = "profile/sample"
"""The event of samples."""
TOPICS = ("hits", "places", "syscalls")
"""What ``--debug=`` explains."""
_EVENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*[./])?[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FunctionOf:
    """Of an event line that was made for a function (``-F``): which end of which one it is for.

    :param name: of the function, as its source has it
    :param is_return: it is at the return, and only for those who read records
    """

    name: str
    is_return: bool


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event line and where it was written, for error messages.

    :param text: the line in the kernel's language, continuation already joined
    :param source: "-e", or the file's name
    :param number: 1-based line in *source*, 0 when it is not a file
    :param function: of a line that nobody wrote
    """

    text: str
    source: str = "-e"
    number: int = 0
    function: FunctionOf | None = None

    @classmethod
    def parse(cls, text: str) -> EventLine:
        """The line *text*; raises UsageError for a blank one: a variable of a script was empty."""
        if not text.strip():
            raise UsageError(f"-e {text!r} names no event", hint="is the variable that it comes from set?")
        return cls(text)


def parse_topic(text: str) -> str:
    """One of the kinds of decisions that can be explained; raises UsageError."""
    if text not in TOPICS:
        raise UsageError(
            f"--debug={text!r} is nothing that can be explained", hint=f"there are {', '.join(TOPICS)}"
        )
    return text


@dataclass(frozen=True, slots=True)
class EventsFile:
    """A file of event lines that is not cut into lines yet: the policy decides how.

    :param text: what stands in it, None as long as nobody has read it
    """

    path: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ConsumerUse:
    """A consumer chosen by name, with its options; ``-C NAME[:key=value,...]``.

    :param event: [GROUP/]NAME of the one event it is for, None for all
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    event: str | None = None

    @classmethod
    def parse(cls, text: str) -> ConsumerUse:
        """From ``NAME[:key=value,...]``; a comma belongs to a value unless ``key=`` follows it.

        The option ``event`` is ours: the one event that the consumer is for.
        Raises UsageError.
        """
        name, options = _name_and_options(text, "consumer")
        event = options.pop("event", None)
        return cls(name, options, event)


def _name_and_options(text: str, what: str) -> tuple[str, dict[str, str]]:
    """``NAME[:key=value,...]``; a comma belongs to a value unless ``key=`` follows it.  Raises UsageError.

    NAME may be ``PACKAGE:NAME`` where options, or a colon and nothing, follow.
    """
    name, colon, rest = text.partition(":")
    second, more, options_of_second = rest.partition(":")
    if more and second and "=" not in second:
        name, colon, rest = f"{name}:{second}", ":" if options_of_second else "", options_of_second
    if not name or (colon and not rest):
        raise UsageError(f"{what} {text!r} has no name or no options after ':'", hint="NAME[:key=value,...]")
    options: dict[str, str] = {}
    for part in re.split(r",(?=[A-Za-z_][A-Za-z0-9_-]*=)", rest) if rest else ():
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise UsageError(f"{part!r} in {what} {text!r} is not key=value", hint="NAME[:key=value,...]")
        if key in options:
            raise UsageError(f"option {key!r} is given twice in {what} {text!r}")
        options[key] = value
    return name, options


@dataclass(frozen=True, slots=True)
class FormatUse:
    """A writer chosen by name, with its options; ``--format NAME[:key=value,...]``."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> FormatUse:
        """From ``NAME[:key=value,...]``; raises UsageError."""
        return cls(*_name_and_options(text, "format"))


def _event_and(text: str, what: str) -> tuple[str, str]:
    """Split ``EVENT:REST``; raises UsageError."""
    event, colon, rest = text.partition(":")
    if not colon or not rest.strip() or _EVENT.fullmatch(event) is None:
        raise UsageError(
            f"{what} {text!r} is not EVENT:TEXT", hint="EVENT is [GROUP/]NAME, as in work:'a > 3'"
        )
    return event, rest.strip()


@dataclass(frozen=True, slots=True)
class FilterUse:
    """``--filter EVENT:EXPR``."""

    event: str
    expression: str

    @classmethod
    def parse(cls, text: str) -> FilterUse:
        """From ``[GROUP/]EVENT:EXPR``; raises UsageError."""
        return cls(*_event_and(text, "filter"))


@dataclass(frozen=True, slots=True)
class TriggerUse:
    """``--trigger EVENT:TEXT``."""

    event: str
    text: str

    @classmethod
    def parse(cls, text: str) -> TriggerUse:
        """From ``[GROUP/]EVENT:TEXT``; raises UsageError."""
        return cls(*_event_and(text, "trigger"))


def parse_bind(text: str) -> Bind:
    """A bind from ``HOST:GUEST[:ro]``; GUEST is absolute.  Raises UsageError."""
    parts = text.split(":")
    read_only = len(parts) == 3 and parts[2] == "ro"
    if len(parts) - read_only != 2 or not parts[0] or not parts[1].startswith("/"):
        raise UsageError(f"bind {text!r} is not HOST:GUEST[:ro]", hint="GUEST is an absolute path")
    return Bind(parts[0], parts[1], read_only)


def parse_sysroot(text: str) -> dict[str, str | bool]:
    """The folder and whether it is read-only from ``DIR[:ro]``; raises UsageError."""
    folder, read_only = (text[:-3], True) if text.endswith(":ro") else (text, False)
    if not folder:
        raise UsageError(f"sysroot {text!r} names no folder", hint="DIR or DIR:ro")
    return {"sysroot": folder, "sysroot_read_only": read_only}


EVENTS = listing(EventLine.parse, EventLine)
FILES = listing(EventsFile, EventsFile, is_path=True)
CONSUMERS = listing(ConsumerUse.parse, ConsumerUse)
FILTERS = listing(FilterUse.parse, FilterUse)
TRIGGERS = listing(TriggerUse.parse, TriggerUse)
EXPECTED = listing(str, str)
BINDS = listing(
    parse_bind,
    Bind,
    "^[^:]+:/[^:]*(:ro)?$",
    'a list of "HOST:GUEST" or "HOST:GUEST:ro" strings with an absolute GUEST',
    is_path=True,
)
FILES_WRITTEN = replace(
    ONE_OR_MORE,
    convert=lambda value: (value,) if isinstance(value, str) else tuple(value),
    parse=lambda text: (text,),
    adds=True,
    is_path=True,
)
FOLDERS = listing(str, str)
PATTERNS = listing(str, str)
WALLS = choice(("auto", "require", "off"))
