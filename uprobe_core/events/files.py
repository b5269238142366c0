"""The few questions that the event language asks about files.

A sysroot, a test or a remote target answers them with a callable of its own;
:func:`host_file` is the answer for the machine that we run on.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ("FileCheck", "FileStatus", "host_file")


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What a path leads to.

    :param errno_name: "" if it was found, else why not ("ENOENT", "ENOTDIR", "EACCES", ...)
    :param regular: whether it is a regular file
    :param size: bytes, 0 if not found
    :param identity: equal for two paths exactly if they lead to the same file
    :param host_path: where the file can be read on this machine, "" if nowhere
    :param is_library: the path is the name of a library that the program loads, not a path
    :param why_no_library: for a name without a slash that leads nowhere, a sentence if the program tells why
    """

    errno_name: str = ""
    regular: bool = True
    size: int = 0
    identity: Hashable = None
    host_path: str = ""
    is_library: bool = False
    why_no_library: str = ""


FileCheck = Callable[[str], FileStatus]
"""``check(path)``: follow *path* (links included) and tell what is there; never raises."""


def host_file(path: str) -> FileStatus:
    """The answer for a path on this machine, relative ones from the working directory."""
    try:
        status = os.stat(path)
    except (ValueError, UnicodeError):  # a NUL byte, or text that is no file name
        return FileStatus("ENOENT")
    except OSError as error:
        return FileStatus(errno.errorcode.get(error.errno or errno.ENOENT, "ENOENT"))
    identity = (status.st_dev, status.st_ino)
    return FileStatus("", stat.S_ISREG(status.st_mode), status.st_size, identity, os.fspath(path))
