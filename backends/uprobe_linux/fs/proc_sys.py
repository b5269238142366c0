"""/proc/sys: what C libraries and run-times read of it (sysctl(2), Documentation/admin-guide/sysctl)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import Table, VNode, static_file, text_file
from uprobe_linux.uname import HOSTNAME, RELEASE, VERSION

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine

__all__ = ("sys_node",)

_KERNEL = {
    "hostname": HOSTNAME,
    "osrelease": RELEASE,
    "ostype": "Linux",
    "version": VERSION,
    "pid_max": "4194304",
    "threads-max": "62000",
    "ngroups_max": "65536",
    "cap_last_cap": "40",
    "randomize_va_space": "0",
    "domainname": "(none)",
    "core_pattern": "core",
    "overflowuid": "65534",
    "overflowgid": "65534",
    "sem": "32000\t1024000000\t500\t32000",
    "msgmax": "8192",
    "msgmnb": "16384",
    "msgmni": "32000",
    "shmmax": "18446744073692774399",
    "shmall": "18446744073692774399",
    "shmmni": "4096",
    "yama/ptrace_scope": "0",
    "perf_event_paranoid": "2",
    "kptr_restrict": "1",
    "dmesg_restrict": "1",
    "sched_rr_timeslice_ms": "100",
    "seccomp/actions_avail": "kill_process trap errno trace log allow",
    "keys/maxkeys": "200",
    "unprivileged_userns_clone": "0",
}
_VM = {
    "overcommit_memory": "0",
    "overcommit_ratio": "50",
    "max_map_count": "65530",
    "mmap_min_addr": "65536",
    "swappiness": "60",
    "nr_hugepages": "0",
    "drop_caches": "0",
}
_FS = {
    "file-max": "9223372036854775807",
    "file-nr": "64\t0\t9223372036854775807",
    "nr_open": "1048576",
    "pipe-max-size": "1048576",
    "inotify/max_user_watches": "65536",
    "inotify/max_user_instances": "128",
    "inotify/max_queued_events": "16384",
    "epoll/max_user_watches": "1000000",
    "aio-max-nr": "65536",
    "mqueue/msg_max": "10",
    "mqueue/msgsize_max": "8192",
    "protected_hardlinks": "1",
    "protected_symlinks": "1",
    "lease-break-time": "45",
}
_NET = {
    "core/somaxconn": "4096",
    "core/rmem_max": "212992",
    "core/wmem_max": "212992",
    "ipv4/ip_local_port_range": "32768\t60999",
    "unix/max_dgram_qlen": "512",
}


def sys_node(machine: Machine) -> VNode:
    """The folder."""
    tree = {
        "kernel": _tree({**_fixed(_KERNEL), **_random(machine)}),
        "vm": _tree(_fixed(_VM)),
        "fs": _tree(_fixed(_FS)),
        "net": _tree(_fixed(_NET)),
    }
    return Table(tree).directory()


def _fixed(rows: dict[str, str]) -> dict[str, VNode]:
    return {name: static_file(value + "\n") for name, value in rows.items()}


def _random(machine: Machine) -> dict[str, VNode]:
    """kernel/random: the boot's own number, and a new one at each read."""

    def uuid_text(number: int) -> str:
        import uuid  # rarely asked for

        return f"{uuid.UUID(int=number, version=4)}\n"

    def new_id() -> str:
        assert machine.current is not None
        return uuid_text(int.from_bytes(machine.current.process.random.randbytes(16), "big"))

    boot = machine.target.seed * 0x9E3779B97F4A7C15 % (1 << 128)
    return {
        "random/boot_id": text_file(lambda: uuid_text(boot)),
        "random/uuid": text_file(new_id),
        "random/entropy_avail": static_file("256\n"),
        "random/poolsize": static_file("256\n"),
    }


def _tree(flat: dict[str, VNode]) -> VNode:
    """Folders from names with slashes (one level)."""
    children: dict[str, VNode] = {}
    below: dict[str, dict[str, VNode]] = {}
    for name, node in flat.items():
        folder, slash, leaf = name.partition("/")
        if slash:
            below.setdefault(folder, {})[leaf] = node
        else:
            children[name] = node
    children.update((folder, Table(nodes).directory()) for folder, nodes in below.items())
    return Table(children).directory()
