"""Socket addresses between the guest's view and the host's (struct sockaddr_un, include/uapi/linux/un.h).

A path is bound and connected to through the descriptor of its folder, so that
it can lie nowhere but in the sandbox. The text that the host then keeps is not
the guest's; the private folder of the run remembers which path it stood for, and which
sockets were made by the run: a socket of the host's, in a folder that the guest was given, is
somebody whom it has no business to talk to unless --allow-net.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from uprobe_linux.fs import hostcalls
from uprobe_linux.fs.nodes import HostNode
from uprobe_linux.net.bound_inode import bound_inode
from uprobe_linux.syscalls.support import fail, fs

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("guest_address", "host_address")

AF_UNIX = 1
UNIX_PATH_MAX = 108
_FAMILY = (AF_UNIX).to_bytes(2, "little")


@contextmanager
def host_address(task: LinuxTask, raw: bytes, *, binding: int | None = None) -> Iterator[bytes]:
    """The host's form of the guest's address *raw*, valid inside the with block.

    :param binding: the host's descriptor of the socket that is bound, so a path must not exist yet
    """
    if len(raw) < 3 or raw[:2] != _FAMILY:
        yield raw
    elif raw[2] == 0:
        yield _FAMILY + b"\0" + _prefix(task) + _checked(raw[3:], task)
    else:
        path = os.fsdecode(raw[2:].split(b"\0")[0])
        with _bound(task, path, binding) if binding is not None else _existing(task, path) as text:
            yield _FAMILY + text.encode("utf-8", "surrogateescape") + b"\0"


def _prefix(task: LinuxTask) -> bytes:
    word: str = task.machine.family.run
    return f"u-{word}-".encode()


def _checked(name: bytes, task: LinuxTask) -> bytes:
    """An abstract name that still fits with our prefix; longer ones become a digest."""
    room = UNIX_PATH_MAX - 1 - len(_prefix(task))
    if len(name) <= room:
        return name
    import hashlib  # not needed to start

    return hashlib.sha256(name).hexdigest().encode()[:room]


@contextmanager
def _bound(task: LinuxTask, path: str, fd: int) -> Iterator[str]:
    """Where a socket is to be made; EADDRINUSE is the host's to say."""
    context = fs(task)
    folder, name = context.resolver.parent(context.cwd, path)
    try:
        if not isinstance(folder, HostNode) or folder.read_only:
            raise fail(errno.EROFS)
        text = _short(f"{folder.magic}/{name}")
        start = time.clock_gettime_ns(_STAMPS)
        yield text
        _remember(task, text, path)
        _note_own(task, text, start, fd)
    finally:
        folder.close()


@contextmanager
def _existing(task: LinuxTask, path: str) -> Iterator[str]:
    """A socket that is there; one of the host's refuses connections."""
    context = fs(task)
    node = context.resolver.lookup(context.cwd, path)
    try:
        if not isinstance(node, HostNode) or not stat.S_ISSOCK(node.stat().st_mode):
            raise fail(errno.ECONNREFUSED)
        if node.read_only or not (task.machine.target.allow_net or _is_own(task, node.magic)):
            raise fail(errno.ECONNREFUSED)
        yield node.magic
    finally:
        node.close()


# --- which sockets the run has made ---------------------------------------------------------------------

_STAMPS = 5
"""CLOCK_REALTIME_COARSE, by which file systems say when a file was made."""
_STATX_BTIME, _NOFOLLOW = 0x800, 0x100
_IDENTITY = struct.Struct("<I28xQ40xqI44xII")
"""Of struct statx: mask, inode, time of birth (seconds, nanoseconds), major and minor of the device."""


def _identity(text: str, flags: int) -> tuple[int | None, tuple[int, int], str]:
    """When the socket at *text* was made (ns, None where the file system does not say), what, and its name.

    An inode's number may be given again, but not with the same time.
    """
    raw = hostcalls.statx(-100, os.fsencode(text) + b"\0", flags, 0xFFF)
    mask, inode, seconds, rest, major, minor = _IDENTITY.unpack_from(raw)
    born = 10**9 * seconds + rest if mask & _STATX_BTIME else None
    return born, (major << 20 | minor, inode & 0xFFFF_FFFF), f"socket-{major}-{minor}-{inode}-{born}"


def _note_own(task: LinuxTask, text: str, start: int, fd: int) -> None:
    """The guest has made the socket at *text*, since *start*; an older one was put there in between.

    Where the file system does not say, the host's kernel does: which file *fd* was bound to.
    """
    born, file, name = _identity(text, _NOFOLLOW)
    if bound_inode(fd) == file if born is None else born >= start:
        os.close(
            os.open(os.path.join(task.machine.sandbox.names_folder, name), os.O_CREAT | os.O_WRONLY, 0o600)
        )


def _is_own(task: LinuxTask, text: str) -> bool:
    return os.path.exists(os.path.join(task.machine.sandbox.names_folder, _identity(text, 0)[2]))


def _short(text: str) -> str:
    if len(os.fsencode(text)) >= UNIX_PATH_MAX:
        raise fail(errno.ENAMETOOLONG)
    return text


def _record(task: LinuxTask, text: str) -> str:
    import hashlib  # not needed to start

    digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:32]
    return os.path.join(task.machine.sandbox.names_folder, digest)


def _remember(task: LinuxTask, text: str, path: str) -> None:
    """Note what the host's *text* stands for; the newest binding of a text wins."""
    record = _record(task, text)
    temporary = f"{record}.{os.getpid()}"
    os.symlink(path, temporary)
    os.replace(temporary, record)


def guest_address(task: LinuxTask, raw: bytes) -> bytes:
    """The guest's form of an address that the host gave."""
    if len(raw) < 3 or raw[:2] != _FAMILY:
        return raw
    if raw[2] == 0:
        prefix = _prefix(task)
        return _FAMILY + b"\0" + raw[3 + len(prefix) :] if raw[3:].startswith(prefix) else _FAMILY
    text = os.fsdecode(raw[2:].split(b"\0")[0])
    try:
        path = os.readlink(_record(task, text))
    except OSError:
        return _FAMILY
    return _FAMILY + os.fsencode(path) + b"\0"
