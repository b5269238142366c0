"""The parts of the manual that are made from the code; cog puts them into the pages.

``cog -r -I docs docs/*.md`` renews the pages, ``cog --check -I docs docs/*.md``
complains if one is stale.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping

WIDTH = "96"


def help_texts() -> str:
    """The help of ``uprobe`` and of every command, as code blocks under headings."""
    os.environ["COLUMNS"] = WIDTH
    from uprobe_core.cli import COMMANDS, build_parser

    parts = [f"## uprobe {name}\n\n```\n{build_parser(name).format_help()}```\n" for name in COMMANDS]
    return "\n".join(["```\n" + build_parser().format_help() + "```\n", *parts])


def hook_pages(spec: type) -> str:
    """Each hook of a specification class: signature as heading, types, documentation."""
    parts = []
    for name, function in vars(spec).items():
        if inspect.isfunction(function):
            signature = inspect.signature(function)
            arguments = [p for p in signature.parameters.values() if p.name != "self"]
            heading = f"### {name}({', '.join(p.name for p in arguments)})"
            types = [f"`{p.name}: {p.annotation}`" for p in arguments]
            returns = f"Returns `{signature.return_annotation}`."
            text = inspect.cleandoc(function.__doc__ or "").replace("``", "`")
            parts.append(
                f"{heading}\n\n{', '.join(types)}{'. ' if types else ''}{returns}\n\n{_roles(text)}\n"
            )
    return "\n".join(parts)


def _roles(text: str) -> str:
    """Sphinx roles as plain code: :class:`~a.b.C` is `C`, :data:`x.y` is `x.y`."""
    import re

    text = re.sub(r":[a-z]+:`~(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r":[a-z]+:`([^`]+)`", r"`\1`", text)


def config_tables() -> str:
    """Every table of a set-up file with its keys."""
    from uprobe_core.config_schema import CONSUMER, EVENT, TABLES, TOP_LISTS, TOP_MAPS, Key

    def table(title: str, keys: Mapping[str, Key]) -> str:
        lines = [f"### {title}\n", "| key | value | meaning | option |", "|---|---|---|---|"]
        for name, key in keys.items():
            option = f"`{key.option}`" if key.option else ""
            cells = [f"`{name}`", key.type.allowed, key.doc, option]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines) + "\n"

    parts = [table(f"`[{name}]`", keys) for name, keys in TABLES.items()]
    parts.append(table("At the top level, before the first table", TOP_LISTS))
    parts.append(table("A table of `events`", EVENT))
    parts.append(table("A table of `consumers`", CONSUMER))
    parts.append(table("`[filters]` and `[triggers]`, whose keys are names of events", TOP_MAPS))
    return "\n".join(parts)
