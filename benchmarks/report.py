"""Tables for people, JSON for tracking, a bar chart as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

__all__ = ("as_svg", "as_table", "write_json")

Results = Mapping[str, Mapping[str, float]]
"""Section -> row -> number; the unit is in the section's name."""


def as_table(results: Results) -> str:
    """Aligned text."""
    lines: list[str] = []
    for section, rows in results.items():
        lines += ["", section, "-" * len(section)]
        width = max(map(len, rows), default=0)
        lines += [f"{name:<{width}}  {value:10.2f}" for name, value in rows.items()]
    return "\n".join(lines[1:]) + "\n"


def write_json(path: str, results: Results) -> None:
    """One document, sorted as measured."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
        file.write("\n")


def as_svg(rows: Mapping[str, float], title: str) -> str:
    """Horizontal bars on a logarithmic scale from 1 to 10,000."""
    from math import log10

    height = 24 * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"',
        ' font-family="sans-serif" font-size="13">',
        f'<text x="10" y="20" font-size="15">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(rows.items()):
        y = 34 + 24 * number
        length = 110 * max(log10(max(value, 1.0)), 0.01)
        colour = "#999" if name.startswith("raw") else "#36c"
        parts.append(f'<text x="250" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="260" y="{y + 3}" width="{length:.0f}" height="15" fill="{colour}"/>')
        parts.append(f'<text x="{268 + length:.0f}" y="{y + 14}">{value:.1f}</text>')
    return "\n".join([*parts, "</svg>", ""])
