"""What the guest may see and change: the mount table for a target.

With a sysroot the guest's "/" is that folder. Without one it is the host's "/",
read-only, with the working directory writable and an empty /tmp of its own.
/proc and /dev are ours in both cases; /dev/shm and, where nothing writable is
there, /tmp lie in a private folder that goes away with the machine.
"""

from __future__ import annotations

import contextlib
import os
import stat
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

from uprobe_core.errors import TargetError
from uprobe_linux.fs.host_processes import process_folders
from uprobe_linux.fs.mounts import MountTable, host_mount
from uprobe_linux.fs.nodes import Mount, Table, VDir, VNode, static_file
from uprobe_linux.fs.own_files import inside
from uprobe_linux.fs.own_imports import OwnImports
from uprobe_linux.fs.public import is_entered_by_all

if TYPE_CHECKING:
    from uprobe_core.backend import Target

__all__ = ("Sandbox",)

# Guest paths; what lies there is ours.
SHM, TMP = "/dev/shm", "/tmp"  # noqa: S108


class Sandbox:
    """The mounts of a machine, and the private folder behind some of them."""

    def __init__(self, target: Target) -> None:
        self.private = target.private_folder or _private_folder()
        """The folder behind what goes away with the machine; the guest sees parts of it, by other names."""
        # Also when nobody closes it: an error while the machine is made, an exit without close.
        self._remove = weakref.finalize(self, _remove, self.private, os.getpid(), not target.private_folder)
        self.names_folder = self._folder("names")
        """Where sockets' paths are remembered; the guest cannot see it."""
        self.papers_folder = self._folder("papers")
        """Where processes say what they are; the guest cannot see it."""
        self.segments_folder = self._folder("segments")
        """Where System V shared memory lies; the guest cannot see it."""
        root = self._root(target)
        mounts = self._rooted(target) if target.sysroot else self._rootless(target)
        mounts += [self._bind(b.host, b.guest, read_only=b.read_only) for b in target.binds]
        self._imports = OwnImports(mount.host for mount in (root, *mounts) if not mount.read_only)
        self._imports.trust_last()
        self._empty = self._folder("empty")
        mounts += self._hidden_in([root, *mounts])
        own = [*self._imports.own, *self._imports.places, *target.own_files]
        mounts += _own_files_in([root, *mounts], own)
        self.mounts = MountTable(root, mounts)
        if not target.sysroot or not _holds_something(os.path.join(target.sysroot, "sys")):
            self.mounts.add_virtual("/sys", _bare_sys)
        self.cwd = self._cwd(target)

    @staticmethod
    def _root(target: Target) -> Mount:
        if not target.sysroot:
            return host_mount("/", "/", read_only=True, public=os.geteuid() == 0)
        try:
            mount = host_mount(target.sysroot, "/", read_only=target.sysroot_read_only)
        except OSError as error:
            text = f"cannot open sysroot {target.sysroot}: {error.strerror}"
            raise TargetError(text, exit_status=125, hint="give an existing folder") from error
        if not mount.is_dir:
            raise TargetError(f"sysroot {target.sysroot} is not a folder", exit_status=125)
        return mount

    def _rooted(self, target: Target) -> list[Mount]:
        assert target.sysroot
        shm = os.path.join(target.sysroot, "dev/shm")
        writable = not target.sysroot_read_only and _is_plain_dir(shm) and os.access(shm, os.W_OK)
        mounts = [host_mount(shm if writable else self._folder("shm"), SHM)]
        if target.sysroot_read_only:
            mounts.append(host_mount(self._folder("tmp"), TMP))
        return mounts

    def _rootless(self, target: Target) -> list[Mount]:
        """The host's tree: an own /tmp (unless that is the working directory) and /dev/shm; the
        working directory; the program where /tmp hides it.
        """
        cwd = os.path.join(os.getcwd(), target.cwd or "")
        own_tmp = self._folder("tmp") if os.path.normpath(cwd) != TMP else TMP
        mounts = [host_mount(own_tmp, TMP), host_mount(self._folder("shm"), SHM)]
        spelled = os.path.normpath(os.path.join(cwd, target.argv[0])) if target.argv else ""
        real = os.path.realpath(spelled)
        for path in dict.fromkeys((real, spelled)):
            hidden = path.startswith(TMP + "/") or _is_roots_own(path)
            if hidden and os.path.exists(path):
                place = os.path.dirname(path)
                visible = path if place == TMP else place
                mounts.append(host_mount(os.path.realpath(visible), visible, read_only=True))
        cwd = os.path.normpath(cwd)
        if not os.path.isdir(cwd):
            return mounts
        if cwd not in ("/", TMP):
            mounts.append(host_mount(cwd, cwd))
        return mounts

    @staticmethod
    def _bind(host: str, guest: str, *, read_only: bool) -> Mount:
        try:
            mount = host_mount(host, os.path.normpath("/" + guest.lstrip("/")), read_only=read_only)
        except OSError as error:
            text = f"cannot bind {host}: {error.strerror}"
            raise TargetError(text, exit_status=125, hint="--bind takes HOST:GUEST[:ro]") from error
        if any(inside(mount.host, place) for place in process_folders()):
            text = f"cannot bind {host}: it shows the processes of the host, the emulator's own among them"
            raise TargetError(text, exit_status=125, hint="a program has a /proc of its own")
        return mount

    def _hidden_in(self, mounts: list[Mount]) -> list[Mount]:
        """Nothing in place of the private folder, and of each procfs of the host's, inside *mounts*."""
        found = []
        for place in (os.path.realpath(self.private), *process_folders()):
            for mount in mounts:
                guest = mount.guest_path(place)
                if guest is not None:
                    found.append(host_mount(self._empty, guest, read_only=True))
        return found

    def _folder(self, name: str) -> str:
        path = os.path.join(self.private, name)
        os.mkdir(path)
        os.chmod(path, 0o1777)  # noqa: S103 - what /tmp has; the folder around it is private
        return path

    def _cwd(self, target: Target) -> str:
        if target.cwd is not None:
            return target.cwd
        if target.sysroot is None:
            return os.getcwd()
        with contextlib.suppress(OSError):
            return self.mounts.root.guest_path(os.path.realpath(os.getcwd())) or "/"
        return "/"

    def close(self) -> None:
        """Close the mounts and, in the process that made it, remove the private folder; idempotent."""
        self.mounts.close()
        self._imports.let_go()
        self._remove()


