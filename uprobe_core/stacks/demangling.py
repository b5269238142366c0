"""C++ names as in the source."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

__all__ = ("demangle",)


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
    """The source form of a C++ symbol; *name* itself when it is none or nothing here can read it."""
    function = _demangler() if name.startswith("_Z") else None
    if function is None:
        return name
    status = ctypes.c_int()
    pointer = function(name.encode(), None, None, ctypes.byref(status))
    if not pointer:
        return name
    try:
        return ctypes.string_at(pointer).decode("utf-8", "replace")
    finally:
        libc = ctypes.CDLL(None)
        libc.free.argtypes = (ctypes.c_void_p,)
        libc.free(pointer)
