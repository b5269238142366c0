"""The keyword arguments of a Session: checked as those of a set-up file are, and turned into a RunSetup."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from uprobe_core.backend import Bind, Limits
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import ConsumerUse, EventLine, FilterUse, RunSetup, TriggerUse
from uprobe_core.setup.schema import TABLES, Key
from uprobe_core.setup.texts import parse_bind, parse_consumer, parse_filter, parse_policy_text, parse_trigger
from uprobe_core.types import Mode, Policy, Returns

__all__ = ("setup_from_options",)

_LIMITS = {
    "timeout": "seconds",
    "max_insns": "instructions",
    "max_memory": "memory",
    "max_processes": "processes",
}
_KEYS: dict[str, Key] = {
    {"file": "output"}.get(key, key).replace("-", "_"): spec
    for name, keys in TABLES.items()
    for key, spec in keys.items()
    if name != "limits"
} | {option: TABLES["limits"][key] for option, key in _LIMITS.items()}
"""What a value of each option must be."""
_LISTS: dict[str, tuple[type, Callable[[str], Any]]] = {
    "events": (EventLine, lambda text: EventLine(text, "events")),
    "consumers": (ConsumerUse, parse_consumer),
    "filters": (FilterUse, parse_filter),
    "triggers": (TriggerUse, parse_trigger),
    "binds": (Bind, parse_bind),
}
"""Options that are lists, of what, and how a string becomes one."""
_PATHS = ("cwd", "sysroot", "output", "profile")


def setup_from_options(argv: Sequence[str], options: Mapping[str, Any]) -> RunSetup:
    """A RunSetup from *argv* and keyword arguments.

    Texts are taken where the command line has texts.  Raises UsageError for an unknown option
    or a value that it cannot have.
    """
    given = dict(options)
    limits = {field: _checked(name, given.pop(name, None)) for name, field in _LIMITS.items()}
    known = {f.name for f in fields(RunSetup)} - {"argv", "limits"}
    unknown = sorted(set(given) - known - {"limits"})
    if unknown:
        allowed = ", ".join(sorted(known | set(_LIMITS)))
        raise UsageError(f"no option {unknown[0]!r}", hint=f"options: {allowed}", slug="bad-option")
    given.setdefault("limits", Limits(**limits))
    return RunSetup(argv=_arguments(argv), **{name: _checked(name, value) for name, value in given.items()})


def _arguments(argv: Sequence[str]) -> tuple[str, ...]:
    if isinstance(argv, str | bytes):
        raise _bad("argv", argv, 'a list such as ["./loop", "3"]')
    words = tuple(os.fspath(word) if isinstance(word, os.PathLike) else word for word in argv)
    for word in words:
        if not isinstance(word, str):
            raise _bad("argv", word, "a string")
    return words


def _checked(name: str, value: Any) -> Any:
    """*value* as a RunSetup has it; raises UsageError."""
    if name in _LISTS:
        return tuple(_item(name, item) for item in _listed(name, value))
    if value is None or isinstance(value, Mode | Returns | Policy | Limits):
        return value
    if name in _PATHS and isinstance(value, os.PathLike):
        return os.fspath(value)
    if name == "env":
        return _environment(value)
    if name in ("mode", "returns") and isinstance(value, str):
        return _one_of(Mode if name == "mode" else Returns, name, value)
    if name == "policy" and isinstance(value, str):
        return parse_policy_text(value)
    if name in _KEYS and not _KEYS[name].type.accepts(value):
        raise _bad(name, value, _KEYS[name].type.allowed)
    if name == "max_memory" and isinstance(value, str):
        from uprobe_core.setup.value_types import parse_size

        return parse_size(value)
    return value


def _listed(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _bad(name, value, "a list")
    return value


def _item(name: str, item: Any) -> Any:
    kind, parse = _LISTS[name]
    if isinstance(item, str):
        return parse(item)
    if not isinstance(item, kind):
        raise _bad(name, item, f"a string or a {kind.__name__}")
    return item


def _environment(value: Any) -> dict[str, str | None]:
    """Changes to the environment; None or False removes."""
    plain = {k: False if v is None else v for k, v in value.items()} if isinstance(value, Mapping) else value
    if not _KEYS["env"].type.accepts(plain):
        raise _bad("env", value, "a mapping of strings to strings, or to None for a variable to remove")
    return {str(k): str(v) if isinstance(v, str) else None for k, v in plain.items()}


def _one_of(kind: type[Mode] | type[Returns], key: str, text: str) -> Mode | Returns:
    try:
        return kind(text)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise UsageError(f"no {key} {text!r}", hint=f"allowed: {allowed}", slug="bad-option") from None


def _bad(name: str, value: object, allowed: str) -> UsageError:
    return UsageError(f"option {name!r} is {value!r}, not {allowed}", slug="bad-option")
