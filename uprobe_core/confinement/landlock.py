"""Landlock: which files the process may reach by opening, making, renaming or removing them.

Facts: include/uapi/linux/landlock.h, Documentation/userspace-api/landlock.rst.  The
numbers of the three calls are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from uprobe_core.confinement.host_calls import raw

__all__ = ("abi", "check_scope", "restrict")

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_KNOWN_BITS = {2: 14, 3: 15, 4: 15, 5: 16}
"""Access rights that a version handles: bits below this number."""
_READING = _READ_FILE | _READ_DIR
_ON_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE
_WRITING = (
    _READING
    | _WRITE_FILE
    | _TRUNCATE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
)
"""Neither devices, nor execution."""
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2
_RENAMES_SINCE, _SCOPED_SINCE = 2, 6


def abi() -> int:
    """The version of Landlock's interface; raises OSError where there is none."""
    return raw(_CREATE_RULESET, 0, 0, _VERSION)


def _handled(version: int) -> int:
    return (1 << _KNOWN_BITS.get(version, 16)) - 1


def _ruleset(version: int, files: int, scoped: int) -> int:
    """A descriptor of an empty set of rules; raises OSError."""
    attributes = struct.pack("=QQQ", files, 0, scoped)[: 24 if version >= _SCOPED_SINCE else 8]
    return raw(_CREATE_RULESET, attributes, len(attributes), 0)


def _restrict(rules: int) -> None:
    try:
        raw(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def check_scope() -> None:
    """Raise OSError if signals and abstract sockets cannot be restricted: ENOTSUP before version 6."""
    version = abi()
    if version < _SCOPED_SINCE:
        raise OSError(errno.ENOTSUP, f"version {version} of Landlock, {_SCOPED_SINCE} can do it")


def restrict(
    reading: Iterable[str], writing: Iterable[str], removing: Iterable[str] = (), *, scoped: bool = False
) -> None:
    """Allow to read below *reading*, all but devices and execution below *writing*.

    Below *removing* empty folders may be removed.  Paths that are not there are left out.  Needs
    no_new_privs; raises OSError.

    :param scoped: signals and connections to abstract sockets reach only what this process makes from
        here on, if the kernel can do that. (A set of rules that allows no renaming between folders takes it
        away, so this is none of its own.)
    """
    version = abi()
    if version < _RENAMES_SINCE:
        raise OSError(errno.ENOTSUP, "version 1 of Landlock lets nothing be renamed between folders")
    scope = _SCOPE_SIGNAL | _SCOPE_ABSTRACT_UNIX if scoped and version >= _SCOPED_SINCE else 0
    rules = _ruleset(version, _handled(version), scope)
    try:
        for access, paths in ((_READING, reading), (_WRITING, writing), (_REMOVE_DIR, removing)):
            for path in paths:
                _allow(rules, path, access & _handled(version))
    except BaseException:
        os.close(rules)
        raise
    _restrict(rules)


def _allow(rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{place}"):
            access &= _ON_FILES
        if access:
            # struct landlock_path_beneath_attr is packed.
            rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place))
            raw(_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
