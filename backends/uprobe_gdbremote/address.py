"""Where a target is: ``tcp:HOST:PORT``, ``unix:PATH``, ``qemu`` or ``qemu:PATH``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uprobe_core.errors import BackendError, UsageError

__all__ = ("Address", "connect")

_FORMS = (
    "tcp:HOST:PORT, unix:PATH, qemu or qemu:PATH, each with ,scratch=ADDRESS+SIZE, ,filters=here"
    " or ,mappings=all if need be"
)
_WORDS = {"filters=here": "filters_here", "mappings=all": "all_mappings"}


@dataclass(frozen=True, slots=True)
class Address:
    """One target.

    :param kind: "tcp", "unix" or "qemu"
    :param path: of the socket or of the emulator
    :param host: and *port*: of a TCP stub
    :param scratch: memory of the program that nobody uses: (address, bytes)
    :param filters_here: whether the stub is to report every hit, and decide of none
    :param all_mappings: whether what the program maps past its loader is to be seen as well
    """

    kind: str
    path: str = ""
    host: str = ""
    port: int = 0
    scratch: tuple[int, int] | None = None
    filters_here: bool = False
    all_mappings: bool = False

    @classmethod
    def parse(cls, text: str) -> Address:
        """From what the user wrote; raises UsageError."""
        text, *more = text.split(",")
        areas = [_scratch(word) for word in more if word.startswith("scratch=")]
        unknown = [word for word in more if word not in _WORDS and not word.startswith("scratch=")]
        if unknown or len(areas) > 1:
            what = f"{unknown[0]!r} is nothing that" if unknown else "more than one scratch area is not what"
            raise UsageError(f"{what} a target can have", hint=_FORMS)
        wishes = {_WORDS[word]: True for word in more if word in _WORDS}
        options: dict[str, Any] = {"scratch": areas[0] if areas else None, **wishes}
        kind, _, rest = text.partition(":")
        if kind == "tcp":
            host, _, port = rest.rpartition(":")
            if host and port.isdecimal() and int(port) < 1 << 16:
                return cls(kind, host=host.strip("[]"), port=int(port), **options)
        elif (kind == "unix" and rest) or kind == "qemu":
            return cls(kind, rest or "qemu-aarch64", **options)
        raise UsageError(f"target {text!r} is no address", hint=_FORMS)

    def __str__(self) -> str:
        return f"tcp:{self.host}:{self.port}" if self.kind == "tcp" else f"{self.kind}:{self.path}"


def _scratch(text: str) -> tuple[int, int]:
    begin, plus, size = text.removeprefix("scratch=").partition("+")
    try:
        found = int(begin, 0), int(size, 0)
    except ValueError:
        found = (0, 0)
    if not plus or found[0] % 16 or found[1] < 64:
        raise UsageError(f"{text!r} is no scratch area", hint="scratch=0x20001000+0x1000, 16 byte aligned")
    return found


def connect(address: Address, seconds: float, gone: Callable[[], str] = lambda: "") -> socket.socket:
    """A connection to the stub at *address*, which may take *seconds* to listen; raises BackendError.

    :param gone: says why nobody will ever listen there, "" as long as somebody may
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _connected(address)
        except OSError as error:
            why = gone()
            if why or time.monotonic() > deadline:
                raise BackendError(
                    f"no stub answers at {address}: {why or error.strerror or error}",
                    hint="start it first: gdbserver HOST:PORT PROGRAM, or qemu-aarch64 -g PATH PROGRAM",
                    slug="no-target",
                ) from error
            time.sleep(0.01)


def _connected(address: Address) -> socket.socket:
    if address.kind == "tcp":
        made = socket.create_connection((address.host, address.port), timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.connect(address.path)
        except OSError:
            made.close()
            raise
    made.settimeout(None)
    return made
