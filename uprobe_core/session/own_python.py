"""Another interpreter of ours: it imports what this one would, and nothing of the working directory's.

``python -m`` and ``-c`` look there first, and a program that ran there may have left a ``json.py``.
"""

from __future__ import annotations

import os
import sys

__all__ = ("own_python",)


def own_python(code: str, *words: str) -> list[str]:
    """The command that executes *code*, whose ``sys.argv[1:]`` are *words*."""
    return [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {_entries()!r}\n{code}", *words]


def _entries() -> list[str]:
    """Where to import from; the working directory only if we lie in it, or, last, if PYTHONPATH names it."""
    here, ours = os.getcwd(), os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    entries = [os.path.abspath(entry) for entry in sys.path]
    asked_for = [
        os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry
    ]
    trusted = [entry for entry in entries if entry in (ours, *asked_for) or entry != here]
    return sorted(dict.fromkeys(trusted), key=lambda entry: entry == here != ours)
