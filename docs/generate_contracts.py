"""The contracts of the manual, from the docstrings of the code; cog puts them into ``contracts.md``."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from generate import _parameters, _roles


def versions() -> str:
    """The version of each kind's contract."""
    from uprobe_core.discovery.contract_versions import CONTRACTS

    rows = [f"| {kind} | `{version}` |" for kind, version in CONTRACTS.items()]
    return "\n".join(["| kind | version |", "|---|---|", *rows]) + "\n"


def contracts(*paths: str) -> str:
    """Classes, each ``module:NAME``, with what they promise: fields, methods, properties."""
    from importlib import import_module

    parts = []
    for path in paths:
        module, name = path.split(":")
        found = getattr(import_module(module), name)
        parts += [f"### {name}\n", f"`from {module} import {name}`\n", _text(found.__doc__)]
        parts += [f"{line}\n" for line in _members(found)]
    return "\n".join(parts)


def _members(cls: type) -> Iterator[str]:
    """A list item for each public method, property and field that the class declares."""
    explained = set(re.findall(r":(?:param|ivar) (\w+):", cls.__doc__ or ""))
    if issubclass(cls, enum.Enum):
        notes = _notes(cls)
        for name in cls.__members__:
            yield _item(name, notes.get(name, ""))
        return
    if is_dataclass(cls):
        plain = {each.name for each in fields(cls)}
        names = ", ".join(f"`{each.name}: {each.type}`" for each in fields(cls))
        if names:
            yield f"Fields: {names}."
        for name, note in _notes(cls).items():
            yield _item(name, note)
    else:
        plain = set()
    annotated = vars(cls).get("__annotations__", {})
    for name, kind in annotated.items():
        if name not in plain | explained:
            yield _item(f"{name}: {kind}", "")
    for name, member in vars(cls).items():
        if name.startswith("_") or name in plain:
            continue
        if isinstance(member, property):
            returns = inspect.signature(member.fget).return_annotation if member.fget else ""
            yield _item(f"{name}: {returns}", member.__doc__)
        elif inspect.isfunction(member):
            parameters = list(inspect.signature(member).parameters.values())[1:]
            signature = inspect.signature(member).replace(parameters=parameters)
            yield _item(f"{name}{str(signature).replace(chr(39), '')}", member.__doc__)


def _notes(cls: type) -> dict[str, str]:
    """What a string behind a field or a member says of it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    notes = {}
    for before, node in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            target = before.target if isinstance(before, ast.AnnAssign) else None
            if isinstance(before, ast.Assign):
                (target,) = before.targets
            if isinstance(target, ast.Name):
                notes[target.id] = str(node.value.value)
    return notes


def _item(head: str, text: str | None) -> str:
    """A list item; further paragraphs of its text stay in it."""
    body = _text(text).strip()
    indented = re.sub(r"^(?=.)", "  ", f" {body}" if body else "", flags=re.MULTILINE).lstrip(" ")
    return f"* **`{head}`**" + (f": {indented}" if indented else "")


def _text(text: str | None) -> str:
    """A docstring as Markdown: terms with definitions as a list, roles as plain code."""
    plain = inspect.cleandoc(text or "")
    plain = re.sub(r"^``([^`\n]+)``\n {4}(?=\S)", r"* ``\1``: ", plain, flags=re.MULTILINE)
    plain = re.sub(r";\n(?=\* ``)", ".\n", plain)
    return _parameters(_roles(plain.replace("``", "`"))) + "\n"
