"""/dev as the guest sees it: what a program may rely on, and nothing of the host's hardware.

Device numbers: Documentation/admin-guide/devices.txt.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from uprobe_linux.fs.nodes import Table, VDevice, VDir, VLink, VNode

__all__ = ("make_dev",)


def make_dev(draw: Callable[[int], bytes], terminals: Callable[[], Any]) -> VDir:
    """The /dev folder.

    :param draw: gives seeded random bytes for random and urandom
    :param terminals: gives the pseudo-terminals of the run (``Ptys``), when one of them is asked for
    """
    table: dict[str, VNode] = {
        "null": _device(1, 3, "/dev/null"),
        "zero": _device(1, 5, "/dev/zero"),
        "full": _device(1, 7, "/dev/full"),
        "random": _device(1, 8, "/dev/zero", draw),
        "urandom": _device(1, 9, "/dev/zero", draw),
        "tty": _terminal(5, 0, lambda flags: terminals().open_controlling(flags)),
        "ptmx": _terminal(5, 2, lambda flags: terminals().open_master(flags)),
        "fd": _link("/proc/self/fd"),
        "stdin": _link("/proc/self/fd/0"),
        "stdout": _link("/proc/self/fd/1"),
        "stderr": _link("/proc/self/fd/2"),
        "mqueue": VDir(stat.S_IFDIR | 0o1777),
        "pts": VDir(
            stat.S_IFDIR | 0o755,
            names=lambda: terminals().names(),
            lookup=lambda name: terminals().lookup(name),
        ),
    }
    return Table(table).directory(0o755)


def _device(major: int, minor: int, host: str, draw: Callable[[int], bytes] | None = None) -> VDevice:
    return VDevice(stat.S_IFCHR | 0o666, rdev=os.makedev(major, minor), host=host, draw=draw)


def _terminal(major: int, minor: int, opens: Callable[[int], tuple[Any, int]]) -> VDevice:
    return VDevice(stat.S_IFCHR | 0o666, rdev=os.makedev(major, minor), open=opens)


def _link(target: str) -> VLink:
    return VLink(stat.S_IFLNK | 0o777, target=lambda: target)
