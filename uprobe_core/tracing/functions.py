"""``-F PATTERN``: events at the entry and, for those who read records, the return of functions that match."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from uprobe_core.call_pairs import JUMPS, LINK, SP
from uprobe_core.errors import ProbeError, TargetError, UsageError
from uprobe_core.events.hints import nearest
from uprobe_core.events.locations import LocationResolver
from uprobe_core.events.quoting import place_as_written
from uprobe_core.image.elf_symbols import ElfImage, Symbol
from uprobe_core.image.event_names import MOST, apart, identifier
from uprobe_core.image.libraries import short_name
from uprobe_core.image.signatures import signature_of
from uprobe_core.run_setup import EventLine, FunctionOf
from uprobe_core.source_names import short, without_parameters, without_result
from uprobe_core.tracing.place_check import PlaceCheck
from uprobe_core.tracing.typed_functions import TypedFunctions

if TYPE_CHECKING:
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.run_setup import RunSetup

__all__ = ("function_lines",)

AT_RETURN = "__return"
"""Ends the name of the event at a function's return, as perf names it."""
_GLOB = frozenset("*?[")
_USUAL = "`uprobe list` shows what there is"


@dataclass(frozen=True, slots=True)
class _Found:
    """A function that matches.

    :param path: of its file, as the pattern has it
    :param shown: its name in the source
    """

    path: str
    group: str
    name: str
    symbol: Symbol
    shown: str


def function_lines(
    setup: RunSetup,
    files: GuestFiles,
    arch: ArchOps,
    resolver: LocationResolver | None,
    *,
    records: bool,
    frames: bool,
    typed: bool,
    warn: Callable[[str], None],
) -> list[EventLine]:
    """The event lines that ``-F`` of *setup* means.

    A function that cannot be probed is left out, and *warn* is told.  Raises
    UsageError for a pattern that names no file or no function.

    :param resolver: knows what debug information says of functions, None: nobody does
    :param frames: whether entries say in which frame they are (see uprobe_core.call_pairs)
    :param records: whether there are to be events at returns, for those who read records
    :param typed: whether somebody may look at what functions take and give
    """
    found: dict[tuple[str, int], _Found] = {}
    everything: list[_Found] = []
    for pattern in setup.functions:
        matching = list(_matching(pattern, setup, files, arch))
        everything += matching
        if not matching:
            raise _nothing(f"-F {pattern}: no function matches", _libraries_hint(pattern, files, arch))
        for each in matching:
            if not _is_excluded(each, setup.exclude):
                found.setdefault((each.path, each.symbol.offset), each)
    for glob in setup.exclude if setup.functions else ():
        if not any(_is_excluded(each, (glob,)) for each in everything):
            warn(f"--exclude {glob} leaves nothing out: no function that matches -F is called so")
    if setup.functions and not found:
        raise _nothing("every function that matches -F is excluded", "is --exclude right?")
    if setup.tree_of is not None and setup.control is None and not (setup.events or setup.syscalls):
        _refuse_lost_tree(setup.tree_of, [without_parameters(each.shown) for each in found.values()])
    good = list(_probeable(found.values(), PlaceCheck(files, arch, setup.policy), warn))
    kinds = (False, True) if records else (False,)
    types = None
    if typed and not setup.policy.is_kernel:
        types = TypedFunctions(files, resolver, pointers=frames)
    lines = [_line(each, is_return, types) for each in good for is_return in kinds]
    return [_with_frame(line, arch) if frames and types else line for line in lines]


def _no_symbols_hint(pattern: str, files: GuestFiles, arch: ArchOps) -> str:
    """What can be seen of a program that is stripped."""
    found = _libraries_hint(pattern, files, arch)
    others = "-S shows its system calls, -C profile where it works, -F 'libc:*' what it asks of a library"
    return others if found == _USUAL else found


