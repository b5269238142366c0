"""The versions of the contracts that plugins are written against, ``major.minor`` each.

A plugin may have an attribute ``contract`` with the version that it was made
for; one of another major version is refused with a sentence.  The minor number
goes up when something is added that plugins may use, the major one when what
they have been doing stops working.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("CONTRACTS",)

CONTRACTS: Final[Mapping[str, str]] = {
    "backend": "1.4",
    "decoder": "1.0",
    "arch": "1.1",
    "consumer": "1.0",
    "writer": "1.0",
    "plugin": "1.0",
}
"""By the word of the kind: backend 1.1 has Capabilities for all that the core relies on and
ProbeHandler.analyze, 1.2 Target.on_sample and on_code, 1.3 Capabilities.unreadable,
1.4 ProbeHandler.on_killed;
arch 1.1 has ``architecture`` in place of five hooks, which it still takes."""
