"""The kinds of value that an option may have: what is allowed, in words and as JSON Schema; how it is read.

A value is *plain* where TOML or Python has it (a string, a number, a list) and
*text* on the command line; both become the same value of a set-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from uprobe_core.errors import UsageError
from uprobe_core.types import Policy

__all__ = (
    "BOOL",
    "COUNT",
    "DURATION",
    "ENVIRONMENT",
    "NATURAL",
    "ONE_OR_MORE",
    "PATH",
    "POLICY",
    "SECONDS",
    "SIZE",
    "STRING",
    "STRINGS",
    "STRING_MAP",
    "VARIABLES",
    "WORDS",
    "ValueType",
    "choice",
    "listing",
    "parse_duration",
    "parse_natural",
    "parse_policy",
    "parse_size",
)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class ValueType:
    """One kind of value.

    :param allowed: in words, to end "... must be "
    :param accepts: whether a plain value is one of this kind
    :param schema: the same as JSON Schema (2020-12)
    :param convert: from an accepted plain value to what a set-up holds
    :param parse: from a text of the command line to the same; raises ValueError or UsageError
    :param made: the classes of what is right already, for Python
    :param item: the class of each item, where it is a list of what strings are parsed to
    :param is_path: whether it names files of ours; in a set-up file, one with ./ is relative to the file
    :param adds: whether a value given later is added to an earlier one instead of replacing it
    """

    allowed: str
    accepts: Callable[[Any], bool]
    schema: dict[str, Any]
    convert: Callable[[Any], Any] = _same
    parse: Callable[[str], Any] = _same
    made: tuple[type, ...] = ()
    item: type | None = None
    adds: bool = False
    is_path: bool = False

    @property
    def words(self) -> list[str]:
        """The words to choose from, none where anything of the kind will do."""
        return [word for word in self.schema.get("enum", ()) if isinstance(word, str)]


def _is_str(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_strings(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_str, value))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- numbers ------------------------------------------------------------------------------------------


def parse_natural(text: str) -> int:
    """A number from 0, decimal or with 0x; raises ValueError."""
    return _number(text, 0)


def _count(text: str) -> int:
    return _number(text, 1)


def _number(text: str, least: int) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if number < least:
        raise ValueError(f"{text!r} is not at least {least}")
    return number


MOST_SECONDS = 10**9
"""Thirty years; the host's timers take little more."""


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"{text!r} is not a number of seconds greater than 0, at most {MOST_SECONDS}")
    return seconds


_SIZE = re.compile(r"([0-9]+)([KMGT]?)", re.IGNORECASE)
_SIZE_PATTERN = "^[0-9]+[KMGTkmgt]?$"


def parse_size(text: str) -> int:
    """Bytes from digits with an optional K, M, G or T (powers of 1024); raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a size such as 512M")
    return int(match[1]) << (10 * " KMGT".index(match[2].upper() or " "))


def _is_size(value: Any) -> bool:
    if _is_int(value):
        return bool(value > 0)
    try:
        return isinstance(value, str) and parse_size(value) > 0
    except ValueError:
        return False


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s)?")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def parse_duration(text: str) -> int:
    """Nanoseconds from a number with an optional ns, us, ms or s; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 10us")
    return round(float(match[1]) * _UNITS[match[2] or "ns"])


def _is_duration(value: Any) -> bool:
    if _is_int(value):
        return bool(value >= 0)
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


# --- words --------------------------------------------------------------------------------------------

_POLICY = re.compile(r"anywhere|kernel(:[0-9]+\.[0-9]+)?")


def parse_policy(text: str) -> Policy:
    """A policy from ``anywhere``, ``kernel`` or ``kernel:VERSION``; raises UsageError."""
    if _POLICY.fullmatch(text) is None:
        raise UsageError(f"policy {text!r} is not anywhere, kernel or kernel:VERSION")
    name, _, version = text.partition(":")
    return Policy(name, version) if version else Policy(name)


def choice(words: type[Enum] | tuple[str, ...]) -> ValueType:
    """One of *words*: strings, or the members of an enumeration whose values are strings."""
    made = words if isinstance(words, type) else None
    texts = [member.value for member in words] if isinstance(words, type) else list(words)
    return ValueType(
        "one of " + ", ".join(f'"{text}"' for text in texts),
        lambda value: value in texts,
        {"enum": texts},
        convert=made or _same,
        parse=made or _same,
        made=(made,) if made else (),
    )