def _libraries_hint(pattern: str, files: GuestFiles, arch: ArchOps) -> str:
    """Where functions match if the program has none: it is stripped, or a library does its work."""
    if "," in pattern:
        return f"one -F for each pattern: {' '.join(f'-F {each}' for each in pattern.split(','))}"
    if ":" in pattern:
        return _USUAL
    names = [name for name in reversed(files.libraries) if ".so" not in name and not name.startswith("ld-")]
    found = [name for name in names if _has(files, name, pattern, arch)]
    known = f"the program has none; -F '{found[0]}:{pattern}' is a library's" if found else ""
    others = f" (also {', '.join(found[1:])})" if found[1:] else ""
    return f"{known}{others}" if known else _USUAL


def _has(files: GuestFiles, library: str, glob: str, arch: ArchOps) -> bool:
    with suppress(OSError, TargetError), ElfImage(files(library).host_path, arch.info) as image:
        return any(image.is_match(symbol, glob) for symbol in image.functions())
    return False


def _refuse_lost_tree(pattern: str, names: Sequence[str]) -> None:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        text = f"--tree-of {pattern}: no function that is followed is called so"
        raise _nothing(text, nearest(pattern, dict.fromkeys(names)) or "-F PATTERN follows functions")


def _nothing(text: str, hint: str) -> UsageError:
    return UsageError(text, hint=hint, slug="no-function")


# --- patterns ---------------------------------------------------------------------------------------


def _matching(pattern: str, setup: RunSetup, files: GuestFiles, arch: ArchOps) -> Iterator[_Found]:
    path, glob = _split(pattern, setup, files)
    status = files(path)
    if status.errno_name:
        hint = "a path is looked up as the program would: inside --sysroot and --bind, if they are given"
        raise TargetError(f"{path}: no such program", exit_status=127, hint=hint, slug="not-found")
    with ElfImage(status.host_path, arch.info) as image, _names_apart(image, path, setup, files):
        group = identifier(short_name(status.host_path.rpartition("/")[2]))
        symbols = list(_chosen(image, glob, group, indirect=not setup.policy.is_kernel))
        if not symbols and not image.functions():
            text = f"-F {pattern}: {path} has no symbols of functions"
            raise _nothing(text, _no_symbols_hint(pattern, files, arch))
        if not symbols and not _GLOB & set(glob):
            known = [] if "," in glob else [symbol.name for symbol in image.functions()]
            near = nearest(glob, known)
            raise UsageError(
                f"-F {pattern}: no function {glob!r} in {path}",
                hint=near or _libraries_hint(pattern, files, arch),
                slug="no-function",
            )
        shown = [without_result(image.source_name(symbol)) for symbol in symbols]
        most = MOST - len(AT_RETURN)
        places = [symbol.offset for symbol in symbols]
        names = apart([short(each) for each in shown], [symbol.name for symbol in symbols], places, most)
        for symbol, text, name in zip(symbols, shown, names, strict=True):
            yield _Found(path, group, name, symbol, text)


def _names_apart(
    image: ElfImage, path: str, setup: RunSetup, files: GuestFiles
) -> AbstractContextManager[object]:
    """Give a stripped *image* the names that its debug file has, for the length of the ``with``."""
    if image.section(".symtab") is None:
        from uprobe_core.debuginfo.finder import find_debug

        image.names_from = find_debug(image, path, files, setup.debug_folders).symbols
    return image.names_from or nullcontext()


def _split(pattern: str, setup: RunSetup, files: GuestFiles) -> tuple[str, str]:
    """The file and the glob of a pattern; without a file it is the program's."""
    for at in [len(pattern), *(n for n, char in enumerate(pattern) if char == ":")]:
        status = files(pattern[:at]) if at else None
        if status is not None and not status.errno_name and status.regular:
            return _with_slash(pattern[:at], files, is_library=status.is_library), pattern[at + 1 :] or "*"
    name, colon, glob = pattern.partition(":")
    if colon and glob[:1] != ":" and name in _program_names(setup, files):
        return _with_slash(files.program or setup.argv[0], files, is_library=False), glob or "*"
    if "/" in pattern or (":" in pattern and "::" not in pattern) or not setup.argv:
        why = "" if "/" in pattern else files(pattern.partition(":")[0]).why_no_library
        hint = (
            why
            or "-F takes PATH, PATH:GLOB, LIBRARY:GLOB (libc:str*), or a GLOB of the program's own functions"
        )
        raise UsageError(f"-F {pattern} names no file", hint=hint, slug="no-file")
    return _with_slash(files.program or setup.argv[0], files, is_library=False), pattern


