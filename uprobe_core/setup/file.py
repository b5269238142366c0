"""Set-up files: TOML to :class:`~uprobe_core.run_setup.RunSetup`, with every mistake named at once.

A file says what the command line can say and means the same: paths are
relative to the working directory of the run, not to the file.  What is
allowed stands in :mod:`uprobe_core.setup.schema`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from uprobe_core.errors import ConfigError, UsageError
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, RunSetup, TriggerUse
from uprobe_core.setup import values as config_values
from uprobe_core.setup.schema import CONSUMER, EVENT, TABLES, TOP_LISTS, TOP_MAPS, Key
from uprobe_core.setup.texts import (
    event_lines,
    event_name,
    parse_consumer,
    parse_filter,
)

__all__ = ("ConfigProblem", "SetupFileError", "from_document", "load", "read_text")


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a set-up file.

    :param file: as the caller named it
    :param table: the table it is in, such as "limits" or "events[2]"; "" at the top level
    :param key: the offending key, "" when the table itself is wrong
    :param value: the offending value as text, "" when the key itself is wrong
    :param allowed: what may stand there
    """

    file: str
    table: str
    key: str
    value: str
    message: str
    allowed: str = ""
    hint: str = ""

    @property
    def where(self) -> str:
        """``FILE: [TABLE] KEY``, as far as known."""
        table = f" [{self.table}]" if self.table else ""
        return f"{self.file}:{table}{' ' + self.key if self.key else ''}".rstrip(":")

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SetupFileError(ConfigError):
    """All mistakes of one set-up file; the text is the first one's."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__(str(problems[0]), hint=problems[0].hint)
        self.problems = problems


def load(path: str) -> RunSetup:
    """Read the set-up file *path*; raises SetupFileError with every mistake in it."""
    text = read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupFileError(
            [ConfigProblem(path, "", "", "", f"not valid TOML: {_lower(str(error))}")]
        ) from error
    return from_document(document, path)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def read_text(path: str) -> str:
    """The whole of a small text file; raises ConfigError when that cannot be had."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", slug="unreadable-file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"cannot read {path}: not UTF-8 text at byte {error.start}", slug="unreadable-file"
        ) from error


def from_document(document: Mapping[str, Any], path: str) -> RunSetup:
    """The set-up that a parsed document means; raises SetupFileError, blaming *path*."""
    reader = _Reader(path)
    setup = reader.read(document)
    if reader.problems:
        raise SetupFileError(reader.problems)
    return setup


def _elsewhere(name: str, table: str) -> str:
    """A hint for a key of another table, or for one that has the name of its command-line option."""
    option = "--" + name.replace("_", "-")
    for other, keys in TABLES.items():
        for key, spec in keys.items():
            if option == spec.option.partition(" ")[0] or (name == key and table):
                return f"that is {key!r} of [{other}]"
    return ""


