"""What the file system calls share: reading paths, finding where they start, waiting for descriptors."""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING

from uprobe_core.types import Access, MemoryFault
from uprobe_linux.calls import Wait
from uprobe_linux.fs.nodes import HostNode, Node
from uprobe_linux.processes.credentials import Credentials
from uprobe_linux.scheduling.clock import saturated
from uprobe_linux.signals.numbers import SI_USER, Sig
from uprobe_linux.signals.sending import send_to_task
from uprobe_linux.signals.siginfo import SigInfo
from uprobe_linux.syscalls.table import Block, s32

if TYPE_CHECKING:
    from uprobe_linux.cpu import Perm
    from uprobe_linux.fs.context import FsContext
    from uprobe_linux.fs.fdtable import Descriptor, FdTable
    from uprobe_linux.processes.task import LinuxTask

__all__ = (
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_REMOVEDIR",
    "AT_SYMLINK_FOLLOW",
    "AT_SYMLINK_NOFOLLOW",
    "IOV_MAX",
    "base_node",
    "buffers",
    "fail",
    "files",
    "fs",
    "host_node",
    "identity",
    "iovecs",
    "lookup_at",
    "parent_at",
    "path_at",
    "sigpipe",
    "start",
    "timespec",
    "wait_for",
)

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_REMOVEDIR = 0x200
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
"""include/uapi/linux/fcntl.h."""
IOV_MAX = 1024
MAX_RW = 0x7FFF_F000
"""MAX_RW_COUNT: bytes that one read or write transfers at most (include/linux/fs.h)."""
PATH_MAX = 4096
TASK_SIZE_MAX = 1 << 52
"""First address that is not the program's, with 52-bit virtual addresses
(arch/arm64/include/asm/processor.h).
"""
TAG_MASK = (1 << 56) - 1
BAD_POINTER = 1
"""A host address that nothing is mapped at (vm.mmap_min_addr)."""


def fail(number: int) -> OSError:
    """The OSError for error *number*."""
    return OSError(number, os.strerror(number))


def files(task: LinuxTask) -> FdTable:
    """The task's descriptors."""
    table: FdTable = task.process.files
    return table


def fs(task: LinuxTask) -> FsContext:
    """The task's root, working directory and mounts."""
    context: FsContext = task.process.fs
    return context


def path_at(task: LinuxTask, address: int) -> str:
    """The path at *address*; MemoryFault, OSError(ENAMETOOLONG)."""
    return os.fsdecode(task.process.memory.read_cstr(address, PATH_MAX))


def base_node(task: LinuxTask, dirfd: int, path: str) -> Node:
    """Where *path* starts: the working directory or descriptor *dirfd*; EBADF and ENOTDIR as openat(2)."""
    fd = s32(dirfd)
    if not path:
        raise fail(errno.ENOENT)
    if fd == AT_FDCWD or path[0] == "/":
        return fs(task).cwd
    entry = files(task).get(fd)
    if not entry.file.is_dir:
        raise fail(errno.ENOTDIR)
    return entry.file.node(entry.host)


def start(task: LinuxTask, dirfd: int, address: int) -> tuple[Node, str]:
    """Read the path at *address* and find where it starts."""
    path = path_at(task, address)
    return base_node(task, dirfd, path), path


def lookup_at(task: LinuxTask, dirfd: int, address: int, flags: int, *, follow: bool) -> Node:
    """What (dirfd, path) names; the caller closes it. With AT_EMPTY_PATH in *flags* "" is dirfd itself."""
    path = path_at(task, address)
    if not path and flags & AT_EMPTY_PATH:
        return descriptor_node(task, dirfd)
    return fs(task).resolver.lookup(base_node(task, dirfd, path), path, follow=follow)


def descriptor_node(task: LinuxTask, dirfd: int) -> Node:
    """The object behind a descriptor, or the working directory; closing it changes nothing."""
    fd = s32(dirfd)
    if fd == AT_FDCWD:
        cwd = fs(task).cwd
        return HostNode(cwd.fd, cwd.mount, cwd.path, owned=False) if isinstance(cwd, HostNode) else cwd
    entry = files(task).get(fd)
    return entry.file.node(entry.host)


