"""What everybody on the host may read: all that root's guest sees of folders that it was not given.

A guest has no more rights because root runs it; the host's files have theirs by
the bits for others, on the file and on every folder above it.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache

from uprobe_linux.fs.nodes import HostNode

__all__ = ("check_entered", "check_node", "is_entered_by_all", "may_read")


def _refused() -> OSError:
    return OSError(errno.EACCES, os.strerror(errno.EACCES))


def is_entered_by_all(folder: str) -> bool:
    """Whether everybody may look for a name in *folder*: an absolute host path without links.

    Of one that is not there that is the question about the folder above: the host says the rest.
    """
    while True:
        try:
            return _is_entered(folder)
        except (FileNotFoundError, NotADirectoryError):
            folder = os.path.dirname(folder)
        except OSError:
            return False


@lru_cache(maxsize=4096)
def _is_entered(folder: str) -> bool:
    entered = bool(os.stat(folder).st_mode & stat.S_IXOTH)
    return entered and (folder == "/" or _is_entered(os.path.dirname(folder)))


def check_entered(path: str) -> None:
    """EACCES unless everybody gets to the host's *path*, a name of the guest's at a mount of "/" at "/"."""
    if path != "/" and not is_entered_by_all(os.path.dirname(path)):
        raise _refused()


def may_read(status: os.stat_result) -> bool:
    """Whether everybody may read what has that status."""
    return bool(status.st_mode & stat.S_IROTH)


def check_node(node: HostNode, mode: int = os.R_OK) -> None:
    """EACCES if *node* lies in a public mount and not everybody has *mode*, bits of access(2), there."""
    if node.mount.judged and mode & ~node.stat().st_mode & 0o7:
        raise _refused()
