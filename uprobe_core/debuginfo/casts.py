"""The types that casts name."""

from __future__ import annotations

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.expression import Step
from uprobe_core.debuginfo.operands import RefusedError
from uprobe_core.debuginfo.types import VOID, Type, type_of
from uprobe_core.debuginfo.unit import Unit
from uprobe_core.events.hints import nearest

__all__ = ("type_named",)

_TYPES = frozenset({Tag.BASE_TYPE, Tag.STRUCTURE, Tag.CLASS, Tag.UNION, Tag.ENUMERATION, Tag.TYPEDEF})
_ALIASES = {
    "long": "long int",
    "unsigned": "unsigned int",
    "unsigned long": "long unsigned int",
    "short": "short int",
    "unsigned short": "short unsigned int",
    "long long": "long long int",
    "unsigned long long": "long long unsigned int",
}
_MOST = 4096
_TAG_WORDS = ("struct ", "union ", "enum ", "class ", "const ")


def type_named(own: Unit, step: Step) -> Type:
    """The type of a cast, best that of the unit *own*; raises RefusedError."""
    name = " ".join(step.name.split())
    while name.startswith(_TAG_WORDS):
        name = name.partition(" ")[2]
    found = _named(own, _ALIASES.get(name, name))
    for _ in range(step.number):
        found = found.pointer()
    return found


def _known(own: Unit) -> list[str]:
    """The names of the types of *own*."""
    entries = [entry for entry in own.scan() if entry.tag in _TYPES]
    return sorted({own.die(entry.offset).name for entry in entries[:_MOST]} - {""})


def _named(own: Unit, name: str) -> Type:
    if name == "void":
        return VOID
    last, shared = name.rpartition("::")[2], own.info.shared
    known = own.info.whole.named(last, _TYPES) + ([] if shared is None else shared.named(last, _TYPES))
    dies = [die for die in known if not die.get(At.DECLARATION)]
    if not dies:
        raise RefusedError(f"no type is called {name!r}", nearest(name, _known(own)))
    die = min(dies, key=lambda die: die.unit is not own)
    if die.tag == Tag.TYPEDEF:
        found = type_of(die)
        return Type(found.die, die.name, found.size)
    return Type(die)
