"""The files of /proc that tell about the machine: fixed values, and the guest's clock (fs/proc/, proc(5))."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import Table, VFile, VLink, VNode, static_file
from uprobe_linux.identity import HOSTNAME, MEMORY_BYTES, RELEASE, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from uprobe_linux.machine import LinuxMachine

__all__ = ("machine_nodes", "text_file")

TICKS = 10_000_000
"""Nanoseconds in a tick of USER_HZ."""
_FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm jscvt fcma lrcpc sha3 sm3 sm4 "
    "asimddp sha512 asimdfhm uscat ilrcpc flagm sb flagm2 frint"
)
_FILESYSTEMS = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\n\text4\n"


def text_file(content: Callable[[], str], mode: int = 0o444) -> VFile:
    """A file whose text is made at each read."""
    return VFile(stat.S_IFREG | mode, content=lambda: content().encode("utf-8", "surrogateescape"))


def machine_nodes(machine: LinuxMachine) -> dict[str, VNode]:
    """Name -> node, without the processes."""
    clock = machine.clock
    return {
        "cmdline": static_file("ro\n"),
        "cpuinfo": static_file(_cpuinfo()),
        "devices": static_file("Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n"),
        "filesystems": static_file(_FILESYSTEMS),
        "loadavg": text_file(lambda: _load(machine)),
        "meminfo": static_file(_meminfo()),
        "modules": static_file(""),
        "mounts": _link("self/mounts"),
        "net": _link("self/net"),
        "partitions": static_file("major minor  #blocks  name\n\n"),
        "stat": text_file(lambda: _stat(machine)),
        "swaps": static_file("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        "uptime": text_file(lambda: _uptime(clock.monotonic())),
        "version": static_file(f"Linux version {RELEASE} (builder@{HOSTNAME}) (gcc) {VERSION}\n"),
        "vmstat": static_file("nr_free_pages 1048576\npgfault 0\npgmajfault 0\npswpin 0\npswpout 0\n"),
        "sys": _sys(machine),
        "sysvipc": Table({n: static_file("") for n in ("msg", "sem", "shm")}).directory(),
        "tty": Table(
            {"drivers": static_file("/dev/tty             /dev/tty        5       0 system:/dev/tty\n")}
        ).directory(),
    }


def _link(target: str) -> VLink:
    return VLink(stat.S_IFLNK | 0o777, target=lambda: target)


def _cpuinfo() -> str:
    """One CPU (arch/arm64/kernel/cpuinfo.c): implementer and part as QEMU's MAX model has them."""
    return (
        f"processor\t: 0\nBogoMIPS\t: 125.00\nFeatures\t: {_FEATURES}\nCPU implementer\t: 0x00\n"
        "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x051\nCPU revision\t: 0\n\n"
    )


def _meminfo() -> str:
    total = MEMORY_BYTES >> 10
    rows = {
        "MemTotal": total,
        "MemFree": total // 2,
        "MemAvailable": total * 3 // 4,
        "Buffers": 65536,
        "Cached": total // 4,
        "SwapCached": 0,
        "Active": total // 8,
        "Inactive": total // 8,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Dirty": 0,
        "Writeback": 0,
        "AnonPages": total // 16,
        "Mapped": 65536,
        "Shmem": 4096,
        "Slab": 65536,
        "CommitLimit": total // 2,
        "Committed_AS": total // 16,
        "VmallocTotal": 135288315904,
    }
    text = "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows.items())
    return text + "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n"


def _load(machine: LinuxMachine) -> str:
    entries = [entry for entry in machine.family.pids if entry.alive]
    return f"0.00 0.00 0.00 1/{len(entries)} {max((e.pid for e in entries), default=0)}\n"


def _uptime(monotonic: int) -> str:
    hundredths = monotonic // TICKS
    return f"{hundredths // 100}.{hundredths % 100:02} {hundredths // 100}.00\n"


def _stat(machine: LinuxMachine) -> str:
    clock = machine.clock
    busy, now = clock.cpu_time() // TICKS, clock.monotonic() // TICKS
    times = f"{busy} 0 0 {max(now - busy, 0)} 0 0 0 0 0 0"
    booted = (clock.realtime() - clock.monotonic()) // 1_000_000_000
    running = sum(1 for entry in machine.family.pids if entry.alive)
    return (
        f"cpu  {times}\ncpu0 {times}\nintr 0\nctxt 0\nbtime {booted}\nprocesses {running}\n"
        "procs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"
    )


def _sys(machine: LinuxMachine) -> VNode:
    """/proc/sys: what C libraries and run-times read."""
    seed = machine.target.seed

    def boot_id() -> str:
        import uuid  # rarely asked for

        return f"{uuid.UUID(int=seed * 0x9E3779B97F4A7C15 % (1 << 128), version=4)}\n"

    def new_id() -> str:
        assert machine.current is not None
        import uuid  # rarely asked for

        return f"{uuid.UUID(bytes=machine.current.process.random.randbytes(16), version=4)}\n"

    kernel = {
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
    vm = {
        "overcommit_memory": "0",
        "overcommit_ratio": "50",
        "max_map_count": "65530",
        "mmap_min_addr": "65536",
        "swappiness": "60",
        "nr_hugepages": "0",
        "drop_caches": "0",
    }
    fs = {
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
    net = {
        "core/somaxconn": "4096",
        "core/rmem_max": "212992",
        "core/wmem_max": "212992",
        "ipv4/ip_local_port_range": "32768\t60999",
        "unix/max_dgram_qlen": "512",
    }
    tree: dict[str, VNode] = {}
    for top, rows in (("kernel", kernel), ("vm", vm), ("fs", fs), ("net", net)):
        tree[top] = _tree({name: static_file(value + "\n") for name, value in rows.items()})
    random = {
        "boot_id": text_file(boot_id),
        "uuid": text_file(new_id),
        "entropy_avail": static_file("256\n"),
        "poolsize": static_file("256\n"),
    }
    kernel_nodes = {name: static_file(value + "\n") for name, value in kernel.items()}
    tree["kernel"] = _tree({**kernel_nodes, **{f"random/{name}": node for name, node in random.items()}})
    return Table(tree).directory()


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
