"""Which host file the guest means by a path: for event lines, before and without a run.

The same rules as a backend's sandbox, without its care for
races: nothing here is done on behalf of the guest.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from uprobe_core.backend import Bind
from uprobe_core.errors import TargetError, UsageError
from uprobe_core.events.files import FileStatus
from uprobe_core.image.debug_folders import require_folders
from uprobe_core.image.elf import ElfFile

__all__ = ("GuestFiles",)

_MAX_LINKS = 40
"""Symbolic links followed in one look-up (Linux: path_resolution(7))."""


class GuestFiles:
    """Looks up guest paths under a sysroot and binds.

    :param cwd: the guest's working directory, for relative paths
    :ivar cwd: the same, if nothing was given: the root of a sysroot, else this process's
    :param program: a guest path; where a name without a slash is no file, it may be one of the
        libraries that this program loads (``libc`` or ``libc.so.6``)
    :param folders: of the guest, where a *program* without a slash is looked for
    :param debug_folders: of this machine, where debug information is looked for as below /usr/lib/debug
    """

    def __init__(
        self,
        sysroot: str | None = None,
        cwd: str | None = None,
        binds: Sequence[Bind] = (),
        *,
        program: str | None = None,
        folders: Sequence[str] = (),
        debug_folders: Sequence[str] = (),
    ) -> None:
        self.debug_folders = tuple(debug_folders)
        self._program, self._folders = program, folders
        self._sysroot = None if sysroot is None else os.path.abspath(sysroot)
        self.cwd = cwd or ("/" if sysroot else os.getcwd())
        self._binds = sorted(
            ((_parts(b.guest), os.path.abspath(b.host)) for b in binds), key=lambda b: -len(b[0])
        )

        self._known: dict[str, FileStatus] | None = None
        self._check_folders(sysroot, cwd)
        require_folders(debug_folders)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Look each path up once until the end of the ``with``, in which many lines name the same files."""
        if self._known is not None:
            yield
            return
        self._known = {}
        try:
            yield
        finally:
            self._known = None

    def _check_folders(self, sysroot: str | None, cwd: str | None) -> None:
        """Raise UsageError for a sysroot or working directory that is not there, before files are missed."""
        if sysroot is not None and not os.path.isdir(sysroot):
            raise UsageError(f"the sysroot {sysroot!r} is not a folder", hint="--sysroot takes DIR[:ro]")
        if cwd is None:
            return
        try:
            found = os.path.isdir(self.host_path(cwd))
        except OSError:
            found = False
        if not found:
            raise UsageError(
                f"the working directory {cwd!r} is not a folder",
                hint="--cwd names it as the program does: inside --sysroot and --bind, if they are given",
            )

    def __call__(self, path: str) -> FileStatus:
        """What *path* leads to, for the event language."""
        if self._known is None:
            return self._meant(path)
        if path not in self._known:
            self._known[path] = self._meant(path)
        return self._known[path]

    def _meant(self, path: str) -> FileStatus:
        """A file, else the library of that name."""
        found = self._look(path)
        if found.errno_name == "ENOENT" and "/" not in path and path:
            library = self.libraries.get(path)
            if library is None:
                return replace(found, why_no_library=self._why_no_library())
            return replace(self._look(library), is_library=True)
        return found

    def _why_no_library(self) -> str:
        """Which libraries the program has; "" if there is no program that could tell."""
        if self.libraries:
            names = ", ".join(sorted(each for each in self.libraries if ".so" not in each))
            return f"{self.program} loads these when it starts, as far as they are found: {names}"
        program = self.program or ""
        try:
            ElfFile(self.host_path(program)).close()
        except (OSError, TargetError):
            return ""
        path = program if "/" in program else f"./{program}"
        return f"{path} is static and loads no library: name its own functions, {path}:SYMBOL"

    @cached_property
    def program(self) -> str | None:
        """The program, with its folder if it was named without a slash and is in one of the folders."""
        name = self._program
        if not name or "/" in name:
            return name
        candidates = (os.path.join(folder or ".", name) for folder in self._folders)
        return next((path for path in candidates if self._is_program(path)), name)

    def _is_program(self, path: str) -> bool:
        try:
            return os.path.isfile(self.host_path(path))
        except OSError:
            return False

    @cached_property
    def libraries(self) -> dict[str, str]:
        """Whole and short names of what the program loads when it starts -> guest paths."""
        if self.program is None:
            return {}
        from uprobe_core.image.libraries import loaded_libraries, short_name

        loaded = loaded_libraries(self.program, self.host_path)
        return {short_name(name): path for name, path in reversed(loaded.items())} | loaded

    def _look(self, path: str) -> FileStatus:
        if "\0" in path:
            return FileStatus("ENOENT")
        try:
            host = self.host_path(path)
            status = os.stat(host, follow_symlinks=False)
        except OSError as error:
            return FileStatus(errno.errorcode.get(error.errno or errno.ENOENT, "ENOENT"))
        if path.endswith(("/", "/.")) and not stat.S_ISDIR(status.st_mode):
            return FileStatus("ENOTDIR")  # host_path reads over it
        identity = (status.st_dev, status.st_ino)
        return FileStatus("", stat.S_ISREG(status.st_mode), status.st_size, identity, host)

    def host_path(self, path: str) -> str:
        """The host path that the guest's *path* leads to, all links followed; raises OSError."""
        if self._sysroot is None and not self._binds:
            return os.path.realpath(os.path.join(self.cwd, path), strict=True)
        todo = list(reversed(_parts(path if path.startswith("/") else f"{self.cwd}/{path}")))
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = self._plain([*done, part])
            if not os.path.islink(here):
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            todo.extend(reversed(_parts(target)))
        host = self._plain(done)
        os.stat(host, follow_symlinks=False)
        return host

    def _plain(self, parts: list[str]) -> str:
        """The host path of guest components that hold no link."""
        for guest, host in self._binds:
            if parts[: len(guest)] == guest:
                return os.path.join(host, *parts[len(guest) :])
        return os.path.join(self._sysroot or "/", *parts)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]
