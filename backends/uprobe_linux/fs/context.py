"""A process's view of the file system: mounts, root, working directory."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import HostNode, Node
from uprobe_linux.fs.paths import Resolver, current_path, fail

if TYPE_CHECKING:
    from uprobe_linux.fs.mounts import MountTable

__all__ = ("FsContext",)


class FsContext:
    """Root, working directory and mounts of one process (the kernel's struct fs_struct).

    The umask is the host process's own, since a guest process is a host process;
    :meth:`close` puts back what it was.
    """

    def __init__(self, mounts: MountTable, cwd: str = "/") -> None:
        self.mounts = mounts
        self.resolver = Resolver(mounts)
        self.cwd: Node = mounts.root.node()
        self._umask = os.umask(0o22)
        os.umask(self._umask)
        self.change_directory(self.resolver.lookup(self.cwd, cwd))

    def change_directory(self, node: Node) -> None:
        """Make *node*, which becomes ours, the working directory; raises OSError ENOTDIR, EACCES."""
        try:
            if isinstance(node, HostNode):
                # X_OK through the descriptor: what chdir(2) itself would check.
                os.close(os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=node.fd))
            elif not node.is_dir:
                raise fail(errno.ENOTDIR)
        except OSError:
            node.close()
            raise
        if isinstance(node, HostNode) and not node.owned:
            node = HostNode(os.dup(node.fd), node.mount, node.path)
        self.cwd.close()
        self.cwd = node

    def working_directory(self) -> str:
        """The guest path of the working directory now; raises OSError(ENOENT) if it was removed."""
        path = current_path(self.cwd)
        root = self.resolver.root
        if root == "/":
            return path
        if path == root:
            return "/"
        return path[len(root) :] if path.startswith(root + "/") else "(unreachable)" + path

    def change_root(self, path: str) -> None:
        """chroot(2): canonical *path* becomes "/"."""
        self.resolver.root = path

    def host_path(self, path: str) -> str:
        """A host path that reaches what the guest calls *path*; raises OSError. For display and loading
        only.
        """
        node = self.resolver.lookup(self.cwd, path)
        try:
            if not isinstance(node, HostNode):
                raise fail(errno.EACCES)
            return os.readlink(node.magic)
        finally:
            node.close()

    def copy(self) -> FsContext:
        """An own context with the same content (clone without CLONE_FS)."""
        other = object.__new__(FsContext)
        other.mounts = self.mounts
        other.resolver = Resolver(self.mounts, self.resolver.root)
        other._umask = self._umask
        cwd = self.cwd
        other.cwd = HostNode(os.dup(cwd.fd), cwd.mount, cwd.path) if isinstance(cwd, HostNode) else cwd
        return other

    def close(self) -> None:
        """Give descriptors back and restore the host's umask; idempotent."""
        self.cwd.close()
        os.umask(self._umask)
