"""lcov's tracefile, which genhtml and editors read (its geninfo(1), "FILES")."""

from __future__ import annotations

from collections.abc import Iterable

from uprobe_core.executed_code import CodeFile, CodeFunction

__all__ = ("lcov_text",)


def lcov_text(files: Iterable[CodeFile]) -> str:
    """A record for each source file; a count is 1 for what was executed, else 0."""
    lines: dict[str, dict[int, bool]] = {}
    functions: dict[str, dict[tuple[int, str], bool]] = {}
    for file in files:
        for source, found in file.lines.items():
            of_source = lines.setdefault(source, {})
            for line, hit in found.items():
                of_source[line] = of_source.get(line, False) or hit
        for function in file.functions:
            if function.source:
                _note(functions.setdefault(function.source, {}), function)
    return "".join(
        _record(source, found, functions.get(source, {})) for source, found in sorted(lines.items())
    )


def _note(found: dict[tuple[int, str], bool], function: CodeFunction) -> None:
    key = function.line, function.name
    found[key] = found.get(key, False) or function.entered


def _record(source: str, lines: dict[int, bool], functions: dict[tuple[int, str], bool]) -> str:
    rows = ["TN:", f"SF:{source}"]
    named = sorted(functions.items())
    rows += [f"FN:{line},{name}" for (line, name), _ in named]
    rows += [f"FNDA:{int(hit)},{name}" for (_, name), hit in named]
    rows += [f"FNF:{len(named)}", f"FNH:{sum(functions.values())}"]
    rows += [f"DA:{line},{int(hit)}" for line, hit in sorted(lines.items())]
    rows += [f"LF:{len(lines)}", f"LH:{sum(lines.values())}", "end_of_record", ""]
    return "\n".join(rows)
