"""Objects that hold others of one type elsewhere: vectors of C++ and Rust, slices of Rust and Go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.numbers import number
from uprobe_core.debuginfo.operands import Operand, RefusedError, member, part_named, pointed
from uprobe_core.debuginfo.types import Kind, Type, type_of
from uprobe_core.event_model import FetchArg, Value

__all__ = ("Elements", "elements_of", "held")

_MOST_DEEP = 6


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements that lie one after the other.

    :param first: the first of them
    :param counters: what tells how many there are; :param count: makes the number of their values
    """

    first: Operand
    counters: tuple[FetchArg, ...]
    count: Callable[[Sequence[Value]], int]


def elements_of(operand: Operand) -> Elements | None:
    """What *operand*, a structure, holds, if it is such an object; raises RefusedError."""
    name = "" if operand.type.die is None else operand.type.die.name
    if name.startswith("vector<"):
        return _between(operand, "_M_start", "_M_finish") or _between(operand, "__begin_", "__end_")
    if name.startswith("Vec<"):
        return _vec(operand)
    if name.startswith(("&[", "&mut [", "Box<[", "alloc::boxed::Box<[")):
        return _counted(operand, "data_ptr", "length")
    if name.startswith("[]"):
        return _counted(operand, "array", "len")
    return None


def held(operand: Operand) -> Operand | None:
    """What a smart pointer, or an array of C++, has inside, and is shown as."""
    name = "" if operand.type.die is None else operand.type.die.name
    if name.startswith(("shared_ptr<", "unique_ptr<", "weak_ptr<")):
        return _inside(operand, ("_M_ptr", "_M_head_impl", "__ptr_"))
    if name.startswith("array<"):
        return _inside(operand, ("_M_elems", "__elems_"))
    if name.startswith(("Box<", "Rc<", "Arc<", "NonNull<", "Unique<", "Cell<")):
        return _inside(operand, ("pointer", "value"))
    if name.startswith("NonZero<"):
        return _inside(operand, ("__0",))
    return None


def _inside(operand: Operand, names: tuple[str, ...]) -> Operand | None:
    return next((found for name in names for found in _parts(operand, name, 0)), None)


def _parts(operand: Operand, name: str, depth: int) -> Iterator[Operand]:
    """The parts called *name*, of *operand* and of what it has inside; outer ones first, pointers last."""
    if operand.type.kind is not Kind.STRUCT or depth > _MOST_DEEP:
        return
    found = [member(operand, name)] if operand.type.find(name) is not None else []
    yield from [each for each in found if each.type.kind is not Kind.STRUCT]
    for each in operand.type.members:
        yield from _parts(part_named(operand, each), name, depth + 1)


def _between(operand: Operand, start: str, end: str) -> Elements | None:
    """Elements from one pointer up to another."""
    first, last = _inside(operand, (start,)), _inside(operand, (end,))
    if first is None or last is None or not first.type.target.size:
        return None
    size = first.type.target.size

    def count(values: Sequence[Value]) -> int:
        low, high = (int(value or 0) for value in values)  # type: ignore[arg-type]  # addresses
        return (high - low) // size

    return Elements(pointed(first), (number(first), number(last)), count)


def _vec(operand: Operand) -> Elements | None:
    """Rust's Vec: what its pointer points to is the parameter of its type."""
    pointer = _inside(operand, ("pointer",))
    element = _parameter(operand.type)
    if pointer is None or element is None or operand.type.find("len") is None:
        return None
    first = replace(pointed(pointer), type=element)
    return Elements(first, (number(member(operand, "len")),), _one)


def _parameter(kind: Type) -> Type | None:
    """The first type that a generic type was made of."""
    children = [] if kind.complete is None else kind.complete.children()
    found = next((each for each in children if each.tag == Tag.TEMPLATE_TYPE), None)
    return None if found is None or At.TYPE not in found.attributes else type_of(found)


def _counted(operand: Operand, pointer: str, length: str) -> Elements | None:
    if operand.type.find(pointer) is None or operand.type.find(length) is None:
        return None
    try:
        first = pointed(member(operand, pointer))
    except RefusedError:
        return None
    return Elements(first, (number(member(operand, length)),), _one)


def _one(values: Sequence[Value]) -> int:
    return int(values[0] or 0)  # type: ignore[arg-type]  # a number
