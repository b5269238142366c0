"""Opening, closing and duplicating descriptors (fs/open.c, fs/file.c)."""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import TYPE_CHECKING

from uprobe_linux.calls import Wait
from uprobe_linux.fs import oflags
from uprobe_linux.fs.descriptors import Description, stream
from uprobe_linux.fs.opening import FifoOpen, open_path
from uprobe_linux.syscalls.support import base_node, fail, files, fs, path_at, ready
from uprobe_linux.syscalls.table import Block, s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.nodes import HostNode
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

POLLIN = 1
RESOLVE_KNOWN = 0x3F
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 1, 2, 4
RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_CACHED = 8, 16, 32


class _FifoWaiter:
    """A FIFO being opened by a thread of ours, since only a blocking open(2) waits for the other end.

    ``bell`` becomes readable when it is done; an abandoned waiter is let go by
    opening the other end for a moment.
    """

    def __init__(self, node: HostNode, flags: int, *, held: bool) -> None:
        self.node = node
        self.flags = flags
        self.held = held
        """The node is a reading end that was open before: a writer that came since shows there."""
        self.fd = -1
        self.error: OSError | None = None
        self.done = False
        self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.thread = threading.Thread(target=self._open, name="fifo-open", daemon=True)
        self.thread.start()

    def _open(self) -> None:
        # A signal would end the open and Python would begin it anew; the other end would see us go and come.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.fd = os.open(self.node.magic, self.flags | os.O_CLOEXEC)
        except OSError as error:
            self.error = error
        self.done = True
        os.eventfd_write(self.bell, 1)

    def abandon(self) -> int:
        """A signal ended the wait: release the thread and what it got; the call's answer is -EINTR."""
        while not self.done:
            other = os.open(self.node.magic, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self.thread.join(0.01)
            os.close(other)
        if self.fd >= 0:
            os.close(self.fd)
        self.finish()
        return -errno.EINTR

    def wait(self) -> Block:
        """Sleep until the other end is there."""
        fds = [(self.bell, POLLIN)] + ([(self.node.fd, POLLIN)] if self.held else [])
        return Block(Wait(fds=tuple(fds), data=self, interrupted=self.abandon))

    def take_held(self) -> bool:
        """Whether a writer has come, and perhaps gone, since the held end was opened: it is the guest's."""
        if self.done or not self.held or not ready(self.node.fd, POLLIN):
            return False
        kept = os.dup(self.node.fd)
        self.held = False
        while not self.done:
            os.close(os.open(self.node.magic, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            self.thread.join(0.01)
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self.error = kept, None
        return True

    def finish(self) -> None:
        """Give bell and node back."""
        os.close(self.bell)
        self.node.close()


@syscall("openat")
def sys_openat(task: LinuxTask, dirfd: int, path: int, flags: int, mode: int) -> int:
    """openat(2); the file's size is never an error (O_LARGEFILE is implied on 64 bits)."""
    waiter = task.wait.data if task.wait is not None else None
    if isinstance(waiter, _FifoWaiter):
        return _fifo_opened(task, waiter, s32(flags))
    return _open(task, dirfd, path_at(task, path), s32(flags), mode)


@syscall("openat2")
def sys_openat2(task: LinuxTask, dirfd: int, path: int, how: int, size: int) -> int:
    """openat2(2): unknown flags and bits of *how* are EINVAL or E2BIG instead of ignored."""
    if size < 24:
        raise fail(errno.EINVAL)
    if size > 4096:
        raise fail(errno.E2BIG)
    raw = task.process.memory.read(how, size)
    if any(raw[24:]):
        raise fail(errno.E2BIG)
    flags, mode, resolve = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16))
    creating = flags & (oflags.G_CREAT | 0o20000000)
    if flags & ~oflags.KNOWN or resolve & ~RESOLVE_KNOWN or mode & ~0o7777 or (mode and not creating):
        raise fail(errno.EINVAL)
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise fail(errno.EINVAL)
    name = path_at(task, path)
    if resolve & RESOLVE_CACHED:
        raise fail(errno.EAGAIN)
    return _open(task, dirfd, _restricted(task, dirfd, name, resolve), flags, mode)


def _restricted(task: LinuxTask, dirfd: int, name: str, resolve: int) -> str:
    """Check *name* against RESOLVE_*; answers the path to open in its place."""
    depth = 0
    for part in name.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0 and resolve & RESOLVE_BENEATH:
            raise fail(errno.EXDEV)
    if resolve & RESOLVE_BENEATH and name.startswith("/"):
        raise fail(errno.EXDEV)
    if resolve & RESOLVE_IN_ROOT:
        kept: list[str] = []
        for part in name.split("/"):
            kept = kept[:-1] if part == ".." else [*kept, part] if part not in ("", ".") else kept
        name = "/".join(kept) or "."
    if resolve & (RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT):
        _refuse_links(task, dirfd, name)
    return name


def _refuse_links(task: LinuxTask, dirfd: int, name: str) -> None:
    """ELOOP when a component is a link; stricter than BENEATH, which lets links stay inside."""
    base = base_node(task, dirfd, name)
    parts = [p for p in name.split("/") if p]
    lead = "/" if name.startswith("/") else ""
    for end in range(1, len(parts) + 1):
        try:
            node = fs(task).resolver.lookup(base, lead + "/".join(parts[:end]), follow=False)
        except OSError:
            return
        try:
            status = node.stat().st_mode if hasattr(node, "stat") else node.mode
        finally:
            node.close()
        if status & 0o170000 == 0o120000:
            raise fail(errno.ELOOP)


def _open(task: LinuxTask, dirfd: int, path: str, flags: int, mode: int) -> int:
    files(task).room_for_one()
    base = base_node(task, dirfd, path)
    try:
        file, host = open_path(fs(task), base, path, flags, mode)
    except FifoOpen as fifo:
        return _open_fifo(task, fifo, flags)
    if flags & oflags.G_TRUNC:
        task.machine.family.truncated()
    return files(task).install(file, host, cloexec=bool(flags & oflags.G_CLOEXEC))


def _open_fifo(task: LinuxTask, fifo: FifoOpen, flags: int) -> int:
    """Open one end; without O_NONBLOCK wait for the other (fs/pipe.c fifo_open)."""
    node = fifo.node
    access = flags & oflags.G_ACCMODE
    if access == oflags.G_RDWR or flags & oflags.G_NONBLOCK or access == oflags.G_WRONLY:
        try:
            fd = os.open(node.magic, access | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or flags & oflags.G_NONBLOCK:
                node.close()
                raise
        else:
            path = node.path
            node.close()
            return _install_fifo(task, fd, path, flags)
    raise _FifoWaiter(node, access, held=fifo.held and access == oflags.G_RDONLY).wait()


def _fifo_opened(task: LinuxTask, waiter: _FifoWaiter, flags: int) -> int:
    if not waiter.done and not waiter.take_held():
        raise waiter.wait()
    path = waiter.node.path
    waiter.finish()
    if waiter.error is not None:
        raise waiter.error
    return _install_fifo(task, waiter.fd, path, flags)


def _install_fifo(task: LinuxTask, fd: int, path: str, flags: int) -> int:
    file = stream(fd, path, nonblocking=bool(flags & oflags.G_NONBLOCK))
    return files(task).install(file, fd, cloexec=bool(flags & oflags.G_CLOEXEC))


@syscall("close")
def sys_close(task: LinuxTask, fd: int) -> int:
    """close(2)."""
    files(task).close(s32(fd))
    return 0


@syscall("close_range")
def sys_close_range(task: LinuxTask, first: int, last: int, flags: int) -> int:
    """close_range(2); CLOSE_RANGE_UNSHARE (2) has nothing to do where tables are not shared between
    processes.
    """
    first, last = first & 0xFFFF_FFFF, last & 0xFFFF_FFFF
    if flags & 0xFFFF_FFFF & ~6 or first > last:
        raise fail(errno.EINVAL)
    table = files(task)
    if flags & 4:
        for fd in table:
            if first <= fd <= last:
                table.set_cloexec(fd, True)
        return 0
    table.close_range(first, last)
    return 0


@syscall("dup")
def sys_dup(task: LinuxTask, fd: int) -> int:
    """dup(2)."""
    return files(task).dup(s32(fd))


@syscall("dup3")
def sys_dup3(task: LinuxTask, old: int, new: int, flags: int) -> int:
    """dup3(2): equal numbers and unknown flags are EINVAL."""
    if flags & 0xFFFF_FFFF & ~oflags.G_CLOEXEC or s32(old) == s32(new):
        raise fail(errno.EINVAL)
    return files(task).dup_to(s32(old), s32(new), cloexec=bool(flags & oflags.G_CLOEXEC))


@syscall("umask")
def sys_umask(task: LinuxTask, mask: int) -> int:
    """umask(2): a guest process is a host process, so the mask is the host's."""
    return os.umask(mask & 0o777)


@syscall("memfd_create")
def sys_memfd_create(task: LinuxTask, name: int, flags: int) -> int:
    """memfd_create(2): MFD_CLOEXEC 1, MFD_ALLOW_SEALING 2; no huge pages."""
    if flags & 0xFFFF_FFFF & ~0x1F:
        raise fail(errno.EINVAL)
    try:
        raw = task.process.memory.read_cstr(name, 250)
    except OSError:
        raise fail(errno.EINVAL) from None
    host = os.memfd_create(os.fsdecode(raw), (flags & 0xFFFF_FFFF) | os.MFD_CLOEXEC)
    path = f"/memfd:{os.fsdecode(raw)} (deleted)"
    return files(task).install(Description(path=path), host, cloexec=bool(flags & 1))
