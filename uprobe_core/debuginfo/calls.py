"""Where parameters are at a function's first instruction, and results after it: the calling convention.

Unoptimised code says where parameters are once the prologue has put them
there; at the first instruction they are where the caller left them.
Source: Procedure Call Standard for the Arm 64-bit Architecture, 6.8 and 6.9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from uprobe_core.architecture import Registers
from uprobe_core.debuginfo.dwarf import At, Tag
from uprobe_core.debuginfo.passing import is_passed_behind_a_pointer
from uprobe_core.debuginfo.places import Const, InMemory, InPieces, InRegister, InVector, Piece, Place, load
from uprobe_core.debuginfo.types import Kind, Type, type_of
from uprobe_core.debuginfo.unit import Die
from uprobe_core.event_model import FetchOp, OpCode

__all__ = ("parameter_places", "result_places")

_VECTORS = 8
_MOST_IN_REGISTERS = 16
_DEEPEST = 4


def parameter_places(types: Sequence[Type], registers: Registers) -> list[Place]:
    """Where parameters of *types* are at a function's first instruction."""
    general, vector, stack = 0, 0, 0
    found: list[Place] = []
    for kind in types:
        size, is_wide = kind.size, alignment(kind) == 16
        floats = float_parts(kind)
        if not size and kind.kind is Kind.STRUCT:  # C has empty ones, which nobody hands over
            found.append(Const(b""))
            continue
        if floats:
            if vector + len(floats) <= _VECTORS:
                found.append(_in_vectors(vector, floats))
                vector += len(floats)
                continue
            vector = _VECTORS
        elif not kind.is_number and size > _MOST_IN_REGISTERS:
            found.append(_by_reference(general, stack, registers))
            general, stack = (
                (general + 1, stack) if general < len(registers.arguments) else (general, stack + 1)
            )
            continue
        else:
            words = max((size + 7) // 8, 1)
            general += general & 1 if is_wide else 0
            if general + words <= len(registers.arguments):
                found.append(_in_registers(general, words, registers))
                general += words
                continue
            general = len(registers.arguments)
        stack += stack & 1 if is_wide else 0
        found.append(InMemory(load(OpCode.STACKP), 8 * stack))
        stack += max((size + 7) // 8, 1)
    return found


def alignment(kind: Type, depth: int = 0) -> int:
    """8, or 16 for what begins at an even register or address of the stack (6.8.2, C.10 and C.14)."""
    if kind.is_number or (kind.kind is Kind.ARRAY and _is_vector(kind)):
        return 16 if kind.size == 16 and kind.kind not in (Kind.METHOD, Kind.COMPLEX) else 8
    if kind.kind is Kind.ARRAY:
        return alignment(kind.inner, depth + 1)
    if kind.kind not in (Kind.STRUCT, Kind.UNION) or kind.complete is None or depth > _DEEPEST:
        return 8
    parts = [each for each in kind.complete.children() if each.tag in (Tag.MEMBER, Tag.INHERITANCE)]
    return max((_of_part(each, depth) for each in parts), default=8)


def _of_part(die: Die, depth: int) -> int:
    """What a member asks for, or what its type does."""
    kind = type_of(die)
    written = [die.get(At.ALIGNMENT, 0)] + ([] if kind.die is None else [kind.die.get(At.ALIGNMENT, 0)])
    return 16 if any(isinstance(each, int) and each >= 16 for each in written) else alignment(kind, depth + 1)


def _is_vector(kind: Type) -> bool:
    """Whether it is what a vector register holds."""
    return kind.die is not None and bool(kind.die.get(At.GNU_VECTOR)) and kind.size in (8, 16)


def _in_registers(first: int, words: int, registers: Registers) -> Place:
    if words == 1:
        return InRegister(registers.arguments[first])
    return InPieces(tuple(Piece(8, InRegister(registers.arguments[first + n])) for n in range(words)))


def _in_vectors(first: int, sizes: Sequence[int]) -> Place:
    if len(sizes) == 1:
        return InVector(first)
    return InPieces(tuple(Piece(size, InVector(first + n)) for n, size in enumerate(sizes)))


def _by_reference(general: int, stack: int, registers: Registers) -> Place:
    """What is larger than two registers is where the caller has put a copy of it."""
    if general < len(registers.arguments):
        return InMemory(load(OpCode.REG, registers.arguments[general]))
    return InMemory((FetchOp(OpCode.STACKP), FetchOp(OpCode.DEREF, 8 * stack)))


def float_parts(kind: Type) -> list[int]:
    """The sizes of the one to four floating point numbers that *kind* is made of (an HFA), else []."""
    found = _floats(kind, 0)
    return found if found and len(found) <= 4 and len(set(found)) == 1 else []


def _floats(kind: Type, depth: int) -> list[int]:
    if kind.kind is Kind.FLOAT:
        return [kind.size]
    if kind.kind is Kind.COMPLEX:
        return [kind.size // 2] * 2
    if depth > _DEEPEST:
        return []
    if kind.kind is Kind.ARRAY and _is_vector(kind):
        return [kind.size]
    if kind.kind is Kind.ARRAY and kind.counts and 0 < kind.counts[0] <= 4:
        return _floats(kind.inner, depth + 1) * kind.counts[0]
    if kind.kind not in (Kind.STRUCT, Kind.UNION):
        return []
    parts = [_floats(member.type, depth + 1) for member in kind.members]
    if not all(parts):
        return []
    if kind.kind is Kind.STRUCT:
        return [size for part in parts for size in part]
    return max(parts, key=len, default=[]) if len({size for part in parts for size in part}) == 1 else []


def result_places(
    types: Sequence[Type],
    _parameters: Sequence[Type],
    registers: Registers,
    indirect: Callable[[], Place],
) -> list[Place]:
    """Where a function has left its results of *types* when it has returned.

    :param indirect: where large results are: what x8 has pointed to at the entry (6.9)
    """
    return [_result(each, registers, indirect) for each in types]


def _result(kind: Type, registers: Registers, indirect: Callable[[], Place]) -> Place:
    if is_passed_behind_a_pointer(kind):
        return indirect()
    floats = float_parts(kind)
    if floats:
        return _in_vectors(0, floats)
    if not kind.is_number and kind.size > _MOST_IN_REGISTERS:
        return indirect()
    if kind.size <= 8:
        return InRegister(registers.result)
    return _in_registers(0, 2, registers)
