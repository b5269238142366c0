"""Types as the source has them: their names, how large they are, what is in them (DWARF 5, chapter 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.encoding import uleb
from uprobe_core.debuginfo.forms import BLOCKS, REFERENCES
from uprobe_core.debuginfo.unit import Die

__all__ = ("VOID", "Kind", "Member", "Type", "Variant", "type_of")

_QUALIFIERS = frozenset({Tag.TYPEDEF, Tag.CONST, Tag.VOLATILE, Tag.RESTRICT, Tag.ATOMIC})
_WORDS = {Tag.CONST: "const", Tag.VOLATILE: "volatile", Tag.RESTRICT: "", Tag.ATOMIC: "_Atomic"}
_MOST_MEMBERS = 4096
_NO_NUMBER = BLOCKS | REFERENCES
_MOST_QUALIFIERS = 64


class Kind(Enum):
    """What a value is."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    CHAR = "char"
    UNICODE = "character of Unicode"
    BOOL = "bool"
    FLOAT = "float"
    COMPLEX = "complex"
    ENUM = "enum"
    POINTER = "pointer"
    STRUCT = "struct"
    UNION = "union"
    ARRAY = "array"
    CODE = "code"
    METHOD = "pointer to a method"
    VOID = "void"
    OTHER = "other"


