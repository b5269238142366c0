"""A run of one program with probes: opened, run, changed while it runs, reported.

``Session`` is resolved on first use, so that importing one module of the
package does not import the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_core.session.session import Session

__all__ = ("Session",)


def __getattr__(name: str) -> object:
    """Import :class:`Session` when somebody asks for it (PEP 562)."""
    if name != "Session":
        raise AttributeError(f"module 'uprobe_core.session' has no attribute {name!r}")
    from uprobe_core.session.session import Session

    globals()[name] = Session
    return Session
