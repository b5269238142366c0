"""Objects of C++'s library that are shown as what they mean: values that may be there, tuples, maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uprobe_core.debuginfo.operands import Operand, member, part_named
from uprobe_core.debuginfo.types import Kind

__all__ = ("Maybe", "count_of", "maybe_of", "parts_of")

_COUNTS = {
    **dict.fromkeys(("map<", "set<", "multimap<", "multiset<"), "_M_node_count"),
    **dict.fromkeys(
        ("unordered_map<", "unordered_set<", "unordered_multimap<", "unordered_multiset<"), "_M_element_count"
    ),
}
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value that may be there, and what says whether it is."""

    is_there: Operand
    value: Operand


def maybe_of(operand: Operand) -> Maybe | None:
    """What a ``std::optional`` may hold; None for anything else."""
    if not _name(operand).startswith("optional<"):
        return None
    for each in _around(operand, "_M_engaged", 0):
        if each.type.find("_M_payload"):
            return Maybe(member(each, "_M_engaged"), member(member(each, "_M_payload"), "_M_value"))
    for each in _around(operand, "__engaged_", 0):
        return Maybe(member(each, "__engaged_"), member(each, "__val_"))
    return None


def parts_of(operand: Operand) -> list[Operand]:
    """The parts of a ``std::tuple`` in their order; [] for anything else."""
    if not _name(operand).startswith("tuple<"):
        return []
    found = [member(each, "_M_head_impl") for each in _around(operand, "_M_head_impl", 0)]
    return found[::-1]


def count_of(operand: Operand) -> Operand | None:
    """What says how many elements a container has that does not keep them in a row."""
    wanted = next((name for start, name in _COUNTS.items() if _name(operand).startswith(start)), "")
    for each in _around(operand, wanted, 0) if wanted else ():
        found = member(each, wanted)
        return found if found.type.is_number else None
    return None


def _name(operand: Operand) -> str:
    return "" if operand.type.die is None else operand.type.die.name


def _around(operand: Operand, name: str, depth: int) -> Iterator[Operand]:
    """The objects inside *operand* that have a member called *name* themselves, inner ones first."""
    if operand.type.kind is not Kind.STRUCT or depth > _DEEPEST:
        return
    for each in operand.type.members:
        yield from _around(part_named(operand, each), name, depth + 1)
    own = [each for each in operand.type.members if not each.is_base]
    is_named = any(each.name == name for each in own)
    if is_named or (any(not each.name for each in own) and operand.type.find(name)):
        yield operand
