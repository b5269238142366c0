"""Texts of structures: what is made at once is what is made part by part."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from uprobe_core.event_model import FAULT, GONE, FetchArg, FetchType, Value, leaves
from uprobe_core.events.shapes import Template, assembler

NUMBERS = st.integers(-(2**63), 2**64 - 1)
KINDS: dict[str, st.SearchStrategy[Value]] = {
    "u": NUMBERS,
    "s": NUMBERS,
    "x": NUMBERS,
    "c": st.integers(0, 127),
    "C": NUMBERS,
    "f": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
}
NOWHERE = st.sampled_from((FAULT, GONE))
FIXED = st.sampled_from(("{...}", "...", "100%", "<optimized out>", "(fault)"))


def structure(parts: Sequence[FetchArg], *, braces: bool = True) -> FetchArg:
    texts = ["{" * braces, *[" " for _ in parts[1:]], "}" * braces] if parts else ["{}"]
    return FetchArg(
        "",
        "",
        FetchType("shape", 8, "shape"),
        (),
        parts=tuple(parts),
        shape=Template(tuple(texts), tuple(parts)),
    )


def leaf(kind: str, count: int, words: bool) -> FetchArg:
    named = ((1, "ONE"), (2, "TWO")) if words and kind in "usx" else ()
    return FetchArg("", "", FetchType(kind, 8, kind, words=named), (), count=count, tells=True)


def fixed(text: str) -> FetchArg:
    return FetchArg("", "", FetchType("shape", 8, "shape"), (), shape=Template((text,), ()))


LEAVES = st.builds(leaf, st.sampled_from(sorted(KINDS)), st.sampled_from((0, 0, 2)), st.booleans())
STRUCTURES = st.recursive(
    LEAVES | st.builds(fixed, FIXED),
    lambda parts: st.builds(structure, st.lists(parts, max_size=3), braces=st.booleans()),
).filter(lambda arg: arg.shape is not None)


def value_of(arg: FetchArg) -> st.SearchStrategy[Value]:
    one = KINDS[arg.type.kind]
    none = st.none() if arg.type.is_string else NOWHERE
    return st.tuples(*[one] * arg.count) | NOWHERE if arg.count else one | one | none


def part_by_part(arg: FetchArg, values: list[Value]) -> Value:
    """What *arg* is, of the *values* that are left; takes what it needs."""
    if arg.shape is None:
        return values.pop(0)
    return arg.shape([part_by_part(part, values) for part in arg.parts])


@given(st.lists(STRUCTURES, min_size=1, max_size=3), st.data())
def test_it_does_not_matter_how_a_text_is_put_together(args: list[FetchArg], data: st.DataObject) -> None:
    values = tuple(data.draw(value_of(arg)) for arg in leaves(args))
    made = assembler(args)
    left = list(values)
    assert made is not None
    assert made(values) == tuple(part_by_part(arg, left) for arg in args)
