"""What the machine is: uname, sysinfo, limits, usage, randomness, CPUs (kernel/sys.c,
kernel/sched/syscalls.c).
"""

from __future__ import annotations

import errno
import struct
from array import array
from typing import TYPE_CHECKING

from uprobe_linux.processes.rlimits import COUNT, RLIMIT_NOFILE
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import s32, syscall
from uprobe_linux.uname import DOMAIN, HOSTNAME, MEMORY_BYTES, RELEASE, VERSION

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ("known_task", "limit_of")

CAP_SYS_RESOURCE = 24
RANDOM_AT_ONCE = 1 << 20
NR_OPEN = 1 << 20
PER_MASK, PER_LINUX32 = 0xFF, 8
"""include/uapi/linux/personality.h."""


@syscall("uname")
def sys_uname(task: LinuxTask, address: int) -> int:
    """uname(2): the kernel that this behaves like."""
    fields = ("Linux", HOSTNAME, RELEASE, VERSION, "aarch64", DOMAIN)
    task.process.memory.write(address, b"".join(f.encode().ljust(65, b"\0") for f in fields))
    return 0


@syscall("sethostname", "setdomainname")
def sys_sethostname(task: LinuxTask, name: int, size: int) -> int:
    """sethostname(2): the name is part of a run's fixed surroundings."""
    raise fail(errno.EPERM)


@syscall("sysinfo")
def sys_sysinfo(task: LinuxTask, address: int) -> int:
    """sysinfo(2): fixed memory sizes in bytes, no swap, no load."""
    uptime = task.machine.clock.monotonic() // 1_000_000_000
    count = sum(1 for entry in task.machine.family.pids if entry.alive)
    free = MEMORY_BYTES // 2
    raw = struct.pack("<q3Q6QHHIQQI", uptime, 0, 0, 0, MEMORY_BYTES, free, 0, 0, 0, 0, count, 0, 0, 0, 0, 1)
    task.process.memory.write(address, raw.ljust(112, b"\0"))
    return 0


@syscall("getrandom")
def sys_getrandom(task: LinuxTask, address: int, size: int, flags: int) -> int:
    """getrandom(2): seeded, so that runs repeat."""
    if flags & 0xFFFF_FFFF & ~7 or flags & 6 == 6:
        raise fail(errno.EINVAL)
    size = min(size, 0x1FF_FFFF)
    memory = task.process.memory
    done = 0
    while done < size:
        piece = min(size - done, RANDOM_AT_ONCE)
        memory.write(address + done, task.process.random.randbytes(piece))
        done += piece
    return size


