"""lcov's tracefile, which genhtml and editors read (its geninfo(1), "FILES")."""

from __future__ import annotations

from collections.abc import Iterable

from uprobe_core.executed_code import CodeFile, CodeFunction

__all__ = ("lcov_text",)


def lcov_text(files: Iterable[CodeFile]) -> str:
    """A record for each source file."""
    lines: dict[str, dict[int, int]] = {}
    functions: dict[str, dict[tuple[int, str], int]] = {}
    for file in files:
        for source, found in file.lines.items():
            of_source = lines.setdefault(source, {})
            for line, times in found.items():
                of_source[line] = of_source.get(line, 0) + times
        for function in file.functions:
            if function.source:
                _note(functions.setdefault(function.source, {}), function)
    return "".join(
        _record(source, found, functions.get(source, {})) for source, found in sorted(lines.items())
    )


def _note(found: dict[tuple[int, str], int], function: CodeFunction) -> None:
    key = function.line, function.name
    found[key] = found.get(key, 0) + function.entered


def _record(source: str, lines: dict[int, int], functions: dict[tuple[int, str], int]) -> str:
    rows = ["TN:", f"SF:{source}"]
    named = sorted(functions.items())
    rows += [f"FN:{line},{name}" for (line, name), _ in named]
    rows += [f"FNDA:{times},{name}" for (_, name), times in named]
    rows += [f"FNF:{len(named)}", f"FNH:{_hit(functions.values())}"]
    rows += [f"DA:{line},{times}" for line, times in sorted(lines.items())]
    rows += [f"LF:{len(lines)}", f"LH:{_hit(lines.values())}", "end_of_record", ""]
    return "\n".join(rows)


def _hit(counts: Iterable[int]) -> int:
    return sum(times > 0 for times in counts)
