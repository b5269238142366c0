"""Namespaces of the process's own: a network with nothing but loopback, mounts most of which are read-only.

Facts: user_namespaces(7), mount_namespaces(7), mount_setattr(2), netdevice(7).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterable

from uprobe_core.confinement.host_calls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    mount,
    raw,
    unshare,
)

__all__ = ("enter", "only_writable")

_MOUNT_SETATTR, _AT_FDCWD, _ATTR_RDONLY = 442, -100, 1
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 1 << 19
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_WRITE_MAPS = """
exec 2>/dev/null
read -r go && printf %s "$0" >/proc/$PPID/uid_map && printf %s "$1" >/proc/$PPID/gid_map
"""


def enter(*, network: bool) -> None:
    """Leave the host's user, mount, IPC and UTS namespaces, and with *network* its network.

    All or nothing: raises OSError where the host does not allow it, or while the process has
    several threads.  Users and groups keep their numbers, those that only another user could map
    show as the overflow ids.
    """
    others = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (CLONE_NEWNET if network else 0)
    maps = _Maps()
    try:
        unshare(CLONE_NEWUSER | others)
    except OSError as error:
        maps.abandon()
        _without_users(others, error)
    else:
        maps.write()
    if network:
        _loopback_up()
    mount("none", "/", _MS_REC | _MS_SLAVE)


def _without_users(others: int, why: OSError) -> None:
    """The host allows no user namespace: root may have the others without one; raises OSError."""
    if os.geteuid() == 0:
        unshare(others)
    elif why.errno == errno.ENOSPC:
        raise OSError(errno.ENOSPC, "the host's limit of user namespaces is reached") from why
    else:
        raise why


class _Maps:
    """Which ids of the namespace are which outside.

    A process may map itself to itself. More is up to a privileged process outside, for which a
    shell stays there until it has written the maps. (A fork of ours would cost each page that we
    write afterwards a fault.)
    """

    def __init__(self) -> None:
        self._uid, self._gid = os.geteuid(), os.getegid()
        self._child = 0
        if self._uid == 0:
            self._told, self._tell = os.pipe()
            try:
                self._child = self._shell()
            except OSError:  # there is none: then it is oneself alone
                os.close(self._told)
                os.close(self._tell)

    def _shell(self) -> int:
        """Start what writes the maps when it is told to: who was mapped outside keeps its number inside."""
        maps = []
        for name in ("uid", "gid"):
            rows = [line.split() for line in _read(f"/proc/self/{name}_map").splitlines()]
            maps.append("".join(f"{first} {first} {count}\n" for first, _, count in rows))
        return os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _WRITE_MAPS, *maps],
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, self._told, 0), (os.POSIX_SPAWN_CLOSE, self._tell)],
        )

    def abandon(self) -> None:
        """There is no namespace."""
        if self._child:
            os.close(self._told)
            os.close(self._tell)
            os.waitpid(self._child, 0)

    def write(self) -> None:
        """In the new namespace; falls back to oneself alone."""
        if self._child:
            os.close(self._told)
            with contextlib.suppress(BrokenPipeError):
                os.write(self._tell, b"go\n")
            os.close(self._tell)
            if os.waitpid(self._child, 0)[1] == 0:
                return
        _write("/proc/self/uid_map", f"{self._uid} {self._uid} 1\n")
        with contextlib.suppress(FileNotFoundError):
            _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"{self._gid} {self._gid} 1\n")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def only_writable(places: Iterable[str]) -> None:
    """In a mount namespace of our own: nothing can be changed but what lies in *places*; raises OSError.

    It holds for what is opened from here on, also for what Landlock does not know: modes, owners,
    times, attributes.
    """
    there = sorted(path for path in dict.fromkeys(places) if os.path.exists(path))
    here = os.getcwd()
    for path in there:
        mount(path, path, _MS_BIND | _MS_REC)
    folders = tuple(path.rstrip("/") + "/" for path in there)
    for point in _mount_points():
        if not f"{point}/".startswith(folders):
            _make_read_only(point)
    os.chdir(here)  # into what lies on top now


def _mount_points() -> list[str]:
    """Where something is mounted (proc_pid_mountinfo(5); the text has octal escapes)."""
    fields = (line.split(" ")[4] for line in _read("/proc/self/mountinfo").splitlines())
    return [
        re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field) for field in dict.fromkeys(fields)
    ]


def _make_read_only(point: str) -> None:
    """The mount on top at *point*; one that cannot be reached under that name needs nothing."""
    attributes = struct.pack("=QQQQ", _ATTR_RDONLY, 0, 0, 0)
    try:
        raw(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(point), 0, attributes, len(attributes))
    except OSError as error:
        if point == "/" or error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.EACCES):
            raise