@syscall("getrusage")
def sys_getrusage(task: LinuxTask, who: int, address: int) -> int:
    """getrusage(2): processor time; page counts are those of the mapped memory."""
    if s32(who) not in (0, -1, 1):
        raise fail(errno.EINVAL)
    if s32(who) == -1:
        nanoseconds = task.machine.family.entry(task.process).children_ns
    else:
        nanoseconds = task.machine.clock.cpu_time()
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    resident = task.process.memory.committed >> 10
    raw = struct.pack("<4q14q", seconds, rest // 1000, 0, 0, resident, *[0] * 13)
    task.process.memory.write(address, raw)
    return 0


# --- limits ----------------------------------------------------------------------------------------


def limit_of(task: LinuxTask, resource: int) -> tuple[int, int]:
    """(soft, hard) limit *resource* of the task's process."""
    soft, hard = task.process.rlimits[2 * resource : 2 * resource + 2]
    return soft, hard


@syscall("prlimit64")
def sys_prlimit64(task: LinuxTask, pid: int, resource: int, new: int, old: int) -> int:
    """prlimit(2) for the caller itself; another process's limits are EPERM."""
    number = resource & 0xFFFF_FFFF
    memory = task.process.memory
    wanted = struct.unpack("<QQ", memory.read(new, 16)) if new else None
    if s32(pid) not in (0, task.process.pid, task.tid):
        known = s32(pid) > 0 and task.machine.family.pids.get(s32(pid)) is not None
        raise fail(errno.EPERM if known else errno.ESRCH)
    if number >= COUNT:
        raise fail(errno.EINVAL)
    current = limit_of(task, number)
    if wanted is not None:
        _set_limit(task, number, current, (wanted[0], wanted[1]))
    if old:
        memory.write(old, struct.pack("<QQ", *current))
    return 0


def _set_limit(task: LinuxTask, number: int, current: tuple[int, int], wanted: tuple[int, int]) -> None:
    soft, hard = wanted
    if soft > hard:
        raise fail(errno.EINVAL)
    if number == RLIMIT_NOFILE and hard > NR_OPEN:
        raise fail(errno.EPERM)
    if hard > current[1] and not identity(task).can(CAP_SYS_RESOURCE):
        raise fail(errno.EPERM)
    task.process.rlimits[2 * number : 2 * number + 2] = array("Q", wanted)
    if number == RLIMIT_NOFILE:
        task.process.files.limit = soft


@syscall("getrlimit")
def sys_getrlimit(task: LinuxTask, resource: int, address: int) -> int:
    """getrlimit(2)."""
    return sys_prlimit64(task, 0, resource, 0, address)


@syscall("setrlimit")
def sys_setrlimit(task: LinuxTask, resource: int, address: int) -> int:
    """setrlimit(2)."""
    return sys_prlimit64(task, 0, resource, address, 0) if address else _fault()


def _fault() -> int:
    raise fail(errno.EFAULT)


# --- processors --------------------------------------------------------------------------------------


@syscall("getcpu")
def sys_getcpu(task: LinuxTask, cpu: int, node: int) -> int:
    """getcpu(2): the virtual machine has one CPU."""
    for address in (cpu, node):
        if address:
            task.process.memory.write_u32(address, 0)
    return 0


def known_task(task: LinuxTask, pid: int) -> None:
    """ESRCH unless *pid* (0: the caller) is a task of the machine."""
    number = s32(pid)
    if number < 0:
        raise fail(errno.EINVAL)
    if number in (0, task.process.pid) or any(t.tid == number for t in task.process.tasks):
        return
    if task.machine.family.pids.get(number) is None:
        raise fail(errno.ESRCH)


@syscall("sched_getaffinity")
def sys_sched_getaffinity(task: LinuxTask, pid: int, size: int, address: int) -> int:
    """sched_getaffinity(2): answers the bytes that the mask takes."""
    size &= 0xFFFF_FFFF
    if not size * 8 & 0xFFFF_FFFF or size & 7:  # the kernel counts bits in an unsigned int
        raise fail(errno.EINVAL)
    known_task(task, pid if s32(pid) >= 0 else 0x7FFF_FFFF)
    task.process.memory.write(address, (1).to_bytes(8, "little"))
    return 8


@syscall("sched_setaffinity")
def sys_sched_setaffinity(task: LinuxTask, pid: int, size: int, address: int) -> int:
    """sched_setaffinity(2): a mask without CPU 0 is EINVAL."""
    size = min(size & 0xFFFF_FFFF, 8)
    mask = task.process.memory.read(address, size)
    known_task(task, pid if s32(pid) >= 0 else 0x7FFF_FFFF)
    if not size or not mask[0] & 1:
        raise fail(errno.EINVAL)
    return 0


@syscall("personality")
def sys_personality(task: LinuxTask, wanted: int) -> int:
    """personality(2): remembered and inherited, but nothing here depends on it.

    PER_LINUX32 is refused as by a kernel whose processor has no 32-bit mode.
    """
    kept: int = task.process.personality
    value = wanted & 0xFFFF_FFFF
    if value & PER_MASK == PER_LINUX32:
        raise fail(errno.EINVAL)
    if value != 0xFFFF_FFFF:
        task.process.personality = value
    return kept


@syscall("ioprio_get")
def sys_ioprio_get(task: LinuxTask, which: int, who: int) -> int:
    """ioprio_get(2): what the process set, at first nothing (IOPRIO_CLASS_NONE)."""
    if s32(which) not in (1, 2, 3):
        raise fail(errno.EINVAL)
    kept: int = task.process.io_priority
    return kept


@syscall("ioprio_set")
def sys_ioprio_set(task: LinuxTask, which: int, who: int, priority: int) -> int:
    """ioprio_set(2): remembered and inherited; every request is served at once anyway."""
    if s32(which) not in (1, 2, 3) or priority >> 13 & 7 > 3:
        raise fail(errno.EINVAL)
    task.process.io_priority = priority & 0xFFFF
    return 0


@syscall("syslog")
def sys_syslog(task: LinuxTask, action: int, address: int, size: int) -> int:
    """syslog(2): the kernel log is not the guest's."""
    raise fail(errno.EPERM)
