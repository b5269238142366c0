"""What the CPU knows of a process's descriptors and places, to make calls on them by itself.

It is told of each number that is taken, and of what may be done to one when a call has asked for it
in vain.  What it opens, closes and duplicates by itself is done to the process's own table before
anybody looks there.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs.descriptors import Description, Device, Foreign, Stream
from uprobe_linux.fs.fdtable import Descriptor, hosts_are_shared
from uprobe_linux.fs.nodes import FOREIGN, HostNode, Mount
from uprobe_linux.syscalls.epoll import EpollStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uprobe_linux.cpu import OwnCalls
    from uprobe_linux.fs.context import FsContext
    from uprobe_linux.fs.fdtable import FdTable
    from uprobe_linux.fs.mounts import MountTable
    from uprobe_linux.kernel import Process
    from uprobe_linux.syscalls.own_maps import OwnMaps

__all__ = ("OwnDescriptors",)

_OPEN, _CLOSE, _DUP, _CLOEXEC, _MAP, _NONE = range(6)
_ROOT, _CWD = -1, -100
_NOTHING = (-1, 0, 0)


class OwnDescriptors:
    """The descriptors of the process that runs, and where its paths start."""

    def __init__(self, calls: OwnCalls, mounts: MountTable, maps: OwnMaps) -> None:
        self._calls = calls
        self._maps = maps
        self._mounts = mounts
        self._kinds: Mapping[str, int] = calls.kinds
        self._files: FdTable | None = None
        self._cwd: object = None
        self._root: tuple[str, bool] | None = None
        """Where the paths start that the CPU knows the mounts below, and whether they may be walked fast."""
        self._numbers: dict[Mount, int] = {}
        """What the CPU calls each mount that may be written to or not: 1, 2 ..."""

    def show(self, process: Process) -> None:
        """*process* is about to run."""
        calls, files, fs = self._calls, process.files, process.fs
        if files is not self._files:
            self._switch(files)
        root = fs.resolver.root, fs.resolver.fast
        if fs.cwd is not self._cwd or root != self._root:
            self._show_cwd(fs)
            if root != self._root:
                self._show_root(*root)
            self._cwd, self._root = fs.cwd, root
        calls.hosts_shared = hosts_are_shared()
        calls.limit = files.limit
        if calls.missed:
            self._learn(calls.missed - 1)
            calls.missed = 0

    def take_over(self, process: Process) -> None:
        """*process* has run: do to its table, and to what it has mapped, what the CPU has done."""
        files = process.files
        made = self._maps.take()
        for kind, fd, host, source, is_dir, cloexec, path in self._calls.take_changes():
            if kind == _OPEN:
                files.opened(fd, self._opened(process, host, source, os.fsdecode(path), is_dir, cloexec))
            elif kind == _CLOSE:
                files.closed(fd)
            elif kind == _DUP:
                files.opened(fd, Descriptor(files.get(source).file, host, cloexec))
            elif kind == _MAP:
                self._maps.add(process, made[source], fd)
            elif kind == _CLOEXEC:
                files.get(fd).cloexec = cloexec

    def _opened(
        self, process: Process, host: int, source: int, path: str, is_dir: bool, cloexec: bool
    ) -> Descriptor:
        parts = [part for part in path.split("/") if part and part != "."]
        if source == _ROOT:
            found = self._mounts.anchor(parts)
            assert found is not None
            mount, folder = found[0], ""
        else:
            base = process.fs.cwd if source == _CWD else process.files.get(source).file
            mount, folder = base.mount, base.path.rstrip("/")
        guest = "/".join((folder, *parts)) or "/"
        return Descriptor(Description(mount, guest, is_dir=is_dir), host, cloexec)

    # --- telling the CPU ---------------------------------------------------------------------------

    def _switch(self, files: FdTable) -> None:
        if self._files is not None:
            self._files.changed = _ignore
        self._files = files
        files.changed = self._changed
        self._calls.forget_files()
        for fd in files:
            self._changed(fd)

    def _changed(self, fd: int) -> None:
        """Descriptor *fd* stands for something else, or nothing."""
        assert self._files is not None
        if fd in self._files:
            self._calls.file(fd, self._files.get(fd).host, self._kinds["USED"], 0)
        else:
            self._calls.file(fd, *_NOTHING)

    def _show_cwd(self, fs: FsContext) -> None:
        cwd, start = fs.cwd, _NOTHING
        is_plain = fs.resolver.root == "/" and fs.resolver.fast
        if isinstance(cwd, HostNode) and is_plain and cwd.path not in self._mounts.ghosts:
            start = self._base(cwd.fd, cwd.mount)
        self._calls.set_cwd(*start)

    def _show_root(self, path: str, fast: bool) -> None:
        mounts, is_plain = self._mounts, path == "/" and fast
        names = (*sorted(mounts.top), *sorted({point[1:] for point in mounts.points} - mounts.top))
        below = tuple((os.fsencode(name), *self._mounted("/" + name)) for name in names if is_plain)
        root = mounts.root
        self._calls.set_root(*(self._base(root.fd, root) if is_plain and root.is_dir else _NOTHING), below)

    def _mounted(self, path: str) -> tuple[int, int, int]:
        """What is mounted at *path*, if nothing lies below it."""
        if path in self._mounts.virtual:
            return -1, self._kinds["OURS"], 0
        mount = self._mounts.hosts.get(path)
        if mount is None or not mount.is_dir or path in self._mounts.ghosts:
            return _NOTHING
        return self._base(mount.fd, mount)

    def _base(self, host: int, mount: Mount) -> tuple[int, int, int]:
        """A place where paths may start."""
        if mount.judged:
            return _NOTHING
        kinds = self._kinds
        found = kinds["KNOWN"] | kinds["BASE"] | (kinds["FIXED"] if mount.read_only else 0)
        return host, found, self._number(mount)

    def _number(self, mount: Mount) -> int:
        return self._numbers.setdefault(mount, len(self._numbers) + 1)

    # --- what may be done to a descriptor -------------------------------------------------------------

    def _learn(self, fd: int) -> None:
        """A call asked for descriptor *fd*: it will again."""
        if self._files is None or fd not in self._files:
            return
        entry, kinds = self._files.get(fd), self._kinds
        found = kinds["USED"] | kinds["KNOWN"] | (kinds["CLOEXEC"] if entry.cloexec else 0)
        mount = entry.file.mount
        self._calls.file(fd, entry.host, found | self._kinds_of(entry), self._number(mount))

    def _kinds_of(self, entry: Descriptor) -> int:
        kinds, file = self._kinds, entry.file
        if file.is_path:
            return 0
        if type(file) is Description:
            return self._of_file(entry)
        if type(file) is Device:
            return kinds["READ"] | kinds["WRITE"] | kinds["SEEK"] | kinds["AT"] | kinds["POLL"]
        if type(file) is EpollStream and not file.terminals:
            return kinds["EPOLL"] | kinds["POLL"]
        return _of_stream(entry, kinds) if type(file) in (Stream, Foreign) else 0

    def _of_file(self, entry: Descriptor) -> int:
        """A regular file or folder of the host's."""
        kinds, file, mode = self._kinds, entry.file, os.fstat(entry.host).st_mode
        found = kinds["STAT"] | (kinds["FIXED"] if file.mount.read_only else 0)
        if stat.S_ISREG(mode):
            found |= kinds["READ"] | kinds["WRITE"] | kinds["SEEK"] | kinds["AT"] | kinds["POLL"]
        elif file.is_dir and file.path not in self._mounts.ghosts:
            found |= (
                kinds["LIST"]
                | kinds["SEEK"]
                | (kinds["BASE"] if file.mount.fd >= 0 and not file.mount.judged else 0)
            )
        return found | (kinds["OUTSIDE"] if file.mount is FOREIGN else 0)


def _of_stream(entry: Descriptor, kinds: Mapping[str, int]) -> int:
    """Only what takes a few bytes as a whole or not at all may be written to."""
    found = kinds["STREAM"] | kinds["READ"] | kinds["POLL"]
    if type(entry.file) is Foreign:
        found |= kinds["SHARED"] | kinds["OUTSIDE"]
    takes_all = stat.S_ISFIFO(os.fstat(entry.host).st_mode) or entry.file.path == "anon_inode:[eventfd]"
    return found | (kinds["WRITE"] if takes_all else 0)


def _ignore(_fd: int) -> None:
    """Nobody keeps a copy."""
