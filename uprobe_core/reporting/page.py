"""One page with everything in it: no script, style or picture comes from elsewhere."""

from __future__ import annotations

import html
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uprobe_core.value_text import visible

__all__ = ("page_of",)

_HERE = Path(__file__).parent


def page_of(document: Mapping[str, Any], texts: Mapping[str, str], calls: Mapping[str, Any] | None) -> str:
    """The page of a run.

    :param document: the report as ``--report FILE.json`` has it, and ``setup`` and ``versions`` beside
    :param texts: what each consumer printed, by the number of its place in the document, as text
    :param calls: what there is of records, None if none were written
    """
    data = {**document, "texts": dict(texts), "calls": calls}
    script = json.dumps(data).replace("<", "\\u003c")  # plain ASCII, and nothing that could end the element
    title = html.escape(visible(shlex.join(document["program"])) or "a run")
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    code = (_HERE / "page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>uprobe: {title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{title}</h1></header>\n<main></main>\n"
        f'<script type="application/json" id="data">{script}</script>\n<script>\n{code}</script>\n'
        "</body>\n</html>\n"
    )