def parent_at(task: LinuxTask, dirfd: int, address: int) -> tuple[Node, str]:
    """Folder and last component of (dirfd, path); the caller closes the folder."""
    path = path_at(task, address)
    if not path:
        raise fail(errno.ENOENT)
    base = base_node(task, dirfd, path)
    return fs(task).resolver.parent(base, path)


def host_node(node: Node, *, writing: bool = False) -> HostNode:
    """*node* if it is the host's; OSError EPERM for one of ours, EROFS for a change to a read-only place."""
    if not isinstance(node, HostNode):
        raise fail(errno.EPERM)
    if writing and node.read_only:
        raise fail(errno.EROFS)
    return node


def iovecs(task: LinuxTask, address: int, count: int) -> list[tuple[int, int]]:
    """The (address, size) pairs of an iovec array; OSError EINVAL for sizes and counts that Linux refuses."""
    count &= 0xFFFF_FFFF  # import_iovec takes an unsigned int
    if count > IOV_MAX:
        raise fail(errno.EINVAL)
    raw = memoryview(task.process.memory.read(address, 16 * count)).cast("Q") if count else ()
    pairs = [(raw[i], raw[i + 1]) for i in range(0, 2 * count, 2)]
    room = MAX_RW
    clipped = []
    for where, size in pairs:
        if size >> 63:
            raise fail(errno.EINVAL)
        check_range(where, size)
        clipped.append((where, min(size, room)))
        room -= clipped[-1][1]
    return clipped


def check_range(address: int, size: int) -> None:
    """access_ok: a range that does not lie below TASK_SIZE_MAX faults whatever the call would do."""
    if (address & TAG_MASK) + size > TASK_SIZE_MAX:
        raise MemoryFault(address, Access.WRITE)


def buffers(task: LinuxTask, pairs: list[tuple[int, int]], access: Perm) -> list[memoryview]:
    """Windows onto guest memory, up to the first byte that cannot be accessed; MemoryFault if that is the
    first.
    """
    memory = task.process.memory
    views: list[memoryview] = []
    room = MAX_RW
    for address, wanted in pairs:
        size = min(wanted, room)
        room -= size
        if not size:
            continue
        good = memory.accessible(address, size, access)
        if good < size and not good and not views:
            memory.views(address, size, access)
        views += memory.views(address, good, access)
        if good < size:
            break
    return views[:IOV_MAX]


def wait_for(
    task: LinuxTask, entry: Descriptor, events: int, *, data: object = None, interrupted: int | None = None
) -> Block:
    """Block until *entry*'s host descriptor has one of poll *events*."""
    return Block(Wait(fds=((entry.host, events),), data=data, interrupted=interrupted))


def ready(host: int, events: int) -> bool:
    """Whether poll(2) reports one of *events* (or an error or hang-up) right now."""
    poller = select.poll()
    poller.register(host, events)
    return bool(poller.poll(0))


def sigpipe(task: LinuxTask) -> None:
    """The signal that goes with EPIPE, to the thread that wrote (fs/pipe.c: send_sig)."""
    info = SigInfo.from_sender(Sig.PIPE, SI_USER, task.process.pid, identity(task).uid)
    send_to_task(task, info)


def identity(task: LinuxTask) -> Credentials:
    """The process's user and group ids."""
    held = task.process.credentials
    if held is None:
        held = task.process.credentials = Credentials.of_host()
    return held


def timespec(task: LinuxTask, address: int) -> int:
    """A struct timespec as nanoseconds, KTIME_MAX for more than that; OSError(EINVAL) for one that is
    negative or not normalised.
    """
    raw = task.process.memory.read(address, 16)
    seconds = int.from_bytes(raw[:8], "little", signed=True)
    nanoseconds = int.from_bytes(raw[8:], "little", signed=True)
    if seconds < 0 or not 0 <= nanoseconds < 1_000_000_000:
        raise fail(errno.EINVAL)
    return saturated(seconds * 1_000_000_000 + nanoseconds)


def pack_timespec(nanoseconds: int) -> bytes:
    """*nanoseconds* as a struct timespec."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return seconds.to_bytes(8, "little", signed=True) + rest.to_bytes(8, "little")