def _private_folder() -> str:
    """A new folder among the temporary ones, that nobody else may enter."""
    path = os.path.join(os.environ.get("TMPDIR") or TMP, f"uprobe-{os.urandom(6).hex()}")
    try:
        os.mkdir(path, 0o700)
    except OSError:  # another place is to be looked for
        import tempfile  # not needed to start

        return tempfile.mkdtemp(prefix="uprobe-")
    return os.path.abspath(path)


def _own_files_in(mounts: list[Mount], own: Sequence[str]) -> list[Mount]:
    """What of ours lies in writable *mounts*, read-only; and a mount inside ours becomes read-only.

    :param own: host paths of what this process runs, and what the run writes
    """
    writable = [mount for mount in mounts if not mount.read_only]
    protected = []
    for mount in writable:
        for place in own:
            if inside(mount.host, place):
                protected.append(host_mount(mount.host, mount.guest, read_only=True))
            elif inside(place, mount.host):
                guest = mount.guest.rstrip("/") + place[len(mount.host.rstrip("/")) :]
                protected.append(host_mount(place, guest, read_only=True))
    return protected


def _remove(folder: str, owner: int, ours: bool) -> None:
    """Remove the private folder, in the process *owner* only: forked guests leave it alone.

    :param ours: nobody else does it where the guest has left something, however deep or closed that is
    """
    if os.getpid() != owner:
        return
    try:
        for name in os.listdir(folder):
            _remove_plain(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:  # the guest left folders
        if ours:
            import shutil  # not needed to start

            with contextlib.suppress(RecursionError):
                shutil.rmtree(folder, ignore_errors=True)


def _is_roots_own(path: str) -> bool:
    """Whether the host's root gives its guest a program that not everybody gets to."""
    return os.geteuid() == 0 and path != "/" and not is_entered_by_all(os.path.dirname(path))


def _is_plain_dir(path: str) -> bool:
    """A real folder: a link could lead out of the sysroot."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode) and stat.S_ISDIR(os.lstat(os.path.dirname(path)).st_mode)
    except OSError:
        return False


def _holds_something(folder: str) -> bool:
    """Whether a system brings files of its own there."""
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def _bare_sys() -> VNode:
    """/sys without the host's hardware: the one CPU, which C libraries and tools ask for."""
    cpu: dict[str, VNode] = {name: static_file("0\n") for name in ("online", "possible", "present")}
    topology: dict[str, VNode] = {name: static_file("0\n") for name in ("core_id", "physical_package_id")}
    for kind in ("core", "thread"):
        topology[f"{kind}_siblings"] = static_file("1\n")
        topology[f"{kind}_siblings_list"] = static_file("0\n")
    cpu["cpu0"] = Table({"topology": Table(topology).directory()}).directory()
    cpu["offline"] = static_file("\n")
    node: VDir = Table(cpu).directory()
    for name in ("cpu", "system", "devices"):
        node = Table({name: node}).directory()
    return node


def _remove_plain(folder: str) -> None:
    """Remove *folder* with what lies in it; OSError if a folder does."""
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
