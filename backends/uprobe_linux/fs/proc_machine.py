"""The files of /proc that tell about the machine: fixed values, and the guest's clock (fs/proc/, proc(5))."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from uprobe_linux.fs.nodes import Table, VLink, VNode, static_file, text_file
from uprobe_linux.fs.proc_sys import sys_node
from uprobe_linux.fs.proc_sysvipc import sysvipc_dir
from uprobe_linux.uname import HOSTNAME, MEMORY_BYTES, RELEASE, VERSION

if TYPE_CHECKING:
    from uprobe_linux.kernel import Machine

__all__ = ("machine_nodes",)

TICKS = 10_000_000
"""Nanoseconds in a tick of USER_HZ."""
_FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm jscvt fcma lrcpc sha3 sm3 sm4 "
    "asimddp sha512 asimdfhm uscat ilrcpc flagm sb flagm2 frint"
)
_FILESYSTEMS = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\n\text4\n"


def machine_nodes(machine: Machine) -> dict[str, VNode]:
    """Name -> node, without the processes."""
    clock = machine.clock
    return {
        "cmdline": static_file("ro\n"),
        "cpuinfo": static_file(_cpuinfo()),
        "devices": static_file(
            "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"
        ),
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
        "sys": sys_node(machine),
        "sysvipc": sysvipc_dir(machine),
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


def _load(machine: Machine) -> str:
    entries = [entry for entry in machine.family.pids if entry.alive]
    return f"0.00 0.00 0.00 1/{len(entries)} {max((e.pid for e in entries), default=0)}\n"


def _uptime(monotonic: int) -> str:
    hundredths = monotonic // TICKS
    return f"{hundredths // 100}.{hundredths % 100:02} {hundredths // 100}.00\n"


def _stat(machine: Machine) -> str:
    clock = machine.clock
    busy, now = clock.cpu_time() // TICKS, clock.monotonic() // TICKS
    times = f"{busy} 0 0 {max(now - busy, 0)} 0 0 0 0 0 0"
    booted = (clock.realtime() - clock.monotonic()) // 1_000_000_000
    running = sum(1 for entry in machine.family.pids if entry.alive)
    return (
        f"cpu  {times}\ncpu0 {times}\nintr 0\nctxt 0\nbtime {booted}\nprocesses {running}\n"
        "procs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"
    )
