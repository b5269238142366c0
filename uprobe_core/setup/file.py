"""Set-up files: what a TOML document says of a run, with every mistake named at once.

A file says what the command line can say and means the same, on top of what
it extends (:mod:`uprobe_core.setup.chain`).  What is allowed stands in
:mod:`uprobe_core.setup.options` and :mod:`uprobe_core.setup.schema`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from uprobe_core.errors import ConfigError, UsageError
from uprobe_core.option import Option, flags_of
from uprobe_core.run_setup import ConsumerUse, EventLine, EventsFile, FilterUse, TriggerUse
from uprobe_core.setup.chain import CHAIN_KEYS, read_chain
from uprobe_core.setup.matrix import Matrix, MatrixValue
from uprobe_core.setup.options import TABLES, TOP, merged
from uprobe_core.setup.problems import ConfigProblem, SetupFileError
from uprobe_core.setup.schema import CONSUMER, EVENT, TOP_MAPS, Key
from uprobe_core.setup.texts import event_line, event_name, read_text
from uprobe_core.value_types import ValueType

__all__ = ("ConfigProblem", "SetupFile", "SetupFileError", "read_document", "read_file")


@dataclass(frozen=True, slots=True)
class SetupFile:
    """What a set-up file says, with the files that it extends.

    :param given: what is good of it, by option
    :param problems: everything else
    :param programs: by a pattern of the program's path, what is said on top for such programs
    :param matrix: what it varies
    """

    given: Mapping[str, Any]
    problems: list[ConfigProblem]
    programs: Sequence[tuple[str, Mapping[str, Any]]] = ()
    matrix: Matrix = field(default_factory=lambda: Matrix({}))

    def for_program(self, program: str) -> Iterator[Mapping[str, Any]]:
        """What is said on top for *program*, in order."""
        return (given for pattern, given in self.programs if fnmatchcase(program, pattern))


def read_file(
    path: str,
    variables: Mapping[str, MatrixValue] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> SetupFile:
    """Read the set-up file *path* and what it extends.

    Raises ConfigError when one of them cannot be read at all.

    :param variables: what ``${NAME}`` is, before the *environment* and the files' own defaults
    """
    documents, axes, problems = read_chain(path, variables or {}, environment)
    given: dict[str, Any] = {}
    programs: list[tuple[str, Mapping[str, Any]]] = []
    for each in documents:
        found = read_document(each.data, each.path)
        given = merged(given, found.given)
        programs += found.programs
        problems += found.problems
    return SetupFile(given, problems, programs, Matrix(axes))


def read_document(document: Mapping[str, Any], path: str) -> SetupFile:
    """What a parsed document says by itself; its problems blame *path*."""
    reader = _Reader(path)
    given = reader.read({name: value for name, value in document.items() if name not in CHAIN_KEYS})
    return SetupFile(given, reader.problems, tuple(_programs(document.get("programs", {}), path, reader)))


def _programs(found: Any, path: str, reader: _Reader) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a document says on top for some programs."""
    if not isinstance(found, dict):
        reader.bad("programs", "", found, f"must be a table, not {_shown(found)}", "a table by program")
        return
    for pattern, document in found.items():
        if not isinstance(document, dict):
            reader.bad("programs", pattern, document, f"{_shown(document)} is not a table", "a set-up")
            continue
        own = _Reader(path)
        yield pattern, own.read(document)
        where = f"programs.{pattern}"
        reader.problems += [
            replace(each, table=".".join(filter(None, (where, each.table)))) for each in own.problems
        ]


def _elsewhere(name: str, table: str) -> str:
    """A hint for a key of another table, or for one that has the name of its command-line option."""
    option = "--" + name.replace("_", "-")
    for other, keys in TABLES.items():
        for key, row in keys.items():
            if option in flags_of(row)[0] or (name == key and table):
                return f"that is {key!r} of [{other}]"
    return ""


