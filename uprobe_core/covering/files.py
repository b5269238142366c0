"""From executed blocks of a file to its functions and lines."""

from __future__ import annotations

import fnmatch
import posixpath
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from uprobe_core.debuginfo.source import Source
from uprobe_core.errors import TargetError
from uprobe_core.executed_code import CodeFile, CodeFunction
from uprobe_core.image.demangling import demangle
from uprobe_core.image.elf_symbols import ElfImage, Symbol
from uprobe_core.image.guest_files import GuestFiles

__all__ = ("Covered", "code_files")

Stretch = tuple[int, int, str, int]
"""First address of code that belongs to a line, address behind it, file as compiled, line."""


class Covered:
    """How often instructions were executed, as steps: from one address to the next all the same.

    :param blocks: address, size in bytes, and how often each was executed; they may overlap
    """

    def __init__(self, blocks: Iterable[tuple[int, int, int]]) -> None:
        changes: dict[int, int] = {}
        for start, size, times in blocks:
            changes[start] = changes.get(start, 0) + times
            changes[start + size] = changes.get(start + size, 0) - times
        self._starts = sorted(changes)
        self._times = list(accumulate(map(changes.__getitem__, self._starts)))

    def _steps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Bytes of each step within [start, end), and how often they were executed."""
        for at in range(max(bisect_right(self._starts, start) - 1, 0), bisect_left(self._starts, end)):
            behind = self._starts[at + 1] if at + 1 < len(self._starts) else end
            yield min(end, behind) - max(start, self._starts[at]), self._times[at]

    def bytes_in(self, start: int, end: int) -> int:
        """Bytes of [start, end) that were executed."""
        return sum(size for size, times in self._steps(start, end) if times)

    def most(self, start: int, end: int) -> int:
        """How often the instruction of [start, end) was executed that was executed most."""
        return max((times for _, times in self._steps(start, end)), default=0)


def code_files(
    seen: Mapping[str, Mapping[tuple[int, int], int]],
    files: GuestFiles,
    program: str,
    patterns: Sequence[str] = (),
) -> list[CodeFile]:
    """Each file of *seen* that is wanted, by path; without *patterns* the program and all that have lines.

    :param program: as the run names the one that is wanted if there are no *patterns*
    :param patterns: globs of paths or of their last components; a library's may lack its version (``libc``);
        with ``./`` or ``../`` in front from the working directory
    """
    patterns = [_from(files.cwd, pattern) for pattern in patterns]
    return [
        _code_file(path, blocks, files)
        for path, blocks in sorted(seen.items())
        if (_is_one_of(path, patterns) if patterns else _is_own(path, program, files))
    ]


def _from(folder: str, pattern: str) -> str:
    return posixpath.normpath(f"{folder}/{pattern}") if pattern.startswith(("./", "../")) else pattern


def _is_own(path: str, program: str, files: GuestFiles) -> bool:
    """Whether it is *program*, or was compiled with -g: a test under make, a library of its own."""
    return _is_same(path, program, files) or _has_lines(files(path).host_path)


def _has_lines(host_path: str) -> bool:
    try:
        with ElfImage(host_path) as image:
            return image.section(".debug_line") is not None
    except TargetError:
        return False


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


def _code_file(path: str, blocks: Mapping[tuple[int, int], int], files: GuestFiles) -> CodeFile:
    status = files(path)
    try:
        image = ElfImage(status.host_path)
    except TargetError:  # it is gone, or was never one
        return CodeFile(path, "", 0, 0, sorted(blocks), (), {})
    with image:
        return _described(image, path, status.host_path, blocks, files)


def _described(
    image: ElfImage, path: str, host_path: str, blocks: Mapping[tuple[int, int], int], files: GuestFiles
) -> CodeFile:
    placed = sorted(_placed(image, blocks))
    covered, source = Covered(placed), Source(image, path, files, files.debug_folders)
    loaded = [(s.vaddr, s.vaddr + s.memory_size) for s in image.segments]
    stretches = sorted((start, end, name, line) for name, line, start, end in _stretches(source))
    functions = _with_lines(
        _functions(source.found.symbols or image), stretches, covered, [at for at, _, _ in placed]
    )
    base = min(start for start, _ in loaded) & -4096 if loaded else 0
    end = max(end for _, end in loaded) if loaded else 0
    lines = _lines(stretches, covered, [each.start for each in functions])
    return CodeFile(path, host_path, base, end, [block[:2] for block in placed], functions, lines)


def _lines(
    stretches: Sequence[Stretch], covered: Covered, functions: Sequence[int]
) -> dict[str, dict[int, int]]:
    """How often each line was executed, by source: see CodeFile.lines.

    :param functions: where each begins, sorted
    """
    most: dict[tuple[str, int, int], int] = {}
    for start, end, name, line in stretches:
        key = name, line, bisect_right(functions, start)
        most[key] = max(most.get(key, 0), covered.most(start, end))
    lines: dict[str, dict[int, int]] = {}
    for (name, line, _), times in most.items():
        of_file = lines.setdefault(name, {})
        of_file[line] = of_file.get(line, 0) + times
    return lines


def _placed(image: ElfImage, blocks: Mapping[tuple[int, int], int]) -> Iterator[tuple[int, int, int]]:
    for (offset, size), times in blocks.items():
        try:
            address = image.offset_to_vaddr(offset)
        except TargetError:
            continue
        if address is not None:
            yield address, size, times


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
    symbols: Sequence[Symbol], stretches: Sequence[Stretch], covered: Covered, starts: Sequence[int]
) -> list[CodeFunction]:
    """
    :param stretches: sorted
    :param starts: of blocks, sorted
    """
    begins = [each[0] for each in stretches]
    functions = []
    for symbol in symbols:
        first, behind = symbol.vaddr, symbol.vaddr + symbol.size
        own = stretches[bisect_left(begins, first) : bisect_left(begins, behind)]
        source, line = own[0][2:] if own else ("", 0)
        here = [each for each in own if each[2] == source]
        functions.append(
            CodeFunction(
                demangle(symbol.name),
                first,
                symbol.size,
                covered.bytes_in(first, behind),
                bisect_left(starts, behind) - bisect_left(starts, first),
                covered.most(first, first + 4),
                source,
                line,
                _lines(here, covered, ()).get(source, {}),
            )
        )
    return functions
