"""/proc/PID: one process of the guest as its own kernel would show it (fs/proc/base.c, array.c, fd.c)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import (
    HostNode,
    Node,
    Table,
    VDir,
    VFile,
    VLink,
    VMemory,
    VNode,
    static_file,
    text_file,
)
from uprobe_linux.fs.paths import current_path
from uprobe_linux.fs.proc_maps import maps_text, smaps_rollup_text, smaps_text, statm_text
from uprobe_linux.fs.proc_status import limits_text, stat_text, status_text, stranger_stat, stranger_status
from uprobe_linux.kernel import Machine, Process, Task

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.shared.pids import ProcessEntry

__all__ = ("process_dir", "stranger_dir")


Make = Callable[[Process, Task], VNode]


def process_dir(process: Process, number: int) -> VDir:
    """The folder /proc/*number* of a process that lives in this host process."""
    task = next((t for t in process.tasks if t.tid == number), process.tasks[0])
    return _made_when_asked({**_FILES, "task": _task_dirs}, process, task)


def _made_when_asked(makers: dict[str, Make], process: Process, task: Task) -> VDir:
    """A folder whose nodes are made at each look: a program wants one or two of forty."""

    def lookup(name: str) -> VNode | None:
        make = makers.get(name)
        return None if make is None else make(process, task)

    return VDir(stat.S_IFDIR | 0o555, names=lambda: tuple(makers), lookup=lookup)


def _task_dirs(process: Process, _task: Task) -> VDir:
    return VDir(
        stat.S_IFDIR | 0o555,
        names=lambda: [str(t.tid) for t in process.tasks],
        lookup=lambda name: _task_dir(process, name),
    )


def _task_dir(process: Process, name: str) -> VNode | None:
    task = next((t for t in process.tasks if str(t.tid) == name), None)
    if task is None:
        return None
    return _owned(process, _made_when_asked({**_FILES, "children": _children}, process, task))


def _children(process: Process, _task: Task) -> VFile:
    pids = process.machine.family.pids
    return text_file(lambda: "".join(f"{e.pid} " for e in pids.children(process.pid)))


def _owned(process: Process, node: VDir) -> VDir:
    who = process.credentials
    if who is not None:
        node.uid, node.gid = who.euid, who.egid
    return node


def stranger_dir(machine: Machine, entry: ProcessEntry) -> VDir:
    """The folder of a process in another host process: what the shared table knows."""
    children: dict[str, VNode] = {
        "cmdline": text_file(lambda: f"{entry.comm}\0" if entry.alive else ""),
        "comm": text_file(lambda: f"{entry.comm}\n"),
        "stat": text_file(lambda: stranger_stat(machine, entry)),
        "status": text_file(lambda: stranger_status(entry)),
        "statm": static_file("0 0 0 0 0 0 0\n"),
        "oom_score_adj": VFile(stat.S_IFREG | 0o644, content=lambda: b"0\n", store=lambda _: None),
    }
    paper = machine.family.papers.read(entry.pid) if entry.alive else None
    if paper is not None:
        children["cmdline"] = _raw(lambda: paper.cmdline)
        children["cwd"] = _link(lambda: paper.cwd)
        children["exe"] = _link(lambda: paper.exe)
        children["root"] = _link(lambda: "/")
    for name in ("maps", "environ", "fd", "fdinfo"):
        children[name] = VDir(stat.S_IFDIR | 0o500) if name.startswith("fd") else static_file("")
    pid = entry.pid
    children["task"] = VDir(
        stat.S_IFDIR | 0o555,
        names=lambda: [str(pid)],
        lookup=lambda name: stranger_dir(machine, entry) if name == str(pid) else None,
    )
    node = Table(children).directory()
    node.uid = node.gid = entry.uid
    return node


def _raw(content: Callable[[], bytes], mode: int = 0o444) -> VFile:
    return VFile(stat.S_IFREG | mode, content=content)


def _link(target: Callable[[], str]) -> VLink:
    return VLink(stat.S_IFLNK | 0o777, target=target)


def _set_name(task: Task, data: bytes) -> None:
    task.name = data.rstrip(b"\n")[:15]


def _cwd(process: Process) -> str:
    cwd: Node = process.fs.cwd
    try:
        return current_path(cwd)
    except OSError:
        return cwd.path + " (deleted)"


# --- descriptors -------------------------------------------------------------------------------------


def _fd_dir(process: Process, make: Callable[[Process, int], VNode]) -> VDir:
    def lookup(name: str) -> VNode | None:
        if not name.isdecimal() or (name != "0" and name[0] == "0") or int(name) not in process.files:
            return None
        return make(process, int(name))

    return VDir(stat.S_IFDIR | 0o500, names=lambda: [str(fd) for fd in process.files], lookup=lookup)


def _fd_link(process: Process, fd: int) -> VLink:
    """The magic link: following it reaches the object, whatever its name is by now."""
    entry: Descriptor = process.files.get(fd)
    mode = _access_bits(entry)
    return VLink(
        stat.S_IFLNK | mode, target=lambda: _shown_path(process, entry), reopen=lambda: _again(entry)
    )


def _access_bits(entry: Descriptor) -> int:
    if entry.file.is_path:
        return 0
    return {0: 0o500, 1: 0o300, 2: 0o700}.get(entry.file.flags(entry.host) & 3, 0o700)


def _again(entry: Descriptor) -> HostNode | VNode:
    node = entry.file.node(entry.host)
    if not isinstance(node, HostNode):
        return node
    fd = os.open(node.magic, os.O_PATH | os.O_CLOEXEC)
    return HostNode(fd, entry.file.mount, entry.file.path)


def _shown_path(process: Process, entry: Descriptor) -> str:
    """The name of the file now, if it has one that the guest can see; else the name that it was opened by."""
    node = entry.file.node(entry.host)
    if not isinstance(node, HostNode) or not entry.file.mount.guest:
        return entry.file.path
    try:
        shown: str = current_path(node)
        return shown
    except OSError:
        return entry.file.path + " (deleted)"


def _fd_info(process: Process, fd: int) -> VFile:
    entry: Descriptor = process.files.get(fd)

    def text() -> str:
        try:
            position = os.lseek(entry.host, 0, os.SEEK_CUR)
        except OSError as error:
            if error.errno != errno.ESPIPE:
                raise
            position = 0
        flags = entry.file.flags(entry.host) | (0o2000000 if entry.cloexec else 0)
        return f"pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t15\nino:\t{os.fstat(entry.host).st_ino}\n"

    return text_file(text)


# --- mounts, network, namespaces ----------------------------------------------------------------------


def _mount_rows(machine: Machine) -> list[tuple[str, str, str, bool]]:
    """(source, mount point, type, read-only)."""
    mounts = machine.sandbox.mounts
    rows = [("/dev/root", path, "ext4", mount.read_only) for path, mount in mounts.hosts.items()]
    kinds = {"/proc": "proc", "/dev": "tmpfs", "/sys": "sysfs"}
    rows += [(kinds.get(path, "tmpfs"), path, kinds.get(path, "tmpfs"), False) for path in mounts.virtual]
    return sorted(rows, key=lambda row: row[1])


def _mounts(machine: Machine) -> str:
    return "".join(
        f"{source} {path} {kind} {'ro' if read_only else 'rw'},relatime 0 0\n"
        for source, path, kind, read_only in _mount_rows(machine)
    )


def _mountinfo(machine: Machine) -> str:
    rows = enumerate(_mount_rows(machine), 15)
    return "".join(
        f"{number} {1 if path == '/' else 15} 0:{number} / {path} {'ro' if read_only else 'rw'},relatime - "
        f"{kind} {source} rw\n"
        for number, (source, path, kind, read_only) in rows
    )


_TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
_DEV = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
    "carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0"
    "       0          0\n"
)


def _net() -> VDir:
    files = {name: static_file(_TCP) for name in ("tcp", "tcp6", "udp", "udp6", "raw")}
    unix = static_file("Num       RefCount Protocol Flags    Type St Inode Path\n")
    route = static_file(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    )
    return Table({**files, "dev": static_file(_DEV), "unix": unix, "route": route}).directory()


def _namespaces() -> VDir:
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
    links: dict[str, VNode] = {
        kind: _link(lambda text=f"{kind}:[{4026531834 + number}]": text)  # type: ignore[misc]
        for number, kind in enumerate(kinds)
    }
    return Table(links).directory()


_FILES: dict[str, Make] = {
    "auxv": lambda process, _task: _raw(lambda: process.auxv, 0o400),
    "attr": lambda _process, _task: Table({"current": static_file("unconfined\n")}).directory(),
    "cgroup": lambda _process, _task: static_file("0::/\n"),
    "cmdline": lambda process, _task: _raw(lambda: b"".join(a + b"\0" for a in process.argv)),
    "comm": lambda _process, task: VFile(
        stat.S_IFREG | 0o644,
        content=lambda: task.name + b"\n",
        store=lambda data: _set_name(task, data),
    ),
    "coredump_filter": lambda _process, _task: static_file("00000033\n", 0o644),
    "cwd": lambda process, _task: _link(lambda: _cwd(process)),
    "environ": lambda process, _task: _raw(lambda: b"".join(e + b"\0" for e in process.envp), 0o400),
    "exe": lambda process, _task: _link(lambda: process.exe_path),
    "fd": lambda process, _task: _fd_dir(process, _fd_link),
    "fdinfo": lambda process, _task: _fd_dir(process, _fd_info),
    "gid_map": lambda _process, _task: static_file("         0          0 4294967295\n"),
    "io": lambda _process, _task: static_file(
        "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
        0o400,
    ),
    "limits": lambda process, _task: text_file(lambda: limits_text(process)),
    "loginuid": lambda _process, _task: static_file("4294967295"),
    "maps": lambda process, _task: text_file(lambda: maps_text(process)),
    "mem": lambda process, _task: VMemory(stat.S_IFREG | 0o600, memory=lambda: process.memory),
    "mountinfo": lambda process, _task: text_file(lambda: _mountinfo(process.machine)),
    "mounts": lambda process, _task: text_file(lambda: _mounts(process.machine)),
    "net": lambda _process, _task: _net(),
    "ns": lambda _process, _task: _namespaces(),
    "oom_adj": lambda _process, _task: static_file("0\n", 0o644),
    "oom_score": lambda _process, _task: static_file("0\n"),
    "oom_score_adj": lambda _process, _task: VFile(
        stat.S_IFREG | 0o644, content=lambda: b"0\n", store=lambda _: None
    ),
    "personality": lambda process, _task: text_file(lambda: f"{process.personality:08x}\n", 0o400),
    "root": lambda process, _task: _link(lambda: process.fs.resolver.root),
    "sched": lambda _process, _task: static_file(""),
    "schedstat": lambda _process, _task: static_file("0 0 0\n"),
    "sessionid": lambda _process, _task: static_file("4294967295"),
    "setgroups": lambda _process, _task: static_file("allow\n", 0o644),
    "smaps": lambda process, _task: text_file(lambda: smaps_text(process)),
    "smaps_rollup": lambda process, _task: text_file(lambda: smaps_rollup_text(process)),
    "stat": lambda process, task: text_file(lambda: stat_text(process, task)),
    "statm": lambda process, _task: text_file(lambda: statm_text(process)),
    "status": lambda process, task: text_file(lambda: status_text(process, task)),
    "timerslack_ns": lambda _process, _task: static_file("50000\n", 0o666),
    "uid_map": lambda _process, _task: static_file("         0          0 4294967295\n"),
    "wchan": lambda _process, _task: static_file("0"),
}
"""What /proc/PID and /proc/PID/task/TID both have."""
