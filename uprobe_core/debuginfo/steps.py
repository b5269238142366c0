"""What the operators of an expression do to an object, in the language that the source is written in."""

from __future__ import annotations

from dataclasses import replace

from uprobe_core.debuginfo.casts import type_named
from uprobe_core.debuginfo.dwarf import At, Language
from uprobe_core.debuginfo.expression import Step
from uprobe_core.debuginfo.operands import (
    Operand,
    RefusedError,
    address_of,
    index,
    looked_through,
    member,
    pointed,
)
from uprobe_core.debuginfo.places import is_whole, part_of
from uprobe_core.debuginfo.sequences import elements_of, held
from uprobe_core.debuginfo.types import Kind, Type
from uprobe_core.debuginfo.unit import Unit

__all__ = ("stepped",)

_DOT_FOLLOWS = frozenset({Language.GO, Language.RUST})
"""Those have one operator for members of a structure and behind a pointer."""
_WITHOUT = "it is a value itself: leave the * or -> out"


def stepped(operand: Operand, step: Step, unit: Unit) -> Operand:
    """*operand* after *step*, in the source of *unit*; raises RefusedError."""
    target = looked_through(operand)
    if step.kind == "->":
        return member(pointed(_pointer(target, f"write .{step.name}")), step.name)
    if step.kind == ".":
        return _part(target, step.name, unit)
    if step.kind == "[":
        return _element(target, step.number)
    if step.kind == "*":
        return pointed(_pointer(target, _WITHOUT))
    if step.kind == "&":
        return address_of(target)
    return _cast(target, type_named(unit, step))


def _cast(operand: Operand, kind: Type) -> Operand:
    """*operand* as one of another type, where its bytes are the same; C would convert other numbers."""
    own = operand.type
    is_raw = own.kind is Kind.VOID and own.size > 0  # a register by its name has no type, but a size
    converts = (
        kind.is_number
        and own.is_number
        and (
            kind.size > own.size
            or (kind.kind is Kind.FLOAT) is not (own.kind is Kind.FLOAT)
            or (kind.kind is Kind.FLOAT and kind.size != own.size)
            or (kind.kind is Kind.BOOL and own.kind is not Kind.BOOL)
        )
    )
    if converts or operand.bits:
        text = f"a cast does not convert {own.name} to {kind.name}"
        raise RefusedError(text, f"leave the cast out: it prints as {own.name}")
    if kind.is_number is not (own.is_number or is_raw) or (not own.is_number and kind.size > own.size):
        raise RefusedError(
            f"{own.name} cannot be taken for {kind.name}", f"cast its address: ({kind.name}*)&..."
        )
    return Operand(kind, operand.place)


def _pointer(operand: Operand, hint: str) -> Operand:
    """*operand*, or what it is about if it is a smart pointer."""
    inside = held(operand) if operand.type.kind is Kind.STRUCT else None
    found = operand if inside is None else inside
    if found.type.kind not in (Kind.POINTER, Kind.ARRAY):
        has_members = operand.type.kind in (Kind.STRUCT, Kind.UNION)
        raise RefusedError(f"{operand.type.name} is no pointer", hint if has_members else _WITHOUT)
    return found


def _part(operand: Operand, name: str, unit: Unit) -> Operand:
    follows = unit.root.get(At.LANGUAGE) in _DOT_FOLLOWS
    if operand.type.kind is Kind.POINTER and not follows:
        raise RefusedError(f"{operand.type.name} is a pointer", f"write ->{name}")
    if not follows:
        return member(operand, name)
    operand = pointed(operand) if operand.type.kind is Kind.POINTER else operand
    return member(_counted(operand, name), name)


def _counted(operand: Operand, name: str) -> Operand:
    """What an Rc or Arc of Rust points to, for what is no member of its own."""
    inside = held(operand) if operand.type.kind is Kind.STRUCT and not operand.type.find(name) else None
    if inside is None or inside.type.kind is not Kind.POINTER:
        return operand
    target = pointed(inside)
    part = next((each for each in ("value", "data") if target.type.find(each)), "")
    return member(target, part) if part and not target.type.find(name) else target


def _element(operand: Operand, number: int) -> Operand:
    """An element, of a vector or slice too, whose length is not looked at."""
    if operand.type.kind is not Kind.STRUCT:
        return index(operand, number)
    inside = held(operand)
    if inside is not None:
        return index(inside, number)
    found = elements_of(operand)
    if found is None and not is_whole(operand.place, operand.size):
        raise RefusedError("a part of it is optimized out here")
    if found is None:
        raise RefusedError(f"{operand.type.name} is no array")
    first = found.first
    return replace(first, place=part_of(first.place, number * max(first.type.size, 1)))
