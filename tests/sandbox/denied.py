"""``python -m tests.sandbox.denied ERRNO COMMAND...``: a command where nobody may have namespaces."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from uprobe_core.confinement.host_calls import ARCHITECTURE, prctl, raw

__all__ = ("denied",)

_UNSHARE, _SECCOMP = {"x86_64": (272, 317), "aarch64": (97, 277)}.get(ARCHITECTURE, (0, 0))


def denied(number: int) -> tuple[str, ...]:
    """What to run a command through, so that unshare(2) fails with errno *number*."""
    return (sys.executable, "-m", "tests.sandbox.denied", str(number))


def _deny(number: int) -> None:
    """load the call's number; if it is unshare, refuse; allow."""
    ops = (
        (0x20, 0, 0, 0),
        (0x15, 0, 1, _UNSHARE),
        (0x06, 0, 0, 0x0005_0000 | number),
        (0x06, 0, 0, 0x7FFF_0000),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *op) for op in ops))
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(ops), ctypes.addressof(code)))
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    raw(_SECCOMP, 1, 0, header)


if __name__ == "__main__":
    _deny(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
