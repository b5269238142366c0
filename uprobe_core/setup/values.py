"""From the checked values of a set-up file's tables to the fields of a set-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from uprobe_core.backend import Limits
from uprobe_core.events.quoting import place_as_written
from uprobe_core.run_setup import RunSetup
from uprobe_core.setup.texts import parse_bind, parse_policy_text
from uprobe_core.setup.value_types import parse_size
from uprobe_core.types import Mode, Returns

__all__ = ("event_line", "limits", "output", "run", "target")


def event_line(good: Mapping[str, Any]) -> str:
    """The kernel's line for an event table."""
    group = f"{good['group']}/" if "group" in good else ""
    name = f":{group}{good.get('name', '')}" if group or "name" in good else ""
    return " ".join(
        [f"{good.get('type', 'p')}{name}", place_as_written(good["place"]), *good.get("args", [])]
    )


def target(setup: RunSetup, good: Mapping[str, Any]) -> RunSetup:
    """Put the ``target`` table into *setup*."""
    values: dict[str, Any] = {key.replace("-", "_"): value for key, value in good.items()}
    if "argv" in values:
        values["argv"] = tuple(values["argv"])
    if "env" in values:
        values["env"] = {name: None if text is False else text for name, text in values["env"].items()}
    if "bind" in values:
        values["binds"] = tuple(parse_bind(text) for text in values.pop("bind"))
    return replace(setup, **values)


def run(good: Mapping[str, Any]) -> RunSetup:
    """The ``run`` table as a set-up with nothing else."""
    values = dict(good)
    for key, convert in (("mode", Mode), ("returns", Returns), ("policy", parse_policy_text)):
        if key in values:
            values[key] = convert(values[key])
    return RunSetup(**values)


def output(setup: RunSetup, good: Mapping[str, Any]) -> RunSetup:
    """Put the ``output`` table into *setup*; its ``file`` is the set-up's ``output``."""
    values = {("output" if key == "file" else key): value for key, value in good.items()}
    return replace(setup, **values)


def limits(good: Mapping[str, Any]) -> Limits:
    """The ``limits`` table."""
    values = dict(good)
    if isinstance(values.get("memory"), str):
        values["memory"] = parse_size(values["memory"])
    assert values.keys() <= {field.name for field in fields(Limits)}
    return Limits(**values)
