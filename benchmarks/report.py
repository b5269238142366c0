"""Tables for people, JSON for tracking, a bar chart as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape

__all__ = ("Judged", "Section", "as_svg", "as_table", "write_json")


@dataclass(frozen=True)
class Judged:
    """A number that something is promised of.

    :param row: the row that it stands next to
    :param what: what is divided by what
    :param at_most: whether *target* is the largest that is good, or the smallest
    """

    row: str
    what: str
    value: float
    target: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        return f"{self.what} {self.value:.2f} ({sign} {self.target:g}: {'met' if self.met else 'MISSED'})"


@dataclass
class Section:
    """Rows of one table.

    :param title: with the unit
    """

    title: str
    rows: dict[str, float] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)

    def judge(self, row: str, what: str, value: float, *, at_most: float = 0, at_least: float = 0) -> None:
        """Put a ratio next to *row*."""
        self.judged.append(Judged(row, what, value, at_least or at_most, not at_least))


def as_table(section: Section) -> str:
    """Aligned text: the row, its number, what is judged of it."""
    lines = [section.title, "-" * len(section.title)]
    width = max(map(len, section.rows), default=0)
    for name, value in section.rows.items():
        notes = "; ".join(str(judged) for judged in section.judged if judged.row == name)
        lines.append(f"{name:<{width}}  {value:10.2f}{'   ' if notes else ''}{notes}")
    return "\n".join(lines) + "\n"


def write_json(path: str, sections: Sequence[Section]) -> None:
    """One document, in the order of measuring."""
    document = [
        {
            "section": section.title,
            "rows": section.rows,
            "judged": [{**asdict(judged), "met": judged.met} for judged in section.judged],
        }
        for section in sections
    ]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")


def as_svg(rows: Mapping[str, float], title: str) -> str:
    """Horizontal bars on a logarithmic scale from 1 to 10,000."""
    from math import log10

    height = 24 * len(rows) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}">',
        "<style>text { font: 13px sans-serif }</style>",
        f'<text x="10" y="20">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(rows.items()):
        y = 34 + 24 * number
        length = 110 * max(log10(max(value, 1.0)), 0.01)
        colour = "#36c" if name.startswith(("inline", "jump", "trap", "auto")) else "#999"
        parts.append(f'<text x="330" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="340" y="{y + 3}" width="{length:.0f}" height="15" fill="{colour}"/>')
        parts.append(f'<text x="{348 + length:.0f}" y="{y + 14}">{value:.1f}</text>')
    return "\n".join([*parts, "</svg>", ""])
