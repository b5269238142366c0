"""Names of Rust in symbols that look like those of C++ (rustc's "legacy" mangling)."""

from __future__ import annotations

import re

__all__ = ("without_escapes",)

_HASH = re.compile(r"(?P<path>.+)::h[0-9a-f]{16}")
_ESCAPE = re.compile(r"\$(?:(?P<word>SP|BP|RF|LT|GT|LP|RP|C)|u(?P<code>[0-9a-f]{1,6}))\$")
_WORDS = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}


def without_escapes(name: str) -> str:
    """*name*, as a demangler of C++ reads it, without the sum that rustc puts behind it; others unchanged.

    What no name of C++ may have is written out: ``<app::Shape as app::Area>::area``.
    """
    found = _HASH.fullmatch(name)
    if found is None:
        return name
    path = found["path"].replace("::_$", "::$").removeprefix("_") if "$" in name else found["path"]
    return _ESCAPE.sub(_letter, path).replace("..", "::")


def _letter(match: re.Match[str]) -> str:
    if match["word"]:
        return _WORDS[match["word"]]
    code = int(match["code"], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else match[0]