def _program_names(setup: RunSetup, files: GuestFiles) -> set[str]:
    """What the program is called, and the file that it is: python3 and python3.11."""
    program = files.program or (setup.argv[0] if setup.argv else "")
    paths = (program, files(program).host_path) if program else ()
    return {path.rpartition("/")[2] for path in paths} - {""}


def _with_slash(path: str, files: GuestFiles, *, is_library: bool) -> str:
    """*path* as an event line has it, where a number follows."""
    if is_library:
        return files.libraries[path]
    return path if "/" in path else f"./{path}"


def _chosen(image: ElfImage, glob: str, library: str, *, indirect: bool) -> Iterator[Symbol]:
    """The functions that match, one of each place: that with the plainest name."""
    places: dict[int, Symbol] = {}
    is_glob = bool(_GLOB & set(glob))
    for symbol in image.functions():
        if symbol.offset and (symbol.size or symbol.indirect or not is_glob) and image.is_match(symbol, glob):
            known = places.get(symbol.offset)
            if known is None or _plainness(symbol, library) < _plainness(known, library):
                places[symbol.offset] = symbol
    yield from (symbol for symbol in places.values() if indirect or not symbol.indirect)


def _plainness(symbol: Symbol, library: str) -> tuple[bool, int, int, str]:
    name = symbol.name
    return signature_of(library, name) is None, len(name) - len(name.lstrip("_")), len(name), name


def _is_excluded(found: _Found, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    names = [found.symbol.name, found.shown, short(found.shown)]
    names += [f"{found.group}:{name}" for name in names]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


# --- events -----------------------------------------------------------------------------------------


def _probeable(
    functions: Iterable[_Found], places: PlaceCheck, warn: Callable[[str], None]
) -> Iterator[_Found]:
    refused: list[str] = []
    with places:
        for each in functions:
            try:
                places.look(each.path, each.symbol.offset)
            except ProbeError:
                refused.append(each.shown)
            else:
                yield each
    if refused:
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        warn(f"-F leaves out what cannot be probed: {', '.join(refused[:3])}{more}")


def _line(found: _Found, is_return: bool, typed: TypedFunctions | None) -> EventLine:
    """The event at one end of a function; without *typed* it fetches nothing."""
    place = found.symbol.name if found.symbol.indirect else f"{found.symbol.offset:#x}"
    words = [
        f"{'r' if is_return else 'p'}:{found.group}/{found.name}{AT_RETURN if is_return else ''}",
        place_as_written(f"{found.path}:{place}"),
        *(() if typed is None else _arguments(found, is_return, typed)),
    ]
    return EventLine(" ".join(words), "-F", function=FunctionOf(found.shown, is_return))


def _arguments(found: _Found, is_return: bool, typed: TypedFunctions) -> tuple[str, ...]:
    which = found.group, found.symbol.name, found.path, found.symbol.offset
    if not is_return:
        return typed.arguments(*which)
    return (*typed.result(*which), "took=$latency", "insns=$insns")


def _with_frame(line: EventLine, arch: ArchOps) -> EventLine:
    """An entry's line with what :class:`~uprobe_core.call_pairs.CallPairs` asks for behind its arguments."""
    registers = arch.info.registers
    names = {number: name for name, number in registers.names.items()}
    assert line.function is not None
    if line.function.is_return or registers.link is None:
        return line
    frame = f"{SP}=%{names[registers.sp]} {LINK}=%{names[registers.link]} {JUMPS}=$jumps"
    return replace(line, text=f"{line.text} {frame}")
