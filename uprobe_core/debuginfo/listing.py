"""What the source says of functions and places, for who wants to know what can be written."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import DAMAGED
from uprobe_core.debuginfo.functions import (
    Instance,
    function_at,
    instance_of,
    parameters_of,
    qualified,
    result_name,
)
from uprobe_core.debuginfo.info import DebugInfo
from uprobe_core.debuginfo.line_program import LineProgram
from uprobe_core.debuginfo.lines import program_of
from uprobe_core.debuginfo.names import Names
from uprobe_core.debuginfo.types import type_of
from uprobe_core.debuginfo.unit import Die
from uprobe_core.events.explain import explain_program
from uprobe_core.events.variables import NamedError

__all__ = ("Described", "Named", "describe", "described", "inlined_functions", "variables")


class Described(NamedTuple):
    """A function as its source has it.

    :param file: as it was compiled, "" if that is not known
    :param line: 0 if that is not known
    """

    signature: str
    file: str
    line: int


class Named(NamedTuple):
    """Something that has a name at a place.

    :param kind: "parameter", "local", or "result" (of Go, which has names)
    :param program: what fetches it, or why nothing can
    """

    kind: str
    type: str
    name: str
    program: str


def describe(info: DebugInfo, vaddr: int) -> Described | None:
    """The function at *vaddr*, None if nothing is said of it."""
    try:
        found = function_at(info, vaddr)
        return None if found is None else described(found.die)
    except DAMAGED:
        return None


def described(die: Die) -> Described | None:
    """The function of *die*, None if what is said of it is damaged."""
    try:
        return _described(die)
    except DAMAGED:
        return None


def _described(die: Die) -> Described:
    parameters = parameters_of(die)
    words = [f"{type_of(each).name} {each.named()}".strip() for each in parameters]
    words += ["..."] if any(child.tag == Tag.UNSPECIFIED_PARAMETERS for child in die.children()) else []
    holder = die.find(At.DECL_LINE)
    signature = f"{result_name(die)} {qualified(die)}({', '.join(words)})"
    if holder is None:
        return Described(signature, "", 0)
    return Described(signature, _file(holder), int(holder.get(At.DECL_LINE)))


def _file(die: Die) -> str:
    known = die.unit.info.line_programs
    at = die.unit.header.offset
    if at not in known:
        known[at] = program_of(die.unit)
    program: LineProgram | None = known[at]
    number = die.get(At.DECL_FILE)
    files = [] if program is None else program.files
    return files[number] if isinstance(number, int) and number < len(files) else ""


def inlined_functions(info: DebugInfo, glob: str) -> Iterator[tuple[Instance, str]]:
    """Functions inlined into others whose names match *glob*, each with its name; all units are read."""
    names: dict[tuple[int, int], str] = {}
    for unit in info.units():
        try:
            dies = [unit.die(entry.offset) for entry in unit.scan() if entry.tag == Tag.INLINED]
            for die in dies:
                origin = die.origin()
                if origin is None:
                    continue
                name = names.setdefault(origin.key, origin.named())
                instance = instance_of(die) if fnmatchcase(name, glob) else None
                if instance is not None:
                    yield instance, name
        except DAMAGED:
            continue


def variables(names: Names) -> list[Named]:
    """What can be named at the place of *names*: parameters, then local variables; raises one of DAMAGED."""
    found = []
    for variable in sorted(names.variables, key=lambda each: not each.is_parameter):
        try:
            program = explain_program(names.argument("", variable.name, lambda _arg: 0))
        except NamedError as error:
            program = error.text
        is_other = variable.die.tag == Tag.PARAMETER
        kind = "parameter" if variable.is_parameter else "result" if is_other else "local"
        found.append(Named(kind, variable.type.name, variable.name, program))
    return found
