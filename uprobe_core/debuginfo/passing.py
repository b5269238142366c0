"""Which objects of C++ are not passed as their bytes: those with something to do when they are copied.

Source: Itanium C++ ABI, "non-trivial for the purposes of calls" (1.1, 3.1.1).
"""

from __future__ import annotations

from collections.abc import Iterable

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.debuginfo.unit import Die

__all__ = ("is_passed_behind_a_pointer",)

_BY_REFERENCE, _BY_VALUE = 4, 5
_IN_CLASS = 1
_DEEPEST = 8


def is_passed_behind_a_pointer(kind: Type, depth: int = 0) -> bool:
    """Whether callers and callees hand over an address of an object of *kind*, however small it is."""
    if kind.kind is Kind.ARRAY:
        return is_passed_behind_a_pointer(kind.inner, depth + 1)
    if kind.kind not in (Kind.STRUCT, Kind.UNION) or kind.complete is None or depth > _DEEPEST:
        return False
    said = kind.complete.get(At.CALLING_CONVENTION)
    if said in (_BY_REFERENCE, _BY_VALUE):
        return bool(said == _BY_REFERENCE)
    own = [_has_to_do(each, kind.complete) for each in kind.complete.children()]
    return any(own) or any(is_passed_behind_a_pointer(each.type, depth + 1) for each in kind.members)


def _has_to_do(child: Die, around: Die) -> bool:
    """Whether a part of a class makes copies of it, or their end, more than a copy of bytes."""
    if child.tag != Tag.SUBPROGRAM:
        return child.tag == Tag.MEMBER and child.name.startswith("_vptr")
    if child.get(At.VIRTUALITY):
        return True
    written = not child.get(At.ARTIFICIAL) and child.get(At.DEFAULTED) != _IN_CLASS
    if child.name.startswith("~"):
        return bool(written and not child.get(At.DELETED))
    is_maker = child.name == around.name.partition("<")[0]
    return is_maker and bool(written) and not child.get(At.DELETED) and _is_copy(child.children(), around)


def _is_copy(children: Iterable[Die], around: Die) -> bool:
    """Whether the constructor takes one reference to an object of its own class."""
    given = [each for each in children if each.tag == Tag.PARAMETER and not each.get(At.ARTIFICIAL)]
    if len(given) != 1:
        return False
    reference = given[0].ref(At.TYPE)
    if reference is None or reference.tag not in (Tag.REFERENCE, Tag.RVALUE_REFERENCE):
        return False
    named = Type(reference).target.die
    return named is not None and named.key == around.key
