"""Every table and key of a set-up file, once: validation, JSON Schema and manual are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uprobe_core.setup.value_types import (
    BIND,
    BOOL,
    COUNT,
    ENVIRONMENT,
    NATURAL,
    POLICY,
    SECONDS,
    SIZE,
    STRING,
    STRING_MAP,
    STRINGS,
    TRIGGERS,
    ValueType,
    choice,
)

__all__ = ("CONSUMER", "EVENT", "TABLES", "TOP_LISTS", "TOP_MAPS", "Key", "json_schema")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table.

    :param option: the command-line option that says the same, for the manual
    :param required: whether the table makes no sense without it
    """

    type: ValueType
    doc: str
    option: str = ""
    required: bool = False


TABLES: Mapping[str, Mapping[str, Key]] = {
    "target": {
        "argv": Key(STRINGS, "the program and its arguments", "PROGRAM [ARG...]"),
        "env": Key(ENVIRONMENT, "changes to the program's environment", "--env K=V"),
        "inherit-env": Key(BOOL, "start from the caller's environment (default true)", "--no-inherit-env"),
        "cwd": Key(STRING, "the program's working directory, as the program names it", "--cwd DIR"),
        "sysroot": Key(STRING, "a folder that is the program's /", "--sysroot DIR"),
        "sysroot-read-only": Key(BOOL, "nothing below the sysroot can be written", "--sysroot DIR:ro"),
        "bind": Key(BIND, "host folders or files that the program sees", "--bind HOST:GUEST[:ro]"),
        "allow-net": Key(BOOL, "let the program use the network", "--allow-net"),
        "seed": Key(NATURAL, "seed of everything random in the run", "--seed N"),
        "clock": Key(choice("virtual", "host"), "what drives the program's clock", "--clock"),
        "follow": Key(BOOL, "probes follow fork and exec (default true)", "--no-follow"),
    },
    "run": {
        "backend": Key(STRING, "name of the backend", "--backend NAME"),
        "decoder": Key(STRING, 'name of the decoder, or "auto"', "--decoder NAME"),
        "arch": Key(STRING, "name of the architecture", "--arch NAME"),
        "mode": Key(choice("auto", "trap", "jump", "inline"), "how a probe is executed", "--mode"),
        "policy": Key(POLICY, "what may be probed", "--policy"),
        "returns": Key(choice("auto", "watch", "hijack"), "how a return is observed", "--returns"),
        "engine": Key(choice("auto", "c", "py"), "what runs per hit", "--engine"),
        "strict": Key(BOOL, "a consumer that raises ends the run", "--strict"),
        "debug": Key(BOOL, "tracebacks and counts of unknown system calls", "--debug"),
    },
    "output": {
        "file": Key(STRING, "where records and reports go; standard error when not given", "-o FILE"),
        "format": Key(STRING, "name of the writer", "--format NAME"),
        "profile": Key(STRING, 'where hit counts go, "-" for standard error', "--profile FILE"),
        "lossy": Key(COUNT, "keep at most so many records in memory and count what is dropped", "--lossy N"),
    },
    "limits": {
        "seconds": Key(SECONDS, "wall-clock time after which the run ends", "--timeout SECONDS"),
        "instructions": Key(COUNT, "executed instructions after which the run ends", "--max-insns N"),
        "memory": Key(SIZE, "bytes of memory per process of the program", "--max-memory SIZE"),
        "processes": Key(COUNT, "processes of the program alive at once", "--max-processes N"),
    },
}
"""Plain tables: ``[name]`` with fixed keys."""

EVENT: Mapping[str, Key] = {
    "line": Key(STRING, "the whole event line; then no other key but filter and triggers", "-e SPEC"),
    "type": Key(choice("p", "r"), 'entry ("p", the default) or return ("r") probe'),
    "name": Key(STRING, "the event's name; made from the place when not given"),
    "group": Key(STRING, "the event's group"),
    "place": Key(STRING, "PATH:OFFSET or PATH:SYMBOL[+OFF]"),
    "args": Key(STRINGS, 'what to fetch, such as ["a=%x0", "s=+0(%x1):string"]'),
    "filter": Key(STRING, "record only hits for which this holds", "--filter EVENT:EXPR"),
    "triggers": Key(TRIGGERS, "what else happens at a hit", "--trigger EVENT:TEXT"),
}
"""A table in the list ``events``; a string there is an event line as well."""

CONSUMER: Mapping[str, Key] = {
    "name": Key(STRING, "name of the consumer", "-C NAME", required=True),
    "event": Key(
        STRING, "[GROUP/]NAME of the one event it is for; all when not given", "-C NAME:event=EVENT"
    ),
    "options": Key(STRING_MAP, "the consumer's own options", "-C NAME:key=value,..."),
}
"""A table in the list ``consumers``."""

TOP_LISTS: Mapping[str, Key] = {
    "events": Key(STRINGS, "event lines, or tables (see below)", "-e SPEC"),
    "events-files": Key(STRINGS, "files of event lines", "-f FILE"),
    "consumers": Key(STRINGS, 'consumers, as "NAME:key=value,..." or as tables', "-C NAME[:key=value,...]"),
}
"""Lists at the top level."""

TOP_MAPS: Mapping[str, Key] = {
    "filters": Key(STRING, "[GROUP/]EVENT = expression", "--filter EVENT:EXPR"),
    "triggers": Key(TRIGGERS, "[GROUP/]EVENT = trigger text, or a list of them", "--trigger EVENT:TEXT"),
}
"""Tables whose keys are names of events."""


def _table_schema(keys: Mapping[str, Key]) -> dict[str, Any]:
    """The schema of a table with fixed keys."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": key.doc, **key.type.schema} for name, key in keys.items()},
    }
    required = [name for name, key in keys.items() if key.required]
    if required:
        schema["required"] = required
    return schema


def _event_schema() -> dict[str, Any]:
    """A table of ``events``: a line, or a place, never both."""
    apart = ["type", "name", "group", "place", "args"]
    return {
        **_table_schema(EVENT),
        "oneOf": [
            {"required": ["line"], "not": {"anyOf": [{"required": [name]} for name in apart]}},
            {"required": ["place"]},
        ],
    }


def json_schema() -> dict[str, Any]:
    """The whole set-up file as JSON Schema (2020-12); ``docs/config.schema.json`` holds it."""
    properties: dict[str, Any] = {name: _table_schema(keys) for name, keys in TABLES.items()}
    for name, table in (("events", _event_schema()), ("consumers", _table_schema(CONSUMER))):
        properties[name] = {
            "description": TOP_LISTS[name].doc,
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, table]},
        }
    properties["events-files"] = {
        "description": TOP_LISTS["events-files"].doc,
        **TOP_LISTS["events-files"].type.schema,
    }
    for name, key in TOP_MAPS.items():
        properties[name] = {
            "description": key.doc,
            "type": "object",
            "additionalProperties": key.type.schema,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "uprobe set-up file",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


if __name__ == "__main__":
    import json

    print(json.dumps(json_schema(), indent=2))
