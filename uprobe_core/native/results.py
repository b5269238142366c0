"""What native actions found, and how it gets into the actions that the user holds.

The engine counts; from time to time what it has counted is taken out and added
to the Python objects, in the order in which each key was first seen, so that
results are equal to those of the Python engine.  In a forked child the same
value travels through the spool.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from uprobe_core.actions.merge import Found

__all__ = ("stat_values", "take")

Decode = Callable[[bytes], tuple[tuple[Any, ...], int]]
_FLOATS = struct.Struct("<ddd")


def stat_values(stat: bytes, is_float: bool) -> tuple[Any, Any, Any]:
    """(sum, smallest, largest) of a struct up_stat: three 128-bit numbers, then three doubles."""
    if is_float:
        return _FLOATS.unpack_from(stat, 48)
    return tuple(int.from_bytes(stat[at : at + 16], "little", signed=True) for at in (0, 16, 32))  # type: ignore[return-value]


def take(engine: Any, number: int, decode: Decode, kind: str) -> tuple[Found, int]:
    """What action *number* found since the last time, and how many hits had a key that found no room.

    :param decode: of its keys
    :param kind: "count", "sum", "fsum" (of floats), "hist", "shist" (of signed numbers), "latency",
        "summary" or "graph"
    """
    total, lost, entries = engine.take_action(number)
    found: Found = [(-1, (), total, None)] if total else []
    for order, key, count, stat, high in entries:
        values, rest = decode(key)
        plain = values[0] if len(values) == 1 else values
        extra: Any = None
        if kind in ("sum", "fsum"):
            extra = stat_values(stat, kind == "fsum")
        elif kind in ("hist", "shist"):
            extra = int.from_bytes(key[rest:], "little", signed=kind == "shist")
        elif kind == "summary":
            extra = (int.from_bytes(key, "little"), high, stat_values(stat, False))
        elif kind == "graph":
            plain, extra = int.from_bytes(key, "little"), stat_values(stat, False)[0]
        elif kind == "latency":
            extra = (int.from_bytes(key[rest:], "little"), high)
        found.append((order, plain, count, extra))
    return found, lost
