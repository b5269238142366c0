"""uprobe: Linux-style user-space probes for arm64 programs on any machine.

The names below are the public Python API.  They are resolved on first use, so
that ``import uprobe_core`` stays cheap and pulls in no emulator or decoder.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing would be imported before the command's own finder of modules is there
if TYPE_CHECKING:
    from uprobe_core.actions import Count, Hist, Latency, Record, Stacks, Sum, Summary
    from uprobe_core.consumer import Consumer, Frame, Hit, ReturnHit
    from uprobe_core.errors import UprobeError
    from uprobe_core.session.session import Session
    from uprobe_core.types import HandlerVote

__version__ = "0.1.0"

__all__ = (
    "Consumer",
    "Count",
    "Frame",
    "HandlerVote",
    "Hist",
    "Hit",
    "Latency",
    "Record",
    "ReturnHit",
    "Session",
    "Stacks",
    "Sum",
    "Summary",
    "UprobeError",
    "__version__",
)

_HOME = {
    "Consumer": "consumer",
    "Count": "actions",
    "Frame": "frame",
    "HandlerVote": "types",
    "Hist": "actions",
    "Hit": "consumer",
    "Latency": "actions",
    "Record": "actions",
    "ReturnHit": "consumer",
    "Session": "session",
    "Stacks": "actions",
    "Summary": "actions",
    "Sum": "actions",
    "UprobeError": "errors",
}


def __getattr__(name: str) -> object:
    """Import the module that defines *name* on its first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'uprobe_core' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"uprobe_core.{_HOME[name]}"), name)
    globals()[name] = value
    return value