class _Reader:
    """Turns one document into a RunSetup and collects problems on the way."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[ConfigProblem] = []
        self.kernel = False
        self.filters: list[FilterUse] = []
        self.triggers: list[TriggerUse] = []

    def bad(
        self, table: str, key: str, value: object, message: str, allowed: str = "", hint: str = ""
    ) -> None:
        """Note one problem."""
        shown = "" if value is None else _shown(value)
        self.problems.append(ConfigProblem(self.path, table, key, shown, message, allowed, hint))

    def read(self, document: Mapping[str, Any]) -> RunSetup:
        """Check every table; the result is only good if there are no problems."""
        self.unknown("", document, [*TABLES, *TOP_LISTS, *TOP_MAPS])
        plain = {name: self.table(name, document.get(name, {}), keys) for name, keys in TABLES.items()}
        self.kernel = str(plain["run"].get("policy", "")).startswith("kernel")
        events = tuple(self.events(document))
        consumers = tuple(self.consumers(self.list_of("consumers", document)))
        self.maps(document)
        setup = replace(
            config_values.run(plain["run"]),
            events=events,
            consumers=consumers,
            filters=tuple(self.filters),
            triggers=tuple(self.triggers),
            limits=config_values.limits(plain["limits"]),
        )
        return config_values.output(config_values.target(setup, plain["target"]), plain["output"])

    # --- checking ---------------------------------------------------------------------------------

    def unknown(self, table: str, found: Mapping[str, Any], allowed: list[str]) -> None:
        """A key that is not in *allowed* is a problem, with the nearest name."""
        what = "key" if table else "table or key"
        for key in found:
            if key not in allowed:
                close = get_close_matches(key, allowed, n=1)
                hint = _elsewhere(key, table) or (f"did you mean {close[0]!r}?" if close else "")
                listed = ", ".join(allowed)
                self.bad(table, key, None, f"unknown {what} {key!r}; allowed: {listed}", listed, hint)

    def table(self, name: str, found: Any, keys: Mapping[str, Key]) -> dict[str, Any]:
        """The good values of a table with fixed keys."""
        if not isinstance(found, dict):
            self.bad(name, "", found, f"must be a table, not {_shown(found)}", "a table")
            return {}
        self.unknown(name, found, list(keys))
        good: dict[str, Any] = {}
        for key, spec in keys.items():
            if key in found and self.value(name, key, found[key], spec):
                good[key] = found[key]
            elif key not in found and spec.required:
                self.bad(name, key, None, f"{key!r} is missing: {spec.doc}", spec.type.allowed)
        return good

    def value(self, table: str, key: str, value: Any, spec: Key) -> bool:
        """Whether *value* is allowed; notes a problem if it is not."""
        if spec.type.accepts(value):
            return True
        hint = _nearest_choice(value, spec)
        self.bad(table, key, value, f"{_shown(value)} is not {spec.type.allowed}", spec.type.allowed, hint)
        return False

    def list_of(self, name: str, document: Mapping[str, Any]) -> list[Any]:
        """The list at the top level called *name*, empty if there is none."""
        found = document.get(name, [])
        if not isinstance(found, list):
            self.bad("", name, found, f"must be a list, not {_shown(found)}", "a list of strings or tables")
            return []
        return found

    # --- events -----------------------------------------------------------------------------------

    def events(self, document: Mapping[str, Any]) -> Iterator[EventLine]:
        """Event lines of the list, then of the files."""
        for index, item in enumerate(self.list_of("events", document)):
            table = f"events[{index}]"
            if isinstance(item, str):
                yield EventLine(item, f"{self.path} [{table}]")
            else:
                yield from self.event(table, item)
        files = document.get("events-files", [])
        if self.value("", "events-files", files, TOP_LISTS["events-files"]):
            for name in files:
                yield from self.event_file(name)

    def event_file(self, name: str) -> list[EventLine]:
        """The lines of one event file; one that cannot be read is a problem."""
        try:
            return event_lines(read_text(name), name, continued=not self.kernel)
        except ConfigError as error:
            self.bad("", "events-files", name, error.message)
            return []

    def event(self, table: str, item: Any) -> Iterator[EventLine]:
        """The line that one event table means."""
        before = len(self.problems)
        good = self.table(table, item, EVENT)
        if len(self.problems) > before:
            return
        if ("line" in good) == ("place" in good):
            self.bad(
                table, "", None, "needs either 'line' or 'place'", "line, or place and what goes with it"
            )
            return
        apart = sorted(good.keys() & {"type", "name", "group", "args"}) if "line" in good else []
        if apart:
            self.bad(
                table, apart[0], None, f"{', '.join(apart)} cannot stand beside 'line', which says it all"
            )
            return
        line = good["line"] if "line" in good else config_values.event_line(good)
        self.extras(table, line, good)
        yield EventLine(line, f"{self.path} [{table}]")

    def extras(self, table: str, line: str, good: Mapping[str, Any]) -> None:
        """The filter and triggers that stand in an event's own table."""
        extras = [key for key in ("filter", "triggers") if key in good]
        name = event_name(line)
        if extras and name is None:
            self.bad(
                table, extras[0], good[extras[0]], f"an event with {extras[0]} needs a name", "", "add name"
            )
            return
        if name is not None and "filter" in good:
            self.filters.append(FilterUse(name, good["filter"]))
        if name is not None:
            self.triggers += [TriggerUse(name, text) for text in _as_list(good.get("triggers", []))]

    # --- the rest ---------------------------------------------------------------------------------

    def consumers(self, found: list[Any]) -> Iterator[ConsumerUse]:
        """Consumers from strings or tables."""
        for index, item in enumerate(found):
            table = f"consumers[{index}]"
            if isinstance(item, str):
                try:
                    yield parse_consumer(item)
                except UsageError as error:
                    self.bad(table, "", item, error.message, "NAME[:key=value,...]", error.hint)
                continue
            good = self.table(table, item, CONSUMER)
            if "name" in good:
                options = {key: _as_text(value) for key, value in good.get("options", {}).items()}
                yield ConsumerUse(good["name"], options, good.get("event"))

    def maps(self, document: Mapping[str, Any]) -> None:
        """The tables ``filters`` and ``triggers``, whose keys are events."""
        for name, key in TOP_MAPS.items():
            found = document.get(name, {})
            if not isinstance(found, dict):
                self.bad(name, "", found, f"must be a table, not {_shown(found)}", "a table of events")
                continue
            for event, value in found.items():
                if not self.value(name, event, value, key):
                    continue
                try:
                    for text in _as_list(value):
                        use = parse_filter(f"{event}:{text}")  # both have the form EVENT:TEXT
                        if name == "filters":
                            self.filters.append(use)
                        else:
                            self.triggers.append(TriggerUse(use.event, use.expression))
                except UsageError as error:
                    self.bad(name, event, value, error.message, "[GROUP/]EVENT and a text", error.hint)


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _as_text(value: Any) -> str:
    """An option's value as the command line would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Any) -> str:
    """A value as TOML writes it, nearly; long ones are cut."""
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else repr(value)
    )
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nearest_choice(value: Any, spec: Key) -> str:
    """A hint for a word that is nearly one of the allowed ones."""
    words = [word for word in spec.type.schema.get("enum", []) if isinstance(word, str)]
    close = get_close_matches(value, words, n=1) if isinstance(value, str) else []
    return f"did you mean {close[0]!r}?" if close else ""
