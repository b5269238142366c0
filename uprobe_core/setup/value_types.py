"""The kinds of value that a set-up file may hold: what is allowed, in words and as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = (
    "BIND",
    "BOOL",
    "COUNT",
    "ENVIRONMENT",
    "NATURAL",
    "POLICY",
    "SECONDS",
    "SIZE",
    "STRING",
    "STRINGS",
    "STRING_MAP",
    "TRIGGERS",
    "ValueType",
    "choice",
    "parse_policy",
    "parse_size",
)


@dataclass(frozen=True, slots=True)
class ValueType:
    """One kind of value.

    :param allowed: in words, to end "... must be "
    :param accepts: whether a value as TOML gives it is one of this kind
    :param schema: the same as JSON Schema (2020-12)
    """

    allowed: str
    accepts: Callable[[Any], bool]
    schema: dict[str, Any]


def _is_str(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SIZE = re.compile(r"([0-9]+)([KMGT]?)", re.IGNORECASE)
_SIZE_PATTERN = "^[0-9]+[KMGTkmgt]?$"


def parse_size(text: str) -> int:
    """Bytes from digits with an optional K, M, G or T (powers of 1024); raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a size such as 512M")
    return int(match[1]) << (10 * " KMGT".index(match[2].upper() or " "))


_POLICY = re.compile(r"anywhere|kernel(:[0-9]+\.[0-9]+)?")


def parse_policy(text: str) -> tuple[str, str | None]:
    """(name, version or None) from ``anywhere``, ``kernel`` or ``kernel:VERSION``; raises ValueError."""
    if _POLICY.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not anywhere, kernel or kernel:VERSION")
    name, _, version = text.partition(":")
    return name, version or None


def _is_size(value: Any) -> bool:
    if _is_int(value):
        return bool(value > 0)
    try:
        return isinstance(value, str) and parse_size(value) > 0
    except ValueError:
        return False


_BIND_PATTERN = "^[^:]+:/[^:]*(:ro)?$"
_STRING_SCHEMA: dict[str, Any] = {"type": "string"}

STRING = ValueType("a string", _is_str, _STRING_SCHEMA)
BOOL = ValueType("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
NATURAL = ValueType(
    "a whole number, 0 or more",
    lambda value: _is_int(value) and value >= 0,
    {"type": "integer", "minimum": 0},
)
COUNT = ValueType(
    "a whole number, 1 or more",
    lambda value: _is_int(value) and value >= 1,
    {"type": "integer", "minimum": 1},
)
SECONDS = ValueType(
    "a number of seconds greater than 0",
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
    {"type": "number", "exclusiveMinimum": 0},
)
SIZE = ValueType(
    'a number of bytes greater than 0, or a string such as "512M" or "2G"',
    _is_size,
    {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _SIZE_PATTERN}]},
)
STRINGS = ValueType(
    "a list of strings",
    lambda value: isinstance(value, list) and all(map(_is_str, value)),
    {"type": "array", "items": _STRING_SCHEMA},
)
STRING_MAP = ValueType(
    "a table of strings, numbers or booleans",
    lambda value: (
        isinstance(value, dict) and all(isinstance(item, str | int | float | bool) for item in value.values())
    ),
    {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
)
ENVIRONMENT = ValueType(
    "a table of strings, or false for a variable to remove",
    lambda value: (
        isinstance(value, dict)
        and all(_is_str(item) or item is False for item in value.values())
        and all(key and "=" not in key for key in value)
    ),
    {
        "type": "object",
        "propertyNames": {"pattern": "^[^=]+$"},
        "additionalProperties": {"anyOf": [_STRING_SCHEMA, {"const": False}]},
    },
)
TRIGGERS = ValueType(
    "a string or a list of strings",
    lambda value: _is_str(value) or STRINGS.accepts(value),
    {"anyOf": [_STRING_SCHEMA, {"type": "array", "items": _STRING_SCHEMA}]},
)
BIND = ValueType(
    'a list of "HOST:GUEST" or "HOST:GUEST:ro" strings with an absolute GUEST',
    lambda value: STRINGS.accepts(value) and all(re.match(_BIND_PATTERN, item) for item in value),
    {"type": "array", "items": {"type": "string", "pattern": _BIND_PATTERN}},
)
POLICY = ValueType(
    '"anywhere", "kernel" or "kernel:VERSION" such as "kernel:6.1"',
    lambda value: isinstance(value, str) and _POLICY.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^(anywhere|kernel(:[0-9]+\.[0-9]+)?)$"},
)


def choice(*words: str) -> ValueType:
    """A string that is one of *words*."""
    listed = ", ".join(f'"{word}"' for word in words)
    return ValueType(f"one of {listed}", lambda value: value in words, {"enum": list(words)})
