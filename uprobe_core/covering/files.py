"""From executed blocks of a file to its functions and lines."""

from __future__ import annotations

import fnmatch
import posixpath
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from uprobe_core.debuginfo.source import Source
from uprobe_core.errors import TargetError
from uprobe_core.executed_code import CodeFile, CodeFunction
from uprobe_core.image.demangling import demangle
from uprobe_core.image.elf_symbols import ElfImage, Symbol
from uprobe_core.image.guest_files import GuestFiles

__all__ = ("Covered", "code_files")


class Covered:
    """Addresses that were executed, as stretches without overlap."""

    def __init__(self, blocks: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, size in sorted(blocks):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], start + size)
            else:
                self._starts.append(start)
                self._ends.append(start + size)

    def count(self, start: int, end: int) -> int:
        """Bytes of [start, end) among them."""
        total, at = 0, bisect_right(self._ends, start)
        while at < len(self._starts) and self._starts[at] < end:
            total += min(end, self._ends[at]) - max(start, self._starts[at])
            at += 1
        return total


def code_files(
    seen: Mapping[str, Mapping[tuple[int, int], None]],
    files: GuestFiles,
    program: str,
    patterns: Sequence[str] = (),
) -> list[CodeFile]:
    """Each file of *seen* that is wanted, by path.

    :param program: as the run names the one that is wanted if there are no *patterns*
    :param patterns: globs of paths or of their last components; a library's may lack its version (``libc``);
        with ``./`` or ``../`` in front from the working directory
    """
    patterns = [_from(files.cwd, pattern) for pattern in patterns]
    return [
        _code_file(path, blocks, files)
        for path, blocks in sorted(seen.items())
        if (_is_one_of(path, patterns) if patterns else _is_same(path, program, files))
    ]


def _from(folder: str, pattern: str) -> str:
    return posixpath.normpath(f"{folder}/{pattern}") if pattern.startswith(("./", "../")) else pattern


def _is_same(path: str, program: str, files: GuestFiles) -> bool:
    """Whether *path* is *program*, which without a slash was looked for."""
    if "/" not in program:
        return path.rpartition("/")[2] == program
    found = files(path)
    return not found.errno_name and found.identity == files(program).identity


def _is_one_of(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    names = (path, name, name.partition(".so")[0])
    return any(fnmatch.fnmatchcase(each, pattern) for pattern in patterns for each in names)


def _code_file(path: str, blocks: Mapping[tuple[int, int], None], files: GuestFiles) -> CodeFile:
    status = files(path)
    try:
        image = ElfImage(status.host_path)
    except TargetError:  # it is gone, or was never one
        return CodeFile(path, "", 0, 0, sorted(blocks), (), {})
    with image:
        return _described(image, path, status.host_path, blocks, files)


def _described(
    image: ElfImage, path: str, host_path: str, blocks: Mapping[tuple[int, int], None], files: GuestFiles
) -> CodeFile:
    placed = sorted((at, size) for at, size in _addresses(image, blocks) if at is not None)
    covered, source = Covered(placed), Source(image, path, files, files.debug_folders)
    loaded = [(s.vaddr, s.vaddr + s.memory_size) for s in image.segments]
    stretches = list(_stretches(source))
    lines: dict[str, dict[int, bool]] = {}
    for name, line, start, end in stretches:
        of_file = lines.setdefault(name, {})
        of_file[line] = of_file.get(line, False) or covered.count(start, end) > 0
    symbols = _functions(source.found.symbols or image)
    functions = _with_lines(symbols, stretches, covered, [start for start, _ in placed])
    base = min(start for start, _ in loaded) & -4096 if loaded else 0
    end = max(end for _, end in loaded) if loaded else 0
    return CodeFile(path, host_path, base, end, placed, functions, lines)


def _addresses(image: ElfImage, blocks: Mapping[tuple[int, int], None]) -> Iterator[tuple[int | None, int]]:
    for offset, size in blocks:
        try:
            yield image.offset_to_vaddr(offset), size
        except TargetError:
            continue


def _stretches(source: Source) -> Iterator[tuple[str, int, int, int]]:
    try:
        yield from source.lines.stretches()
    except TargetError:  # it has none, or damaged ones: what was read is right
        return


def _functions(image: ElfImage) -> list[Symbol]:
    """One symbol for each place."""
    found: dict[int, Symbol] = {}
    for symbol in image.functions():
        if symbol.size and (symbol.vaddr not in found or _rank(symbol) < _rank(found[symbol.vaddr])):
            found[symbol.vaddr] = symbol
    return [found[at] for at in sorted(found)]


def _rank(symbol: Symbol) -> tuple[int, int, str]:
    name = symbol.name
    return len(name) - len(name.lstrip("_")), len(name), name


def _with_lines(
    symbols: Sequence[Symbol],
    stretches: Sequence[tuple[str, int, int, int]],
    covered: Covered,
    starts: Sequence[int],
) -> list[CodeFunction]:
    by_start = sorted((start, end, file, line) for file, line, start, end in stretches)
    begins = [each[0] for each in by_start]
    functions = []
    for symbol in symbols:
        first, behind = symbol.vaddr, symbol.vaddr + symbol.size
        own = by_start[bisect_left(begins, first) : bisect_left(begins, behind)]
        source, line = (own[0][2], own[0][3]) if own else ("", 0)
        lines: dict[int, bool] = {}
        for start, end, file, number in own:
            if file == source:
                lines[number] = lines.get(number, False) or covered.count(start, end) > 0
        functions.append(
            CodeFunction(
                demangle(symbol.name),
                first,
                symbol.size,
                covered.count(first, behind),
                bisect_left(starts, behind) - bisect_left(starts, first),
                covered.count(first, first + 4) > 0,
                source,
                line,
                lines,
            )
        )
    return functions
