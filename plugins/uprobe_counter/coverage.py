"""``-C coverage``: which functions, lines and instructions of a program were executed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from uprobe_core.consumer import ConsumerContext, EventInfo
from uprobe_core.errors import UsageError
from uprobe_counter.options import Options
from uprobe_counter.summary import columns, functions

if TYPE_CHECKING:
    from uprobe_core.executed_code import CodeFile, CodeFunction

__all__ = ("CoverageConsumer", "CoverageReport")

_SORTS = ("place", "missed", "name")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _hit(counts: Iterable[int]) -> int:
    return sum(times > 0 for times in counts)


def _of(lines: Mapping[int, int]) -> str:
    return f"{_hit(lines.values())}/{len(lines)}" if lines else "-"


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers with a line between each two that follow each other left out, the first eight ranges."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number <= ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in ranges[:8]]
    return " ".join([*shown, *(["…"] if len(ranges) > 8 else [])])


class CoverageReport:
    """A table of functions for each file, and sums.

    :param asked: the patterns of files, for the sentence when there is nothing
    :param whole: whether functions without executed code have rows
    """

    title = "coverage"

    def __init__(self, files: Sequence[CodeFile], asked: str, sort: str, top: int, *, whole: bool) -> None:
        self._files, self._asked, self._sort, self._top, self._whole = files, asked, sort, top, whole

    def as_text(self) -> str:
        """Lines for people."""
        if not self._files:
            which = (
                f"no file matches {self._asked}"
                if self._asked
                else "the program's own file is not among them"
            )
            return f"coverage\n  no code was seen: {which}; files=* is every file\n"
        return "".join(f"{line}\n" for file in self._files for line in self._of_file(file))

    def _of_file(self, file: CodeFile) -> list[str]:
        lines = [times for found in file.lines.values() for times in found.values()]
        entered = sum(each.executed > 0 for each in file.functions)
        sums = [f"{entered}/{len(file.functions)} functions"] if file.functions else ["no symbols"]
        if lines:
            sums.append(f"{_hit(lines)}/{len(lines)} lines ({_share(_hit(lines), len(lines))})")
        size = sum(each.size for each in file.functions)
        executed = sum(each.executed for each in file.functions)
        sums += [f"{_share(executed, size)} of their code"] if size else []
        sums.append(f"{len(file.blocks)} blocks")
        rows = [each for each in self._sorted(file) if each.executed or self._whole]
        shown = rows[: self._top] if self._top else rows
        table = [("lines", "code", "blocks", "missed lines", "function"), *map(_cells, shown)]
        more = (
            [f"{functions(len(rows) - len(shown), 'more ')} (top=0 shows all)"]
            if len(shown) < len(rows)
            else []
        )
        left = sum(1 for each in file.functions if not each.executed)
        if left and not self._whole:
            more.append(f"{functions(left)} without executed code (whole=yes shows them)")
        head = f"coverage of {_short(file.path)}: {', '.join(sums)}"
        return [head, *(f"  {line}" for line in [*(columns(table) if shown else []), *more])]

    def _sorted(self, file: CodeFile) -> list[CodeFunction]:
        if self._sort == "name":
            return sorted(file.functions, key=lambda each: each.name)
        if self._sort == "missed":
            return sorted(file.functions, key=lambda each: each.executed - each.size)
        return list(file.functions)

    def as_json(self) -> Any:
        """Title, and by file its functions, its lines by source, and the number of its blocks."""
        return {"title": self.title, "files": {file.path: _plain(file) for file in self._files}}


def _cells(each: CodeFunction) -> tuple[str, ...]:
    missed = _ranges([line for line, times in each.lines.items() if not times])
    return _of(each.lines), _share(each.executed, each.size), str(each.blocks), missed, each.name


def _plain(file: CodeFile) -> dict[str, Any]:
    names = ("name", "size", "executed", "entered", "blocks", "source", "line")
    return {
        "blocks": len(file.blocks),
        "functions": [
            {name: getattr(each, name) for name in names}
            | {"lines": len(each.lines), "lines_hit": _hit(each.lines.values())}
            for each in file.functions
        ],
        "lines": {
            source: {"hit": [n for n, times in sorted(found.items()) if times], "missed": _missed(found)}
            for source, found in sorted(file.lines.items())
        },
    }


def _missed(lines: Mapping[int, int]) -> list[int]:
    return [number for number, times in sorted(lines.items()) if not times]


class CoverageConsumer:
    """``-C coverage[:files=GLOBS][,sort=COLUMN][,top=N][,whole=yes]``: what was executed of the program."""

    name = "coverage"
    allowed: ClassVar[Mapping[str, str]] = {
        "files": "of which files, such as files=libfoo*,./app; if not given the program and what has lines",
        "sort": f"by which column: {', '.join(_SORTS)}",
        "top": "how many functions of a file to show, 40 if not given, 0: all",
        "whole": "yes: functions without executed code, too",
    }
    wants_code = True
    event_lines = ()
    """It is for no event."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = Options(self.name, options, self.allowed)
        self._top = self._options.number("top", 40, least=0)
        self._sort = self._options.one_of("sort", _SORTS, _SORTS[0])
        self._whole = self._options.one_of("whole", ("yes", "no"), "no") == "yes"
        self._context: ConsumerContext | None = None

    def begin(self, context: ConsumerContext) -> None:
        """The run is about to begin."""
        self._context = context

    def attach(self, event: EventInfo, context: ConsumerContext) -> Any:
        """It is for the whole run."""
        raise UsageError(
            f"coverage is for the run, not for {event.group}/{event.name}", hint="leave event= out"
        )

    def report(self) -> CoverageReport | None:
        """What was executed."""
        if self._context is None:
            return None
        found = self._context.code(self._options.names("files"))
        asked = self._options.text("files") or ""
        return CoverageReport(found, asked, self._sort, self._top, whole=self._whole)


def _short(path: str) -> str:
    """*path* as from the working directory, if it lies there."""
    near = os.path.relpath(path)
    return path if near.startswith(os.pardir) else near
