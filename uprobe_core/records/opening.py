"""How the files of a run are opened for writing: a link that a program may have put there is not followed.

A program that ran here before may have left a link in its working directory under the name that the next
run's output has; what it leads to is then ours to lose, and was not the program's to write.
"""

from __future__ import annotations

import os

from uprobe_core.errors import UsageError

__all__ = ("open_output",)

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC


def open_output(path: str, what: str, option: str) -> int:
    """A descriptor of the emptied file *path*; raises UsageError.

    :param what: what it is for, in words
    :param option: that names it
    """
    link = _planted(path)
    if link is not None:
        raise UsageError(
            f"cannot write the {what} {path!r}: {link} is a link to {os.path.realpath(link)}",
            hint="a program may have put it there: name the file itself, or remove the link",
            slug="output-is-link",
        )
    try:
        return os.open(path, _FLAGS | (0 if os.path.islink(path) else os.O_NOFOLLOW), 0o666)
    except OSError as error:
        raise UsageError(
            f"cannot write the {what} {path!r}: {error.strerror}",
            hint=f"{option} names a file in a folder that exists and may be written",
        ) from None


def _planted(path: str) -> str | None:
    """What of *path* is a link: its end, or a folder below the working directory.

    /dev and /proc have links of their own.
    """
    here = os.path.realpath(os.getcwd()).rstrip("/") + "/"
    whole = os.path.abspath(path)
    parts = whole.split("/")
    for part in ("/".join(parts[:count]) for count in range(2, len(parts) + 1)):
        folder = os.path.realpath(os.path.dirname(part)) + "/"
        matters = part == whole or (here != "/" and folder.startswith(here))
        if matters and os.path.islink(part) and not folder.startswith(("/dev/", "/proc/")):
            return part
    return None
