"""Where others reach a run from outside: sockets that belong to its user alone.

They are made before the run gives up its rights, so that they may lie where the program
cannot reach, and a helper that has kept its own removes them however the run ends.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys

from uprobe_core.errors import UsageError

__all__ = ("Door", "SocketFiles", "peer_is_ours", "runtime_folder")

_SHELL = "/bin/sh"
_SCRIPT = 'trap "" HUP INT TERM; read -r word; rm -f -- "$@"'
_CHUNK = 1 << 16
_UID = 7
"""The column of a socket's user in /proc/net/tcp."""
_LONGEST = 107
"""Bytes that an address of AF_UNIX has room for (unix(7))."""


def runtime_folder(*, make: bool = False) -> str:
    """The folder in which this user's runs are found by their numbers.

    ``$XDG_RUNTIME_DIR/uprobe`` or ``/tmp/uprobe-UID``; raises UsageError if it is not ours alone.

    :param make: whether it is made if it is not there
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    uid = os.geteuid()
    folder = os.path.join(base, "uprobe") if base else f"/tmp/uprobe-{uid}"  # noqa: S108  # checked below
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
        raise UsageError(
            f"{folder} is not a folder of yours alone",
            hint="it must belong to you and have mode 0700; remove it, or set XDG_RUNTIME_DIR",
            slug="control-socket",
        )
    return folder


class Door:
    """A socket that listens once it is opened: until then whoever connects is refused at once.

    :ivar where: its address as it is given to others: a path, or HOST:PORT
    """

    def __init__(self, listener: socket.socket, where: str, path: str = "", owners: int = -1) -> None:
        self.listener, self.where, self.path = listener, where, path
        self._owners = owners

    @classmethod
    def unix(cls, path: str, kind: int = socket.SOCK_STREAM) -> Door:
        """Make the socket *path*, mode 0600; it must not be there.  Raises UsageError."""
        path = os.path.abspath(path)
        listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            if len(os.fsencode(path)) > _LONGEST:
                raise OSError(errno.ENAMETOOLONG, f"longer than {_LONGEST} bytes")
            listener.bind(path)  # fails if anything is there, a link included
        except OSError as error:
            listener.close()
            hint = "it is somebody's, or left over: remove it" if error.errno == errno.EADDRINUSE else ""
            reason = error.strerror or str(error)
            raise UsageError(
                f"cannot make socket {path}: {reason}", hint=hint, slug="control-socket"
            ) from None
        finally:
            os.umask(mask)
        return cls(listener, path, path)

    @classmethod
    def tcp(cls, host: str, port: int) -> Door:
        """Listen at a loopback address, port 0: any.  Raises UsageError."""
        if host not in ("127.0.0.1", "localhost"):
            raise UsageError(
                f"{host} is not this machine's own address",
                hint="tcp:127.0.0.1:PORT; whoever connects may change the program, so others are kept out",
                slug="control-socket",
            )
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            owners = os.open("/proc/net/tcp", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            listener.close()
            reason = error.strerror or str(error)
            raise UsageError(f"cannot listen at {host}:{port}: {reason}", slug="control-socket") from None
        return cls(listener, f"127.0.0.1:{listener.getsockname()[1]}", owners=owners)

    def open(self) -> None:
        """From here on others may come in."""
        self.listener.listen(8)

    def lets_in(self, connection: socket.socket) -> bool:
        """Whether who connected is this user, and, at a socket with a path, not the program itself."""
        if self.path:
            return peer_is_ours(connection)
        os.lseek(self._owners, 0, os.SEEK_SET)
        table = b"".join(iter(lambda: os.read(self._owners, _CHUNK), b""))
        return _owner(table, connection.getpeername()) == os.geteuid()

    def close(self) -> None:
        """Nobody new comes in; idempotent."""
        self.listener.close()
        if self._owners >= 0:
            os.close(self._owners)
            self._owners = -1


class SocketFiles:
    """Removes the files of sockets once the run is over, or was killed."""

    def __init__(self, paths: list[str]) -> None:
        reader, self._pipe = os.pipe()
        self._owner = os.getpid()
        actions = [
            (os.POSIX_SPAWN_DUP2, reader, 0),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
        ]
        self._pid = os.posix_spawn(
            _SHELL,
            ["sh", "-c", _SCRIPT, "sh", *paths],
            {"PATH": os.defpath},
            file_actions=actions,
            setsid=True,
        )
        os.close(reader)

    def forget(self) -> None:
        """In a forked process: the run is somebody else."""
        if self._pid >= 0:
            os.close(self._pipe)
            self._pid = -1

    def remove(self) -> None:
        """Remove them now; idempotent, and not for a forked process to do."""
        if self._pid < 0 or os.getpid() != self._owner:
            return
        os.close(self._pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._pid = -1


def peer_is_ours(connection: socket.socket) -> bool:
    """Whether who connected to a socket with a path is this user, and not the program itself.

    Guest code connects from this process or from one that it forked.
    """
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", data)
    return uid == os.geteuid() and not _is_descendant(pid)


def _owner(table: bytes, peer: tuple[str, int]) -> int | None:
    """The user of the local socket *peer* (address, port), None if none has it.

    :param table: /proc/net/tcp (proc(5)): local address as a native word in hexadecimal, ..., user
    """
    wanted = b"%08X:%04X" % (int.from_bytes(socket.inet_aton(peer[0]), sys.byteorder), peer[1])
    for row in table.splitlines()[1:]:
        cells = row.split()
        if len(cells) > _UID and cells[1] == wanted:
            return int(cells[_UID])
    return None


def _is_descendant(pid: int) -> bool:
    """Whether *pid* is this process or one that came of it; a process that is gone is nobody's."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False
