"""Set-user-ID and set-group-ID: bits of a file that give its owner's rights to who executes it.

A guest that root runs has no more rights than anybody else with the same folders: it makes no file with
these bits, and one that has them loses them before the guest changes it, as a kernel takes them from what
anybody but root writes to (fs/inode.c, file_remove_privs).
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ("PLAIN_BITS", "given_mode", "lose_bits", "new_mode")

PLAIN_BITS = 0o1777
"""A mode's bits without those two."""


def new_mode(mode: int) -> int:
    """The bits that a new file gets of *mode*."""
    return mode & (0o7777 if os.geteuid() else PLAIN_BITS)


def given_mode(mode: int, before: int) -> int:
    """The bits to give of *mode* to what has st_mode *before*; OSError(EPERM): none of these to a file."""
    if mode & ~PLAIN_BITS & 0o7777 and stat.S_ISREG(before) and os.geteuid() == 0:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    return mode & 0o7777


def lose_bits(path: int | str, mode: int) -> None:
    """The regular file *path* (or descriptor) with st_mode *mode* is about to be changed."""
    if mode & ~PLAIN_BITS & 0o7777 and stat.S_ISREG(mode) and os.geteuid() == 0:
        os.chmod(path, mode & PLAIN_BITS)
