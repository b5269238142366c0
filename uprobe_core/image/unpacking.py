"""Compressed sections: by zlib, and by zstd where this Python has it (gABI, "Section Compression")."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any

__all__ = ("unpacked",)

_ZLIB, _ZSTD = 1, 2
"""ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD."""
_NO_ZSTD = "zstd packs it, which Python reads from 3.14 on, or with the package zstandard"


def unpacked(kind: int, data: bytes, size: int) -> bytes:
    """What *data* has packed, *size* bytes at most; raises ValueError.

    :param kind: ch_type of the section's header
    """
    if kind == _ZLIB:
        try:
            return zlib.decompressobj().decompress(data, size)
        except zlib.error as error:
            raise ValueError(str(error)) from None
    if kind == _ZSTD:
        return _from_zstd(data, size)
    raise ValueError(f"compression {kind}")


def _from_zstd(data: bytes, size: int) -> bytes:
    try:
        found: bytes = _zstd_reader().decompress(data, size)
    except ImportError:
        raise ValueError(_NO_ZSTD) from None
    except Exception as error:  # each of the two has an exception of its own
        raise ValueError(f"zstd: {error}") from None
    if len(found) > size:
        raise ValueError(f"it has more than {size} bytes")
    return found


def _zstd_reader() -> Any:
    """What has ``decompress(data, most)``; raises ImportError."""
    try:
        return import_module("compression.zstd").ZstdDecompressor()
    except ImportError:
        return import_module("zstandard").ZstdDecompressor()
