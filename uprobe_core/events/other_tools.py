"""Event lines as other tools have them, and what they are here: only a line that is wrong asks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from uprobe_core.system_call_numbers import NUMBERS

__all__ = ("line_hint",)

_FORM = "p[:[GROUP/]NAME] PATH:OFFSET [ARG...]"


_OURS = re.compile(r"[pr]\d*(:.*)?")


def line_hint(head: str) -> str:
    """What to write instead of a line that begins with *head* and is none of ours."""
    kind, _, rest = head.partition(":")
    if _OURS.fullmatch(head):
        return f"a space comes before the place: '{kind} {rest}'" if ":" in rest else _FORM
    if head.startswith("trace="):
        return f"system calls are events of their own: {_system_calls(head[6:].split(','))}"
    if kind in ("tracepoint", "syscalls", "raw_syscalls"):
        return f"system calls are s:NAME: {_system_calls([head.rpartition('sys_')[2].partition('_')[2]])}"
    if kind in ("kprobe", "kretprobe", "kfunc"):
        return "there is no kernel below the program; system calls are s:NAME, such as -e s:openat"
    if kind in ("profile", "hardware", "software", "interval", "cycles", "instructions"):
        return "samples are -C profile:every=N, reports from time to time --interval SECONDS"
    if head in NUMBERS:
        return f"a system call is s:{head}, a function of a library 'p LIBRARY:{head}'"
    return _function(kind, rest, head)


def _function(kind: str, rest: str, head: str) -> str:
    place, letter = head, "p"
    if kind in ("uprobe", "u", "uretprobe", "ur", "usdt", "U"):
        place, letter = rest or "FILE:FUNCTION", "r" if kind[1:2] == "r" else "p"
    if not re.fullmatch(r"[\w./:*?+-]+", place):
        return "a line starts with p, r or -"
    where = place if ":" in place else f"FILE:{place}"
    return f"-e '{letter} {where}' probes it, -F {place} shows its calls and returns"


def _system_calls(names: Iterable[str]) -> str:
    known = [name if name in NUMBERS else f"{name}at" for name in names]
    return " ".join(f"-e s:{name}" for name in known if name in NUMBERS) or "-S, or -e s:NAME"