# --- several ------------------------------------------------------------------------------------------

_STRING_SCHEMA: dict[str, Any] = {"type": "string"}


def listing(
    parse: Callable[[str], Any], item: type, pattern: str = "", allowed: str = "", *, is_path: bool = False
) -> ValueType:
    """A list of strings, each of which *parse* makes an *item* of; lists of several places are added up.

    :param pattern: a regular expression that each string has to match
    """

    def accepts(value: Any) -> bool:
        return _is_strings(value) and all(re.search(pattern, text) for text in value)

    return ValueType(
        allowed or "a list of strings",
        accepts,
        {"type": "array", "items": {**_STRING_SCHEMA, **({"pattern": pattern} if pattern else {})}},
        convert=lambda value: tuple(map(parse, value)),
        parse=lambda text: (parse(text),),
        item=item,
        adds=True,
        is_path=is_path,
    )


def _variable(text: str) -> dict[str, str | None]:
    return {**_assignment("--env", text, "--unset-env NAME removes a variable")}


def _assignment(flag: str, text: str, hint: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"{flag} {text!r} is not NAME=VALUE", hint=hint)
    return {name: value}


def _is_environment(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(_is_str(item) or item is False or item is None for item in value.values())
        and all(isinstance(key, str) and key and "=" not in key for key in value)
    )


STRING = ValueType("a string", _is_str, _STRING_SCHEMA)
PATH = replace(STRING, is_path=True)
BOOL = ValueType("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
NATURAL = ValueType(
    "a whole number, 0 or more",
    lambda value: _is_int(value) and value >= 0,
    {"type": "integer", "minimum": 0},
    parse=parse_natural,
)
COUNT = ValueType(
    "a whole number, 1 or more",
    lambda value: _is_int(value) and value >= 1,
    {"type": "integer", "minimum": 1},
    parse=_count,
)
SECONDS = ValueType(
    f"a number of seconds greater than 0, at most {MOST_SECONDS}",
    lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MOST_SECONDS
    ),
    {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS},
    parse=_seconds,
)
SIZE = ValueType(
    'a number of bytes greater than 0, or a string such as "512M" or "2G"',
    _is_size,
    {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _SIZE_PATTERN}]},
    convert=lambda value: parse_size(value) if isinstance(value, str) else value,
    parse=parse_size,
)
DURATION = ValueType(
    'a number of nanoseconds, or a string such as "10us" or "1.5ms"',
    _is_duration,
    {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_DURATION.pattern}$"}]},
    convert=lambda value: parse_duration(value) if isinstance(value, str) else value,
    parse=parse_duration,
)
POLICY = ValueType(
    '"anywhere", "kernel" or "kernel:VERSION" such as "kernel:6.1"',
    lambda value: isinstance(value, str) and _POLICY.fullmatch(value) is not None,
    {"type": "string", "pattern": r"^(anywhere|kernel(:[0-9]+\.[0-9]+)?)$"},
    convert=parse_policy,
    parse=parse_policy,
    made=(Policy,),
)
STRINGS = ValueType("a list of strings", _is_strings, {"type": "array", "items": _STRING_SCHEMA})
WORDS = ValueType(STRINGS.allowed, _is_strings, STRINGS.schema, convert=tuple)
STRING_MAP = ValueType(
    "a table of strings, numbers or booleans",
    lambda value: (
        isinstance(value, dict) and all(isinstance(item, str | int | float | bool) for item in value.values())
    ),
    {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
)
ENVIRONMENT = ValueType(
    "a table of strings, or false for a variable to remove",
    _is_environment,
    {
        "type": "object",
        "propertyNames": {"pattern": "^[^=]+$"},
        "additionalProperties": {"anyOf": [_STRING_SCHEMA, {"const": False}]},
    },
    convert=lambda value: {name: None if text is False else text for name, text in value.items()},
    parse=_variable,
    adds=True,
)
VARIABLES = ValueType(
    STRING_MAP.allowed,
    STRING_MAP.accepts,
    STRING_MAP.schema,
    parse=lambda text: _assignment("--var", text, "it is the value of ${NAME} in set-up files"),
    adds=True,
)
ONE_OR_MORE = ValueType(
    "a string or a list of strings",
    lambda value: _is_str(value) or _is_strings(value),
    {"anyOf": [_STRING_SCHEMA, {"type": "array", "items": _STRING_SCHEMA}]},
)
