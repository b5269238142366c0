"""Functions, their inlined instances, and what can be named at a place in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.forms import CONSTANTS
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.ranges import ranges_of
from uprobe_core.debuginfo.spans import Spans
from uprobe_core.debuginfo.types import Kind, Type, type_of
from uprobe_core.debuginfo.unit import Die, Entry, Family, Unit

__all__ = (
    "Instance",
    "Variable",
    "function_at",
    "functions_of",
    "globals_named",
    "inlined_names",
    "instance_of",
    "instances_of",
    "is_nowhere",
    "last_part",
    "parameters_of",
    "qualified",
    "result_name",
    "results_of",
    "scopes_around",
    "scopes_at",
    "variables_at",
)

_SCOPES = frozenset({Tag.SUBPROGRAM, Tag.INLINED, Tag.LEXICAL_BLOCK})
_FUNCTIONS = frozenset({Tag.SUBPROGRAM, Tag.INLINED})
_C = frozenset({0x01, 0x02, 0x0C, 0x1D, 0x2C})
_MOST_INSTANCES = 1 << 14


@dataclass(frozen=True, slots=True)
class Instance:
    """A function where it has code: of its own, or in another function.

    :param entry: its first instruction
    :param ranges: [start, end) of its code
    :param inlined: whether it is in another
    """

    die: Die
    entry: int
    ranges: tuple[tuple[int, int], ...]
    inlined: bool

    @property
    def name(self) -> str:
        """As the source has it, without what is around it."""
        return self.die.named()

    def covers(self, vaddr: int) -> bool:
        """Whether the code at *vaddr* belongs to it, or to what is inlined into it."""
        return any(start <= vaddr < end for start, end in self.ranges)


@dataclass(frozen=True, slots=True)
class Variable:
    """Something with a name and a value.

    :param scope: the function or block that it belongs to, None for one outside of all functions
    """

    name: str
    die: Die
    scope: Die | None

    @property
    def is_parameter(self) -> bool:
        """Whether callers give it."""
        return self.die.tag == Tag.PARAMETER and not self.die.get(At.VARIABLE_PARAMETER)

    @property
    def type(self) -> Type:
        """Its type."""
        return type_of(self.die)


def instance_of(die: Die) -> Instance | None:
    """The function or inlined function of *die* where it has code, None if it has none."""
    ranges = tuple(span for span in ranges_of(die) if die.unit.info.is_code(*span))
    if not ranges:
        return None
    entry = die.get(At.ENTRY_PC)
    if isinstance(entry, int) and die.form(At.ENTRY_PC) in CONSTANTS:
        entry = ranges[0][0] + entry  # DWARF 5: an offset from the start
    if not isinstance(entry, int) or not any(start <= entry < end for start, end in ranges):
        entry = ranges[0][0]  # also where the compiler names a place that is not in the function
    return Instance(die, entry, ranges, die.tag == Tag.INLINED)


def functions_of(unit: Unit) -> list[Instance]:
    """The functions of *unit* that have code of their own, by address."""
    known = unit.info.functions.get(unit.header.offset)
    if known is None:
        dies = (unit.die(entry.offset) for entry in unit.scan() if entry.tag == Tag.SUBPROGRAM)
        found = (instance_of(die) for die in dies if not die.get(At.DECLARATION))
        known = sorted((each for each in found if each is not None), key=lambda each: each.entry)
        unit.info.functions[unit.header.offset] = known
    return known


def function_at(info: DebugInfo, vaddr: int) -> Instance | None:
    """The function that has the code at *vaddr*, None if nothing is said of one."""
    unit = info.unit_at(vaddr)
    if unit is None:
        return None
    functions, at = functions_of(unit), unit.header.offset
    spans = unit.info.spans.get(at)
    if spans is None:
        numbered = enumerate(functions)
        spans = unit.info.spans[at] = Spans(
            (*span, number) for number, each in numbered for span in each.ranges
        )
    found = spans.last_at(vaddr)
    return None if found is None else functions[found]


def scopes_at(function: Instance, vaddr: int) -> list[Die]:
    """The function, and the blocks and inlined functions in it around *vaddr*, innermost last."""
    scopes = [function.die]
    while True:
        inner = next(
            (
                child
                for child in scopes[-1].children()
                if child.tag in _SCOPES
                and child.tag != Tag.SUBPROGRAM
                and any(start <= vaddr < end for start, end in ranges_of(child))
            ),
            None,
        )
        if inner is None or len(scopes) > 200:
            return scopes
        scopes.append(inner)


def scopes_around(die: Die) -> list[Die]:
    """The function, and the blocks and inlined functions in it that are around *die*, which is the last."""
    entries, entry = _place(die)
    found = [die]
    parent = -1 if entry is None else entry.parent
    while parent >= 0 and entries[parent].tag in _SCOPES:
        found.append(die.unit.die(entries[parent].offset))
        parent = entries[parent].parent
    return found[::-1]


def variables_at(scopes: list[Die]) -> list[Variable]:
    """What has a name in *scopes*, innermost scope first; a name that is hidden comes later."""
    found = []
    for scope in reversed(scopes):
        found += list(_variables_of(scope))
    return found


def parameters_of(die: Die) -> list[Die]:
    """The parameters of a function, in the order of the source; the results of Go are none."""
    dies = [child for child in _children(die) if child.tag == Tag.PARAMETER]
    return _in_order([each for each in dies if not each.get(At.VARIABLE_PARAMETER)])


def _children(die: Die) -> Iterator[Die]:
    """The entries below a function, and in place of each pack of parameters those in it."""
    for child in die.children():
        if child.tag == Tag.GNU_PARAMETER_PACK:
            yield from child.children()
        else:
            yield child


def results_of(die: Die) -> list[Variable]:
    """What a function returns: at most one thing, without a name, or any number in Go."""
    dies = [each for each in die.children() if each.tag == Tag.PARAMETER and each.get(At.VARIABLE_PARAMETER)]
    if dies:
        return [Variable(each.named(), each, die) for each in dies]
    return [] if type_of(die).kind is Kind.VOID else [Variable("", die, die)]


def result_name(die: Die) -> str:
    """The type of what a function returns, as a signature has it."""
    names = [each.type.name for each in results_of(die)]
    return names[0] if len(names) == 1 else f"({', '.join(names)})" if names else "void"


def _in_order(dies: list[Die]) -> list[Die]:
    """*dies* as the source has them: an instance of a function lists them in some order."""
    origins = [die.origin() for die in dies]
    if any(origin is None for origin in origins):
        return dies
    pairs = zip(dies, origins, strict=True)
    order = {die.key: origin.offset for die, origin in pairs if origin is not None}
    return sorted(dies, key=lambda die: order[die.key])


def _variables_of(scope: Die) -> Iterator[Variable]:
    dies = _in_order([child for child in _children(scope) if child.tag in (Tag.PARAMETER, Tag.VARIABLE)])
    for die in dies:
        name = die.named()
        if name and name[0] not in "~.":  # a result of Go, and what its compiler adds
            yield Variable(name, die, scope)


def globals_named(info: Family, unit: Unit, name: str) -> list[Variable]:
    """Variables outside of functions that are called *name*: those of *unit* first."""
    found = []
    for die in _named(info, name, frozenset({Tag.VARIABLE})):
        places = [die, *info.referring(die, frozenset({Tag.VARIABLE}))]
        found += [each for each in places if At.LOCATION in each.attributes and not _is_local(each)]
    found.sort(key=lambda die: die.unit is not unit)
    return [Variable(name, die, None) for die in found]


def is_nowhere(info: Family, name: str) -> bool:
    """Whether there is a global variable called *name* of which nothing says where it is."""
    return any(not _is_local(die) for die in _named(info, name, frozenset({Tag.VARIABLE})))


def _named(info: Family, name: str, tags: frozenset[int]) -> list[Die]:
    """The entries called *name*, with or without what is around them."""
    last = last_part(name)
    found = (
        info.named(last, tags)
        if info.shared is None
        else [*info.named(last, tags), *info.shared.named(last, tags)]
    )
    found += info.named(name, tags) if last != name else []
    return [die for die in found if name in (last, die.name) or _ends(qualified(die), name)]


def last_part(name: str) -> str:
    """What stands behind the last ``::`` that is not between angle brackets."""
    depth, start = 0, 0
    for at, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">" and name[at - 1 : at] not in "-=")
        if not depth and name[at : at + 2] == "::":
            start = at + 2
    return name[start:]


def _place(die: Die) -> tuple[list[Entry], Entry | None]:
    """All entries of the unit of *die*, and that of *die* among them."""
    entries = die.unit.scan()
    at = bisect_left(entries, die.offset, key=lambda entry: entry.offset)
    return entries, entries[at] if at < len(entries) and entries[at].offset == die.offset else None


def _is_local(die: Die) -> bool:
    entries, entry = _place(die)
    parent = -1 if entry is None else entry.parent
    while parent >= 0:
        if entries[parent].tag in _SCOPES:
            return True
        parent = entries[parent].parent
    return False


def qualified(die: Die) -> str:
    """The name of *die* with those of the namespaces and classes around it."""
    origin = die.origin()
    if origin is not None:
        return qualified(origin)
    entries, entry = _place(die)
    words = [die.name]
    parent = -1 if entry is None else entry.parent
    while parent >= 0:
        if entries[parent].tag not in _SCOPES:
            words.append(die.unit.die(entries[parent].offset).name or "(anonymous namespace)")
        parent = entries[parent].parent
    return "::".join(reversed(words))


def instances_of(info: DebugInfo, name: str) -> list[Instance]:
    """Every place where the function called *name* has code: of its own first, then inlined ones, by address.

    *name* is as the source has it, with or without namespaces, or the linker's.
    """
    found: dict[tuple[int, int], Instance] = {}
    seen: set[tuple[int, int]] = set()
    todo = _named(info, name, _FUNCTIONS)
    while todo:
        die = todo.pop()
        if die.key in seen or len(seen) > _MOST_INSTANCES:
            continue
        seen.add(die.key)
        instance = instance_of(die)
        if instance is not None:
            found[die.key] = instance
        elif die.tag == Tag.SUBPROGRAM and not (die.get(At.DECLARATION) and _is_c(die)):
            todo += info.referring(die, _FUNCTIONS)
    return sorted(found.values(), key=lambda each: (each.inlined, each.entry))


def _is_c(die: Die) -> bool:
    """Whether it is C, where nothing is an instance of a mere declaration."""
    return die.unit.root.get(At.LANGUAGE) in _C


def inlined_names(info: DebugInfo) -> frozenset[str]:
    """What is inlined somewhere, as the source and as the linker call it; all units are read."""
    origins: dict[tuple[int, int], Die] = {}
    for unit in info.units():
        try:
            for entry in unit.scan():
                origin = unit.die(entry.offset).origin() if entry.tag == Tag.INLINED else None
                if origin is not None:
                    origins[origin.key] = origin
        except DAMAGED:
            continue
    names = {origin.named() for origin in origins.values()}
    linked = {str(die.get(At.LINKAGE_NAME)) for die in origins.values() if At.LINKAGE_NAME in die.attributes}
    return frozenset(names | linked)


def _ends(whole: str, name: str) -> bool:
    return whole == name or whole.endswith(f"::{name}")
