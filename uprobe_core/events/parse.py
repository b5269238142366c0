"""Event lines to specs, in the kernel's order of checks (trace_uprobe.c, 6.12).

:class:`Language` carries what several lines share and knows the extensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from uprobe_core.errors import SpecError
from uprobe_core.event_model import DeleteSpec, EventSpec, FetchArg
from uprobe_core.events.arguments import MAX_ARGS, parse_arguments
from uprobe_core.events.dialect import Dialect, dialect_of
from uprobe_core.events.files import FileCheck, FileStatus, host_file
from uprobe_core.events.line import EventLine
from uprobe_core.events.locations import Location, LocationResolver
from uprobe_core.events.quoting import quoted_path
from uprobe_core.events.tokens import NumberError, is_good_name, is_good_system_name, kstrtoul, split_words
from uprobe_core.events.variables import SourceNames, Variables

if TYPE_CHECKING:
    from uprobe_core.architecture import Registers
    from uprobe_core.types import Policy

__all__ = ("Command", "Language")

DEFAULT_GROUP = "uprobes"
MAX_EVENT_NAME = 64
_DIGITS = "0123456789"

Command = EventSpec | DeleteSpec


@dataclass(frozen=True, slots=True)
class Language:
    """How lines are read: the policy, the architecture's names, and who answers for files.

    :param registers: the architecture's: what ``%name`` and ``$argN`` mean
    :param vectors: (index, bytes) of a vector register's scalar view, None if there is none
    :param hint: what to write instead of a register that there is not, None: nothing special
    :param resolver: finds symbols, source lines and markers (extensions); None: no images
    """

    policy: Policy
    registers: Registers
    vectors: Callable[[str], tuple[int, int] | None] | None = None
    hint: Callable[[str], str | None] = lambda _name: None
    file_check: FileCheck = host_file
    resolver: LocationResolver | None = None

    def parse(self, text: str) -> list[Command]:
        """The commands of one line: none for a blank one, several for a glob.

        Raises SpecError, and nothing else, for whatever *text* may be.
        """
        line = EventLine.split(text, quotes=not self.policy.is_kernel)
        if not line.words:
            return []
        if text.startswith("-"):
            return [_delete(line)]
        return list(self._create(line))

    def _create(self, line: EventLine) -> list[EventSpec]:
        if not self.policy.is_kernel:
            line = line.with_whole_location()
        head = line.words[0]
        if head[0] not in "pr" or len(line.words) < 2:
            raise _no_line(line, head)
        if len(line.words) - 2 > MAX_ARGS:
            line = _within_the_most(line, dialect_of(self.policy))
        location = line.words[1]
        quoted = None if self.policy.is_kernel else quoted_path(location)
        path, colon, tail = _after(quoted, location) if quoted else location.rpartition(":")
        numeric = "/" in location and colon and tail and tail[0] in _DIGITS
        if numeric and not self._is_source_line(path):
            return [self._kernel_event(line, path, tail)]
        if self.policy.is_kernel or self.resolver is None:
            hint = "write PATH:OFFSET: PATH with a /, OFFSET a number (a file offset)"
            raise line.refusal(f"not a uprobe location: {location}", hint=hint)
        return self._extended_events(line, self.resolver)

    def _is_source_line(self, path: str) -> bool:
        """Whether the path of ``PATH:NUMBER`` is rather ``PATH:FILE`` (extension)."""
        extended = not self.policy.is_kernel and self.resolver is not None
        return extended and ":" in path and self.file_check(path).errno_name != ""

    def _kernel_event(self, line: EventLine, path: str, tail: str) -> EventSpec:
        self._file(line, path)
        start = len(line.words[1]) - len(tail)
        tail, ref = _reference(line, tail, start)
        number, percent, suffix = tail.partition("%")
        if percent and suffix != "return":
            raise line.error("BAD_ADDR_SUFFIX", 1, start + len(number), hint="the only suffix is %return")
        try:
            offset = kstrtoul(number)
        except NumberError as error:
            raise line.error("BAD_UPROBE_OFFS", 1, start, errno_name=error.errno_name) from None
        is_return = line.words[0][0] == "r" or bool(percent)
        location = Location(path, offset, ref)
        return self._event(line, location, is_return)

    def _file(self, line: EventLine, path: str) -> FileStatus:
        status = self.file_check(path) if path else FileStatus(regular=False)  # as kern_path takes ""
        if status.errno_name:
            hint = f"no file {path}; relative paths start at the program's working directory" if path else ""
            raise line.error("FILE_NOT_FOUND", 1, errno_name=status.errno_name, hint=hint)
        if not status.regular:
            raise line.error("NO_REGULAR_FILE", 1)
        return status

    def _extended_events(self, line: EventLine, resolver: LocationResolver) -> list[EventSpec]:
        path, target, is_return, ref = resolver.split(line, self.file_check)
        status = self._file(line, path)
        is_return = is_return or line.words[0][0] == "r"
        places = resolver.resolve(line, path, status, target)
        if is_return:
            places = _with_returns(line, places, target)
        if _event_name(line, line.words[0])[1]:  # one event: names of one place are one location of it
            places = list({(place.offset, place.ref): place for place in reversed(places)}.values())[::-1]
        alone = len(places) == 1
        return [self._event(line, replace(p, ref=ref or p.ref), is_return, alone=alone) for p in places]

    def _event(
        self, line: EventLine, location: Location, is_return: bool, *, alone: bool = False
    ) -> EventSpec:
        """The event; *alone*: nothing else is at the places that the line names."""
        group, name = _event_name(line, line.words[0])
        is_named = bool(name)
        if not is_named:
            name = location.name or _automatic_name(location)
        takes = is_return or len(line.words) > 2 or location.arguments
        args, entry = self._arguments(line, location, is_return, alone) if takes else ((), ())
        return EventSpec(
            "r" if is_return else "p",
            group,
            name,
            location.path,
            location.offset,
            location.ref,
            args,
            str(line),
            entry,
            location.text,
            location.resolver,
            is_named,
            is_older=dialect_of(self.policy).older,
        )

    def _arguments(
        self, line: EventLine, location: Location, is_return: bool, alone: bool
    ) -> tuple[tuple[FetchArg, ...], tuple[FetchArg, ...]]:
        """The arguments of an event at *location*, and what they want captured at entry."""
        variables = Variables(
            registers=self.registers,
            extended=not self.policy.is_kernel,
            vectors=self.vectors,
            hint=self.hint,
            dialect=dialect_of(self.policy),
            symbol=self._symbol_finder(line, location),
            is_return=is_return,
            source=self._names_finder(line, location, is_return=is_return),
            is_named=_is_function(location),
        )
        return parse_arguments(self._with_result(location.with_arguments(line), variables, alone), variables)

    @staticmethod
    def _with_result(line: EventLine, variables: Variables, alone: bool) -> EventLine:
        """*line*, with what the function returns if it names no arguments and its type is known."""
        if len(line.words) > 2 or not (alone and variables.is_return and variables.is_named):
            return line
        source = variables.source()
        return line if source is None else EventLine((*line.words, *source.results))

    def _names_finder(
        self, line: EventLine, location: Location, *, is_return: bool
    ) -> Callable[[], SourceNames | None]:
        resolver = self.resolver
        if self.policy.is_kernel or resolver is None:
            return lambda: None
        status = self.file_check(location.path)
        return cache(
            lambda: resolver.names(line, location.path, status, location.offset, is_return=is_return)
        )

    def _symbol_finder(self, line: EventLine, location: Location) -> Callable[[str], int] | None:
        resolver = self.resolver
        if self.policy.is_kernel or resolver is None:
            return None
        status = self.file_check(location.path)
        return lambda symbol: resolver.data_symbol(line, status, location.offset, symbol)


def _with_returns(line: EventLine, places: Sequence[Location], target: str) -> list[Location]:
    """Those of *places* that return to a caller; raises SpecError if none does."""
    found = [place for place in places if not place.inlined]
    if not found:
        text = f"{target} is inlined wherever it is used, and so it does not return"
        raise line.refusal(text, hint="probe its entry, or a line behind what it was inlined into")
    return found


def _is_function(location: Location) -> bool:
    """Whether the place was found by the name of a function."""
    return bool(location.name) and not location.text.startswith(("sdt:", "*+"))


def _after(quoted: tuple[str, int], location: str) -> tuple[str, str, str]:
    """A quoted path, and the colon and target behind it, as str.rpartition has them."""
    path, length = quoted
    _, colon, target = location[length:].partition(":")
    return path, colon, target


def _no_line(line: EventLine, head: str) -> SpecError:
    from uprobe_core.events.other_tools import line_hint

    what = "no location after" if head[0] in "pr" else "not a uprobe command:"
    return line.refusal(f"{what} {head}", hint=line_hint(head))


def _delete(line: EventLine) -> DeleteSpec:
    """``-:[GROUP/]NAME [PATH:OFFSET [ARG ...]]``, as dyn_event_release reads it."""
    head = line.words[0]
    group, slash, name = head[2:].partition("/")
    if not slash:
        group, name = "", group
    if head[1:2] != ":" or (not slash and not name):
        raise line.refusal(f"not a delete command: {head}", hint="-:[GROUP/]NAME, or -:GROUP/ for all")
    return DeleteSpec(group if slash else None, name, line.words[1:], str(line))


def _reference(line: EventLine, tail: str, start: int) -> tuple[str, int]:
    """Cut ``(REF)`` off *tail*, which begins at column *start* of the location."""
    head, brace, rest = tail.partition("(")
    if not brace:
        return tail, 0
    at = start + len(head) + 1
    number, close, suffix = rest.partition(")")
    if not close:
        raise line.error("REFCNT_OPEN_BRACE", 1, at + len(rest))
    if suffix:
        raise line.error("BAD_REFCNT_SUFFIX", 1, at + len(number) + 1, hint="%return goes before (REF)")
    try:
        return head, kstrtoul(number)
    except NumberError as error:
        raise line.error("BAD_REFCNT", 1, at, errno_name=error.errno_name) from None


def _within_the_most(line: EventLine, dialect: Dialect) -> EventLine:
    """A line with too many arguments without the last ones, where a kernel reads it so; raises SpecError."""
    if dialect.cuts:
        return EventLine(line.words[: 2 + MAX_ARGS])
    if dialect.counts:
        raise line.error("TOO_MANY_ARGS", 2, errno_name="E2BIG")
    raise line.refusal(f"more than {MAX_ARGS} arguments", errno_name="E2BIG")


def _event_name(line: EventLine, head: str) -> tuple[str, str]:
    """Group and name of ``p:[GROUP/]NAME``; the name is "" when it is to be made up."""
    if head[1:2] != ":":
        return DEFAULT_GROUP, ""
    name, offset, group = head[2:], 2, DEFAULT_GROUP
    at = name.find("/") if "/" in name else name.find(".")
    if at >= 0:
        group, name, offset = _group(line, name[:at]), name[at + 1 :], at + 3
        if not name:
            return group, ""
    if not name:
        raise line.error("NO_EVENT_NAME", 0, offset)
    if len(name) >= MAX_EVENT_NAME:
        raise line.error("EVENT_TOO_LONG", 0, offset, hint=f"at most {MAX_EVENT_NAME - 1} characters")
    if not is_good_name(name):
        raise line.error("BAD_EVENT_NAME", 0, offset, hint="letters, digits and _, not starting with a digit")
    return group, name


def _group(line: EventLine, group: str) -> str:
    if not group:
        raise line.error("NO_GROUP_NAME", 0, 2)
    if len(group) + 1 > MAX_EVENT_NAME:
        raise line.error("GROUP_TOO_LONG", 0, 2, hint=f"at most {MAX_EVENT_NAME - 1} characters")
    if not is_good_system_name(group):
        raise line.error("BAD_GROUP_NAME", 0, 2)
    return group


def _automatic_name(location: Location) -> str:
    """``p_FILE_0xOFFSET`` (for return events too), FILE cut at the first of ``.-_``."""
    stem = location.path.rpartition("/")[2]
    cut = min((stem.find(c) for c in ".-_" if c in stem), default=len(stem))
    shown = "_".join(split_words(stem[:cut]))  # white space: only a quoted path has it
    return f"p_{shown}_{location.offset:#x}"[: MAX_EVENT_NAME - 1]
