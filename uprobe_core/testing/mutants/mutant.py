"""One way to break a plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ("Mutant",)


@dataclass(frozen=True)
class Mutant:
    """One way to break a plugin.

    :param kind: "backend", "decoder", "arch", "consumer", "writer" or "hooks"
    :param what: what is wrong, in words
    :param caught_by: the test of the suite that has to fail
    :param broken: the plugin made wrong: of a decoder, backend or arch the object, else the class
    """

    kind: str
    what: str
    caught_by: str
    broken: Callable[[Any], Any]