class _Reader:
    """Turns one document into a RunSetup and collects problems on the way."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[ConfigProblem] = []
        self.filters: list[FilterUse] = []
        self.triggers: list[TriggerUse] = []

    def bad(
        self, table: str, key: str, value: object, message: str, allowed: str = "", hint: str = ""
    ) -> None:
        """Note one problem."""
        shown = "" if value is None else _shown(value)
        self.problems.append(ConfigProblem(self.path, table, key, shown, message, allowed, hint))

    def read(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What is good of *document*, by option."""
        self.unknown("", document, [*TABLES, *TOP], [*CHAIN_KEYS])
        given: dict[str, Any] = {}
        for name, keys in TABLES.items():
            good = self.table(name, document.get(name, {}), keys)
            given |= {keys[key].name: keys[key].kind.convert(value) for key, value in good.items()}
        events = tuple(self.events(document))
        consumers = tuple(self.consumers(self.list_of("consumers", document)))
        self.maps(document)
        lists: dict[str, tuple[Any, ...]] = {"events": events, "consumers": consumers}
        lists |= {"filters": tuple(self.filters), "triggers": tuple(self.triggers)}
        return given | {name: items for name, items in lists.items() if items}

    # --- checking ---------------------------------------------------------------------------------

    def unknown(
        self, table: str, found: Mapping[str, Any], allowed: list[str], known: Sequence[str] = ()
    ) -> None:
        """A key that is not in *allowed* is a problem, with the nearest name; so is none of *known*."""
        what = "key" if table else "table or key"
        for key in found:
            if key not in allowed:
                close = get_close_matches(key, [*allowed, *known], n=1)
                hint = _elsewhere(key, table) or (f"did you mean {close[0]!r}?" if close else "")
                listed = ", ".join([*allowed, *known])
                self.bad(table, key, None, f"unknown {what} {key!r}; allowed: {listed}", listed, hint)

    def table(self, name: str, found: Any, keys: Mapping[str, Key] | Mapping[str, Option]) -> dict[str, Any]:
        """The good values of a table with fixed keys."""
        if not isinstance(found, dict):
            self.bad(name, "", found, f"must be a table, not {_shown(found)}", "a table")
            return {}
        self.unknown(name, found, list(keys))
        good: dict[str, Any] = {}
        for key, spec in keys.items():
            if key in found and self.value(name, key, found[key], spec.kind):
                good[key] = found[key]
            elif key not in found and isinstance(spec, Key) and spec.required:
                self.bad(name, key, None, f"{key!r} is missing: {spec.help}", spec.kind.allowed)
        return good

    def value(self, table: str, key: str, value: Any, kind: ValueType) -> bool:
        """Whether *value* is allowed; notes a problem if it is not."""
        if kind.accepts(value):
            return True
        hint = _nearest_choice(value, kind)
        self.bad(table, key, value, f"{_shown(value)} is not {kind.allowed}", kind.allowed, hint)
        return False

    def list_of(self, name: str, document: Mapping[str, Any]) -> list[Any]:
        """The list at the top level called *name*, empty if there is none."""
        found = document.get(name, [])
        if not isinstance(found, list):
            self.bad("", name, found, f"must be a list, not {_shown(found)}", "a list of strings or tables")
            return []
        return found

    # --- events -----------------------------------------------------------------------------------

    def events(self, document: Mapping[str, Any]) -> Iterator[EventLine | EventsFile]:
        """Event lines of the list, then of the files."""
        for index, item in enumerate(self.list_of("events", document)):
            table = f"events[{index}]"
            if isinstance(item, str):
                yield EventLine(item, f"{self.path} [{table}]")
            else:
                yield from self.event(table, item)
        files = document.get("events-files", [])
        if self.value("", "events-files", files, TOP["events-files"].kind):
            for name in files:
                yield from self.events_file(name)

    def events_file(self, name: str) -> Iterator[EventsFile]:
        """One file of events; one that cannot be read is a problem."""
        try:
            yield EventsFile(name, read_text(name))
        except ConfigError as error:
            self.bad("", "events-files", name, error.message)

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
        line = good["line"] if "line" in good else event_line(good)
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
                    yield ConsumerUse.parse(item)
                except UsageError as error:
                    self.bad(table, "", item, error.message, "NAME[:key=value,...]", error.hint)
                continue
            good = self.table(table, item, CONSUMER)
            if "name" in good:
                options = {key: _as_text(value) for key, value in good.get("options", {}).items()}
                yield ConsumerUse(good["name"], options, good.get("event"))

    def maps(self, document: Mapping[str, Any]) -> None:
        """The tables ``filters`` and ``triggers``, whose keys are events."""
        for name, kind in TOP_MAPS.items():
            found = document.get(name, {})
            if not isinstance(found, dict):
                self.bad(name, "", found, f"must be a table, not {_shown(found)}", "a table of events")
                continue
            for event, value in found.items():
                if not self.value(name, event, value, kind):
                    continue
                try:
                    for text in _as_list(value):
                        if name == "filters":
                            self.filters.append(FilterUse.parse(f"{event}:{text}"))
                        else:
                            self.triggers.append(TriggerUse.parse(f"{event}:{text}"))
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


def _nearest_choice(value: Any, kind: ValueType) -> str:
    """A hint for a word that is nearly one of the allowed ones."""
    close = get_close_matches(value, kind.words, n=1) if isinstance(value, str) else []
    return f"did you mean {close[0]!r}?" if close else ""
