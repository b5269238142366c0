"""The types of fetch arguments: names, sizes, how they print.

Source: probe_fetch_types and find_fetch_type in kernel/trace/trace_probe.c (6.12).
"""

from __future__ import annotations

from uprobe_core.event_model import FetchType
from uprobe_core.events.tokens import NumberError, kstrtoul

__all__ = ("EXTENSION_TYPES", "STRING", "TYPES", "default_type", "find_type")


def _integers() -> list[FetchType]:
    return [FetchType(f"{kind}{bits}", bits // 8, kind) for kind in "usx" for bits in (8, 16, 32, 64)]


STRING = FetchType("string", 4, "string")

TYPES: dict[str, FetchType] = {
    t.name: t for t in (*_integers(), STRING, FetchType("ustring", 4, "string"), FetchType("char", 1, "c"))
}
"""What a kernel takes for a uprobe; ``symbol`` and ``symstr`` exist there for kernel probes only."""

EXTENSION_TYPES: dict[str, FetchType] = {
    "f32": FetchType("f32", 4, "f"),
    "f64": FetchType("f64", 8, "f"),
}
"""What we take beside them, outside policy=kernel."""

_CONTAINERS = {8: "u8", 16: "u16", 32: "u32", 64: "u64"}


def default_type(width: int) -> FetchType:
    """The type of an argument that names none: a whole register of *width* bytes, hexadecimal."""
    return TYPES[f"x{8 * width}"]


def find_type(name: str | None, width: int, *, extended: bool = False) -> FetchType | None:
    """The type called *name* (None: the default for registers of *width* bytes), or None if there is none.

    A bit field ``bW@O/C`` is its container, an unsigned integer of C bits.
    """
    if name is None:
        return default_type(width)
    if name.startswith("b"):
        return _container(name)
    return TYPES.get(name) or (EXTENSION_TYPES.get(name) if extended else None)


def _container(name: str) -> FetchType | None:
    _, slash, bits = name.partition("/")
    try:
        size = kstrtoul(bits) if slash else 0
    except NumberError:
        return None
    return TYPES.get(_CONTAINERS.get(size, ""))