_ENCODINGS = {
    **dict.fromkeys((0x01, 0x07, 0x08), Kind.UNSIGNED),
    **dict.fromkeys((0x05, 0x0D), Kind.SIGNED),
    0x02: Kind.BOOL,
    0x03: Kind.COMPLEX,
    0x04: Kind.FLOAT,
    0x06: Kind.CHAR,
    0x10: Kind.UNICODE,
}
_KINDS = {
    **dict.fromkeys((Tag.POINTER, Tag.REFERENCE, Tag.RVALUE_REFERENCE), Kind.POINTER),
    **dict.fromkeys((Tag.STRUCTURE, Tag.CLASS), Kind.STRUCT),
    Tag.UNION: Kind.UNION,
    Tag.ARRAY: Kind.ARRAY,
    Tag.ENUMERATION: Kind.ENUM,
    **dict.fromkeys((Tag.SUBROUTINE_TYPE, Tag.SUBPROGRAM), Kind.CODE),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A part of a structure.

    :param bit: where it begins, in bits from the start of the structure
    :param bits: how many it has, 0: as many as its type
    :param is_base: whether it is what a class is derived from
    :param is_virtual: whether only the object itself says where it begins
    """

    name: str
    type: Type
    bit: int
    bits: int = 0
    is_base: bool = False
    is_virtual: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the things that an object of Rust's may be.

    :param value: of the number that says so, None: what it is if that says nothing else
    """

    value: int | None
    member: Member


class Type:
    """A type without its qualifiers; *die* is None for void."""

    def __init__(self, die: Die | None, name: str = "", size: int | None = None) -> None:
        self.die = die
        self._given, self._size = name, size
        self._points_to: Type | None = None
        self._taken = 0
        """Dimensions of an array that were indexed away."""

    def pointer(self) -> Type:
        """The type of pointers to it."""
        found = Type(self.die, f"{self.name}*", 8)
        found._points_to = self
        return found

    @property
    def inner(self) -> Type:
        """What an array has in its first dimension: elements, or arrays of one dimension less."""
        if len(self.counts) <= 1:
            return self.target
        found = Type(self.die)
        found._taken = self._taken + 1
        return found

    @cached_property
    def kind(self) -> Kind:
        """What a value of it is."""
        if self._points_to is not None:
            return Kind.POINTER
        if self.die is None:
            return Kind.VOID
        if self.die.tag == Tag.BASE_TYPE:
            found = _ENCODINGS.get(self.die.get(At.ENCODING, 0), Kind.OTHER)
            if found is Kind.UNICODE and self.die.get(At.BYTE_SIZE) == 1:  # a byte of text
                return Kind.UNSIGNED
            # char is unsigned on some machines; what its name says is what people mean
            return Kind.CHAR if found is Kind.UNSIGNED and self.die.name == "char" else found
        if self.die.tag == Tag.POINTER_TO_MEMBER:  # an offset, or what a method is called by
            return Kind.METHOD if self.target.kind is Kind.CODE else Kind.SIGNED
        return _KINDS.get(self.die.tag, Kind.OTHER)  # type: ignore[call-overload,no-any-return]

    @cached_property
    def name(self) -> str:
        """As the source writes it, with the qualifiers that it was found behind left out."""
        if self._given:
            return self._given
        if self.die is None:
            return "void"
        if self.die.tag == Tag.POINTER:
            return f"{self.target.name}*"
        if self.die.tag in (Tag.REFERENCE, Tag.RVALUE_REFERENCE):
            return f"{self.target.name}{'&' if self.die.tag == Tag.REFERENCE else '&&'}"
        if self.kind is Kind.ARRAY:
            return self.element.name + "".join(f"[{count or ''}]" for count in self.counts)
        if self.kind is Kind.CODE:
            return "function"
        words = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum"}
        return self.die.name or f"{words.get(self.kind, 'type')} {{...}}"

    @cached_property
    def size(self) -> int:
        """Bytes of a value, 0 if that is not known."""
        if self._size is not None:
            return self._size
        if self.die is None:
            return 0
        if self.kind is Kind.ARRAY and self._size is None:
            total = self.element.size
            for count in self.counts:
                total *= count
            return total
        if self.kind is Kind.POINTER:
            return int(self.die.get(At.BYTE_SIZE, self.die.unit.address_size))
        if self.die.tag == Tag.POINTER_TO_MEMBER:
            return 16 if self.kind is Kind.METHOD else 8
        size = self.complete.get(At.BYTE_SIZE, 0) if self.complete is not None else 0
        return size if isinstance(size, int) else 0

    @property
    def is_reference(self) -> bool:
        """Whether it is a reference of C++, which stands for what it refers to."""
        return (
            self._points_to is None
            and self.die is not None
            and self.die.tag in (Tag.REFERENCE, Tag.RVALUE_REFERENCE)
        )

    @property
    def is_number(self) -> bool:
        """Whether a value of it fits into a register and is shown as one thing."""
        return self.kind not in (Kind.STRUCT, Kind.UNION, Kind.ARRAY, Kind.VOID, Kind.CODE)

    @cached_property
    def target(self) -> Type:
        """What a pointer points to, or what the elements of an array are."""
        if self._points_to is not None:
            return self._points_to
        return VOID if self.die is None else type_of(self.die)

    @property
    def element(self) -> Type:
        """The elements of an array of as many dimensions as it has."""
        return self.target

    @cached_property
    def counts(self) -> list[int]:
        """How many elements an array has in each dimension; 0 where that is not known."""
        if self.die is None:
            return []
        found = []
        for child in self.die.children():
            if child.tag not in (Tag.SUBRANGE, Tag.ENUMERATION):
                continue
            count, last = child.get(At.COUNT), child.get(At.UPPER_BOUND)
            if isinstance(count, int) and child.form(At.COUNT) not in _NO_NUMBER:
                found.append(max(count, 0))
            else:
                is_number = isinstance(last, int) and child.form(At.UPPER_BOUND) not in _NO_NUMBER
                found.append(last + 1 if is_number and 0 <= last < 1 << 40 else 0)
        return found[self._taken :]

    @cached_property
    def bound(self) -> tuple[bytes | Die, int] | None:
        """What computes, or holds, how long an array is that is made at run time, and what is to be added.

        None for what has a fixed length, or none, or several dimensions.
        """
        ranges = [] if self.die is None else [c for c in self.die.children() if c.tag == Tag.SUBRANGE]
        if self.kind is not Kind.ARRAY or len(ranges) != 1 or any(self.counts):
            return None
        for attribute, added in ((At.COUNT, 0), (At.UPPER_BOUND, 1)):
            said = ranges[0].get(attribute)
            found = said if isinstance(said, bytes) else ranges[0].ref(attribute)
            if found is not None:
                return found, added
        return None

    @cached_property
    def complete(self) -> Die | None:
        """Its entry, or the one that defines what this one only declares; None if no unit has it."""
        die = self.die
        if die is None or not die.get(At.DECLARATION):
            return die
        if not die.name:
            return None
        found = die.unit.info.whole.named(die.name, frozenset({die.tag}))
        return next((each for each in found if not each.get(At.DECLARATION)), None)

    @cached_property
    def members(self) -> list[Member]:
        """The parts of a structure, class or union, in the order of the source; bases among them."""
        return [] if self.complete is None else list(_members(self.complete))

    @cached_property
    def _variant_part(self) -> Die | None:
        children = [] if self.complete is None or self.kind is not Kind.STRUCT else self.complete.children()
        return next((each for each in children if each.tag == Tag.VARIANT_PART), None)

    @cached_property
    def discriminant(self) -> Member | None:
        """The number that says which of its variants an object is; None if there is one variant only."""
        tag = None if self._variant_part is None else self._variant_part.ref(At.DISCR)
        place = None if tag is None else _bit_of(tag)
        return None if tag is None or place is None else Member(tag.name, type_of(tag), place)

    @cached_property
    def variants(self) -> list[Variant]:
        """What an object may be (enumerations of Rust whose values have something in them)."""
        part = self._variant_part
        dies = [] if part is None else [each for each in part.children() if each.tag == Tag.VARIANT]
        pairs = [(die.get(At.DISCR_VALUE), list(_members(die))) for die in dies]
        return [Variant(value if isinstance(value, int) else None, each[0]) for value, each in pairs if each]

    @cached_property
    def enumerators(self) -> dict[int, str]:
        """Names by value."""
        if self.die is None:
            return {}
        children = [child for child in self.die.children() if child.tag == Tag.ENUMERATOR]
        found: dict[int, str] = {}
        for child in children:
            value = child.get(At.CONST_VALUE)
            if isinstance(value, int):
                found.setdefault(value, child.name)
        return found

    @cached_property
    def is_signed(self) -> bool:
        """Whether a number of it may be negative."""
        if self.kind is Kind.ENUM and self.die is not None:
            base = self.die.ref(At.TYPE)
            if base is not None:
                return Type(base).kind is Kind.SIGNED or self.target.is_signed
            return any(value < 0 for value in self.enumerators)
        if self.kind is Kind.CHAR and self.die is not None:
            return bool(self.die.get(At.ENCODING) in (0x05, 0x06))
        return self.kind is Kind.SIGNED

    def find(self, name: str) -> list[Member] | None:
        """The way to the part called *name*: through parts without names and bases; None if there is none."""
        return self._find(name, 0)

    def _find(self, name: str, depth: int) -> list[Member] | None:
        if depth > 16:
            return None
        for member in self.members:
            if member.name == name and not member.is_base:
                return [member]
        for member in self.members:
            if member.is_base and member.name.partition("<")[0] == name:
                return [member]
        for member in self.members:
            if member.is_base or not member.name:
                below = member.type._find(name, depth + 1)
                if below is not None:
                    return [member, *below]
        return None

    def names(self) -> list[str]:
        """What :meth:`find` finds, in the order of the source."""
        found: list[str] = []
        for member in self.members:
            found += member.type.names() if member.is_base or not member.name else [member.name]
        return found


VOID = Type(None)


def type_of(die: Die) -> Type:
    """The type that *die* says it has, qualifiers and other names taken off; void if it says none.

    The name stays the first that the source uses.
    """
    name, size = "", None
    found = die.find(At.TYPE)
    target = None if found is None else found.ref(At.TYPE)
    for _ in range(_MOST_QUALIFIERS):
        if target is None or target.tag not in _QUALIFIERS:
            break
        if target.tag == Tag.TYPEDEF:
            name = name or target.name
        size = target.get(At.BYTE_SIZE, size)
        target = target.ref(At.TYPE)
    if target is None:
        return Type(None, name)
    return Type(target, name, size if isinstance(size, int) else None)


def _members(die: Die) -> Iterator[Member]:
    count = 0
    for child in die.children():
        if child.tag not in (Tag.MEMBER, Tag.INHERITANCE) or (
            child.get(At.EXTERNAL) or child.get(At.DECLARATION)
        ):
            continue
        place, is_base = _bit_of(child), child.tag == Tag.INHERITANCE
        if place is None and not is_base:
            continue
        count += 1
        if count > _MOST_MEMBERS:
            raise ValueError("too many members")
        kind = type_of(child)
        name = kind.name if is_base else child.name
        if child.get(At.ARTIFICIAL) and not is_base and name.startswith("_vptr"):
            continue
        yield Member(name, kind, place or 0, int(child.get(At.BIT_SIZE, 0)), is_base, place is None)


def _bit_of(die: Die) -> int | None:
    """Where a member begins, in bits; None if that is computed at run time (virtual bases)."""
    bit = die.get(At.DATA_BIT_OFFSET)
    if isinstance(bit, int):
        return bit
    place, form = die.get(At.MEMBER_LOCATION, 0), die.form(At.MEMBER_LOCATION)
    if form in BLOCKS:
        if not place or place[0] != 0x23:
            return None
        place = uleb(place, 1)[0]
    width, from_top = die.get(At.BIT_SIZE), die.get(At.BIT_OFFSET)
    if width is None or from_top is None:
        return int(place) * 8
    storage = die.get(At.BYTE_SIZE) or type_of(die).size  # DWARF 3 counts from the most significant bit
    return int(place) * 8 + int(storage) * 8 - int(from_top) - int(width)
