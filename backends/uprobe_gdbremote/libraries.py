"""What a dynamic program loads while it runs: the loader's list of objects, read when it has changed.

The rendezvous of SVR4 as glibc and musl have it (<link.h>: struct r_debug,
struct link_map): the loader calls a function, whose address it tells, whenever
it has added or removed an object.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uprobe_gdbremote.client import Client
    from uprobe_gdbremote.elf import LoadedFile

__all__ = ("LinkMap", "loader_stop")

_DT_NULL, _DT_DEBUG = 0, 21
_CONSISTENT = 0
_MOST = 4096
"""Objects, and bytes of a name: what is longer is damaged."""
_STOP = b"_dl_debug_state"


def loader_stop(interpreter: LoadedFile) -> int:
    """Address of the function that the loader calls, without the bias, 0 if its symbols do not say."""
    return interpreter.symbol(_STOP)


class LinkMap:
    """The list of a program whose dynamic section is at *dynamic*."""

    def __init__(self, client: Client, dynamic: int, size: int) -> None:
        self._client = client
        self._dynamic, self._size = dynamic, size

    def _word(self, address: int) -> int:
        data = self._client.read(address, 8)
        return int.from_bytes(data, "little") if len(data) == 8 else 0

    def _rendezvous(self) -> int:
        """Address of struct r_debug, 0 while there is none."""
        data = self._client.read(self._dynamic, self._size)
        for tag, value in struct.iter_unpack("<QQ", data[: len(data) & -16]):
            if tag == _DT_DEBUG:
                return int(value)
            if tag == _DT_NULL:
                break
        return 0

    def objects(self) -> list[tuple[str, int]] | None:
        """Path and bias of each object but the program, in the loader's order; None while it is changing."""
        where = self._rendezvous()
        if not where:
            return None
        data = self._client.read(where, 40)
        if len(data) < 40 or struct.unpack_from("<I", data, 24)[0] != _CONSISTENT:
            return None
        return list(self._walk(struct.unpack_from("<Q", data, 8)[0]))

    def _walk(self, link: int) -> Iterator[tuple[str, int]]:
        for _ in range(_MOST):
            if not link:
                return
            data = self._client.read(link, 40)
            if len(data) < 40:
                return
            bias, name, _dynamic, link = struct.unpack_from("<4Q", data)
            path = self._text(name)
            if path:
                yield path, bias

    def _text(self, address: int) -> str:
        text = b""
        while b"\0" not in text and len(text) < _MOST:
            part = self._client.read(address + len(text), 64 - (address + len(text)) % 64)
            if not part:
                return ""
            text += part
        return text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
