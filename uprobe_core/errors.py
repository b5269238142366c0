"""Every error that uprobe raises on purpose, one class per kind of blame.

All of them derive from :class:`UprobeError` and carry a *slug*, a stable word
that scripts may match.  The text says what failed, the offending value, what
it resolved to; ``hint`` says what to do, on a line of its own.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

__all__ = (
    "BackendError",
    "ConfigError",
    "ConsumerStopped",
    "OutputError",
    "OverdueError",
    "PluginError",
    "ProbeError",
    "ShortageError",
    "SpecError",
    "TargetError",
    "UprobeError",
    "UsageError",
    "as_failure",
    "described",
    "noted",
    "said_by",
    "shortage",
)


class UprobeError(Exception):
    """Base of all deliberate errors.

    :param message: lower case, no full stop, with the offending value in it
    :param hint: what the user can do about it, or "" when there is nothing
    :param slug: a stable word for scripts; the class's own when not given
    """

    slug: str = "error"
    exit_status: ClassVar[int] = 125

    def __init__(self, message: str, *, hint: str = "", slug: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if slug:
            self.slug = slug

    def __str__(self) -> str:
        return self.message


class UsageError(UprobeError):
    """The command line was used wrongly."""

    slug = "usage"
    exit_status = 2


@contextmanager
def noted(where: str) -> Iterator[None]:
    """Note in an error that comes out which part of a set-up it is about; messages begin with it."""
    try:
        yield
    except UprobeError as error:
        error.add_note(where)
        raise


class SpecError(UprobeError):
    """An event line is malformed or names something that is not there.

    The fields mirror the kernel's ``error_log``: *errno_name* (``"EINVAL"``),
    the kernel's own text in *message*, and *caret*, the 0-based column in
    *line*, or None where the kernel logs no position.
    """

    slug = "bad-spec"

    def __init__(
        self,
        message: str,
        *,
        line: str = "",
        caret: int | None = None,
        errno_name: str = "EINVAL",
        logged: bool = True,
        hint: str = "",
        slug: str = "",
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.line = line
        self.caret = caret
        self.errno_name = errno_name
        self.logged = logged
        """Whether the kernel writes an error_log entry for it."""


class ConfigError(UprobeError):
    """A configuration file is wrong; names file, table, key, value and what is allowed."""

    slug = "bad-config"


class PluginError(UprobeError):
    """Somebody's plugin failed to import, does not fit its contract, or raised.

    :param plugin: the entry-point name of the plugin to blame
    """

    slug = "bad-plugin"

    def __init__(self, message: str, *, plugin: str = "", hint: str = "", slug: str = "") -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.plugin = plugin


class TargetError(UprobeError):
    """The program cannot be run.  *exit_status* is 126 (not executable) or 127 (not found)."""

    slug = "bad-target"

    def __init__(self, message: str, *, exit_status: int = 126, hint: str = "", slug: str = "") -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.exit_status = exit_status  # type: ignore[misc]  # the one class where it varies


class ProbeError(UprobeError):
    """A place cannot be probed.

    :param address: the probed virtual address or file offset, as *where* says
    """

    slug = "bad-probe"

    def __init__(
        self,
        message: str,
        *,
        address: int | None = None,
        where: str = "",
        errno_name: str = "EINVAL",
        hint: str = "",
        slug: str = "",
    ) -> None:
        super().__init__(message, hint=hint, slug=slug)
        self.address = address
        self.where = where
        self.errno_name = errno_name


class ConsumerStopped(BaseException):  # no error, and no Exception: who catches these goes on
    """Raised inside of a consumer's method that does not come back; the text says why it was stopped."""


class OverdueError(PluginError):
    """A consumer's method was stopped because it did not come back."""

    slug = "consumer-overdue"


def as_failure(error: BaseException) -> Exception:
    """What *error*, which a plugin's method raised, is for the run: its sys.exit() ends nothing either."""
    if isinstance(error, ConsumerStopped):
        return OverdueError(str(error))
    return error if isinstance(error, Exception) else RuntimeError(repr(error))


class OutputError(UprobeError):
    """Something that was collected could not be written."""

    slug = "not-written"


class BackendError(UprobeError):
    """The backend cannot do what was asked, or broke its contract."""

    slug = "backend"


class ShortageError(UprobeError):
    """The host has no more of something: nobody's bug."""

    slug = "host-shortage"


_SHORTAGES = {
    errno.EMFILE: (
        "descriptors",
        "ulimit -n raises their number; a run needs some 30, and those of its program",
    ),
    errno.ENFILE: ("open files", "the whole host has no more; /proc/sys/fs/file-max raises their number"),
    errno.ENOMEM: ("memory", "ulimit -v limits addresses, of which a run takes 64 GiB without using them"),
    errno.EAGAIN: (
        "processes and threads",
        "ulimit -u raises their number; a run needs some, and its program's",
    ),
    errno.ENOSPC: (
        "room on the disk",
        "TMPDIR names another folder for what is temporary, -o for the output",
    ),
    errno.EDQUOT: ("room on the disk that is yours", "TMPDIR names another folder for what is temporary"),
    errno.EFBIG: (
        "room in a file",
        "ulimit -f limits their size; a run's memory is a file of 64 GiB, mostly holes",
    ),
    errno.EROFS: ("folder to write to", "TMPDIR names a folder for what is temporary"),
}


def shortage(error: BaseException, what: str) -> ShortageError | None:
    """That the host lacks what *what* needed, if that is what *error* means; else None."""
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError):
        number = errno.ENOMEM
    elif isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # tempfile.gettempdir
        number = errno.EROFS
    if number not in _SHORTAGES:
        return None
    thing, hint = _SHORTAGES[number]
    return ShortageError(f"cannot {what}: the host has no more {thing}", hint=hint)


_LONGEST = 1000


def said_by(error: BaseException) -> str:
    """Type and text of somebody else's exception for a message: one line, and no longer than that is read."""
    try:
        text = str(error)
    except BaseException as other:  # it may not even be able to do that
        text = f"(its text raised {type(other).__name__})"
    return f"{type(error).__name__}: {_in_one_line(text)}"


def described(value: object) -> str:
    """The repr of somebody else's *value* for a message, whatever asking for it does."""
    try:
        return _in_one_line(repr(value))
    except BaseException:
        return f"a {type(value).__name__}"


def _in_one_line(text: str) -> str:
    """*text* as a terminal takes it; control characters as Python writes them."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in cut)
