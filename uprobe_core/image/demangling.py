"""Names of C++ and Rust as in the source."""

from __future__ import annotations

import ctypes
import functools
import re
from typing import Any

from uprobe_core.image.rust_names import without_escapes
from uprobe_core.image.rust_v0 import rust_name

__all__ = ("demangle",)

_REFERENCE = re.compile(r"S[0-9A-Z]*_|T[0-9]*_")
_MOST_REFERENCES = 32
"""Substitutions and template parameters of a name that is read.

Each repeats what came before, so that a hostile name of 600 bytes stands for gigabytes.
"""


@functools.cache
def _demangler() -> Any:
    """__cxa_demangle of the host's C++ library (Itanium C++ ABI 3.4), None without one."""
    try:
        function = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
    return function


@functools.lru_cache(maxsize=4096)
def demangle(name: str) -> str:
    """The source form of a symbol of C++ or Rust; *name* itself when nothing here can read it."""
    if name.startswith("_R"):
        return rust_name(name)
    is_mangled = name.startswith("_Z") and len(_REFERENCE.findall(name)) <= _MOST_REFERENCES
    function = _demangler() if is_mangled else None
    if function is None:
        return name
    status = ctypes.c_int()
    pointer = function(name.encode("utf-8", "surrogateescape"), None, None, ctypes.byref(status))
    if not pointer:
        return name
    try:
        return without_escapes(ctypes.string_at(pointer).decode("utf-8", "replace"))
    finally:
        libc = ctypes.CDLL(None)
        libc.free.argtypes = (ctypes.c_void_p,)
        libc.free(pointer)
