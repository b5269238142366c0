"""The shape of a set-up file as JSON Schema; what stands in the tables of its lists is said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uprobe_core.option import Option
from uprobe_core.setup.options import TABLES, TOP
from uprobe_core.value_types import ONE_OR_MORE, STRING, STRING_MAP, STRINGS, ValueType, choice

__all__ = ("CONSUMER", "EVENT", "FILE_KEYS", "TOP_MAPS", "Key", "json_schema")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table in a list.

    :param required: whether the table makes no sense without it
    """

    kind: ValueType
    help: str
    flags: str = ""
    required: bool = False


EVENT: Mapping[str, Key] = {
    "line": Key(STRING, "the whole event line; then no other key but filter and triggers", "-e SPEC"),
    "type": Key(choice(("p", "r")), 'entry ("p", the default) or return ("r") probe'),
    "name": Key(STRING, "the event's name; made from the place when not given"),
    "group": Key(STRING, "the event's group"),
    "place": Key(STRING, "PATH:OFFSET or PATH:SYMBOL[+OFF]"),
    "args": Key(STRINGS, 'what to fetch, such as ["a=%x0", "s=+0(%x1):string"]'),
    "filter": Key(STRING, "record only hits for which this holds", "--filter EVENT:EXPR"),
    "triggers": Key(ONE_OR_MORE, "what else happens at a hit", "--trigger EVENT:TEXT"),
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

TOP_MAPS: Mapping[str, ValueType] = {"filters": STRING, "triggers": ONE_OR_MORE}
"""What a file says of events by their [GROUP/]NAME, and the kind of each value."""


def _table_schema(keys: Mapping[str, Key] | Mapping[str, Option]) -> dict[str, Any]:
    """The schema of a table with fixed keys."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": key.help, **key.kind.schema} for name, key in keys.items()},
    }
    required = [name for name, key in keys.items() if isinstance(key, Key) and key.required]
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


def _top_schema(name: str) -> dict[str, Any]:
    """What may stand at the top level under *name*."""
    if name in ("events", "consumers"):
        table = _event_schema() if name == "events" else _table_schema(CONSUMER)
        return {"type": "array", "items": {"anyOf": [{"type": "string"}, table]}}
    if name in TOP_MAPS:
        return {"type": "object", "additionalProperties": TOP_MAPS[name].schema}
    return TOP[name].kind.schema


FILE_KEYS: Mapping[str, str] = {
    "extends": "set-up files that this one comes on top of",
    "variables": "what ${NAME} is if neither --var nor the environment says it",
    "matrix": "what uprobe sweep varies: program, args, an option, or a variable; the last one fastest",
    "programs": "what is said on top for some programs, by a pattern of the program's path",
}
"""What a file says of itself, at the top level."""


def _chain_schema() -> dict[str, Any]:
    value = {"type": ["string", "number"]}
    axis = {
        "anyOf": [
            {"type": "string", "pattern": r"^-?[0-9]{1,18}\.\.-?[0-9]{1,18}$"},
            {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": [value, {"type": "boolean"}, STRINGS.schema]},
            },
        ]
    }
    shapes: dict[str, dict[str, Any]] = {
        "extends": {"anyOf": [STRING.schema, STRINGS.schema]},
        "variables": {"type": "object", "additionalProperties": value},
        "matrix": {"type": "object", "additionalProperties": axis},
        "programs": {"type": "object", "additionalProperties": {"type": "object"}},
    }
    return {name: {"description": FILE_KEYS[name], **shape} for name, shape in shapes.items()}


def json_schema() -> dict[str, Any]:
    """The whole set-up file as JSON Schema (2020-12); ``docs/config.schema.json`` holds it."""
    properties: dict[str, Any] = {name: _table_schema(keys) for name, keys in TABLES.items()}
    for name, row in TOP.items():
        properties[name] = {"description": row.help, **_top_schema(name)}
    properties |= _chain_schema()
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
