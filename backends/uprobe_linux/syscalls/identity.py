"""Who the process is: user and group ids, capabilities (kernel/sys.c, kernel/capability.c)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from uprobe_linux.processes.credentials import ALL_CAPABILITIES, CAP_SETGID, CAP_SETUID, mapped
from uprobe_linux.shared.pids import INIT_PID
from uprobe_linux.syscalls.support import fail, identity
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.processes.task import LinuxTask

__all__ = ()

CAPABILITY_V1, CAPABILITY_V2, CAPABILITY_V3 = 0x19980330, 0x20071026, 0x20080522


@syscall("getuid")
def sys_getuid(task: LinuxTask) -> int:
    """getuid(2)."""
    return identity(task).uid


@syscall("geteuid")
def sys_geteuid(task: LinuxTask) -> int:
    """geteuid(2)."""
    return identity(task).euid


@syscall("getgid")
def sys_getgid(task: LinuxTask) -> int:
    """getgid(2)."""
    return identity(task).gid


@syscall("getegid")
def sys_getegid(task: LinuxTask) -> int:
    """getegid(2)."""
    return identity(task).egid


@syscall("getresuid")
def sys_getresuid(task: LinuxTask, real: int, effective: int, saved: int) -> int:
    """getresuid(2)."""
    who = identity(task)
    for address, value in ((real, who.uid), (effective, who.euid), (saved, who.suid)):
        task.process.memory.write_u32(address, value)
    return 0


@syscall("getresgid")
def sys_getresgid(task: LinuxTask, real: int, effective: int, saved: int) -> int:
    """getresgid(2)."""
    who = identity(task)
    for address, value in ((real, who.gid), (effective, who.egid), (saved, who.sgid)):
        task.process.memory.write_u32(address, value)
    return 0


def _id(value: int) -> int:
    """An id argument: 32 bits, all ones is -1."""
    return -1 if value & 0xFFFF_FFFF == 0xFFFF_FFFF else value & 0xFFFF_FFFF


@syscall("setresuid")
def sys_setresuid(task: LinuxTask, real: int, effective: int, saved: int) -> int:
    """setresuid(2)."""
    identity(task).set_uids(_id(real), _id(effective), _id(saved))
    return 0


@syscall("setresgid")
def sys_setresgid(task: LinuxTask, real: int, effective: int, saved: int) -> int:
    """setresgid(2)."""
    identity(task).set_gids(_id(real), _id(effective), _id(saved))
    return 0


@syscall("setuid")
def sys_setuid(task: LinuxTask, user: int) -> int:
    """setuid(2): all three ids with CAP_SETUID, else the effective one, to the real or the saved id."""
    who, wanted = identity(task), _id(user)
    if wanted == -1 or not mapped("uid", wanted):
        raise fail(errno.EINVAL)
    if who.can(CAP_SETUID):
        who.set_uids(wanted, wanted, wanted)
    elif wanted in (who.uid, who.suid):
        who.set_uids(-1, wanted, -1)
    else:
        raise fail(errno.EPERM)
    return 0


@syscall("setgid")
def sys_setgid(task: LinuxTask, group: int) -> int:
    """setgid(2), as setuid."""
    who, wanted = identity(task), _id(group)
    if wanted == -1 or not mapped("gid", wanted):
        raise fail(errno.EINVAL)
    if who.can(CAP_SETGID):
        who.set_gids(wanted, wanted, wanted)
    elif wanted in (who.gid, who.sgid):
        who.set_gids(-1, wanted, -1)
    else:
        raise fail(errno.EPERM)
    return 0


@syscall("setreuid")
def sys_setreuid(task: LinuxTask, real: int, effective: int) -> int:
    """setreuid(2): the saved id follows when the real one is set, or the effective one
    leaves the real one.
    """
    who, r, e = identity(task), _id(real), _id(effective)
    if not who.can(CAP_SETUID) and r not in (-1, who.uid, who.euid):
        raise fail(errno.EPERM)
    follows = r != -1 or (e not in (-1, who.uid))
    new = (e if e != -1 else who.euid) if follows else -1
    who.set_uids(r, e, new)
    return 0


@syscall("setregid")
def sys_setregid(task: LinuxTask, real: int, effective: int) -> int:
    """setregid(2), as setreuid."""
    who, r, e = identity(task), _id(real), _id(effective)
    if not who.can(CAP_SETGID) and r not in (-1, who.gid, who.egid):
        raise fail(errno.EPERM)
    follows = r != -1 or (e not in (-1, who.gid))
    new = (e if e != -1 else who.egid) if follows else -1
    who.set_gids(r, e, new)
    return 0


@syscall("setfsuid")
def sys_setfsuid(task: LinuxTask, user: int) -> int:
    """setfsuid(2): answers the previous id whether or not it could be changed."""
    who, wanted = identity(task), _id(user)
    previous = who.fsuid
    allowed = who.can(CAP_SETUID) or wanted in (who.uid, who.euid, who.suid, who.fsuid)
    if wanted != -1 and allowed and mapped("uid", wanted):
        who.fsuid = wanted
    return previous


@syscall("setfsgid")
def sys_setfsgid(task: LinuxTask, group: int) -> int:
    """setfsgid(2), as setfsuid."""
    who, wanted = identity(task), _id(group)
    previous = who.fsgid
    allowed = who.can(CAP_SETGID) or wanted in (who.gid, who.egid, who.sgid, who.fsgid)
    if wanted != -1 and allowed and mapped("gid", wanted):
        who.fsgid = wanted
    return previous


@syscall("getgroups")
def sys_getgroups(task: LinuxTask, size: int, address: int) -> int:
    """getgroups(2)."""
    groups = identity(task).groups
    if s32(size) < 0:
        raise fail(errno.EINVAL)
    if s32(size):
        if len(groups) > s32(size):
            raise fail(errno.EINVAL)
        task.process.memory.write(address, struct.pack(f"<{len(groups)}I", *groups))
    return len(groups)


@syscall("setgroups")
def sys_setgroups(task: LinuxTask, size: int, address: int) -> int:
    """setgroups(2); at most NGROUPS_MAX (65536)."""
    who, count = identity(task), s32(size)
    if not who.can(CAP_SETGID):
        raise fail(errno.EPERM)
    if not 0 <= count <= 65536:
        raise fail(errno.EINVAL)
    who.set_groups(list(struct.unpack(f"<{count}I", task.process.memory.read(address, 4 * count))))
    return 0


def _capability_words(task: LinuxTask, header: int) -> int:
    """How many 32-bit words a set has in the caller's version; 0 and the version corrected if unknown."""
    version = task.process.memory.read_u32(header)
    words = {CAPABILITY_V1: 1, CAPABILITY_V2: 2, CAPABILITY_V3: 2}.get(version, 0)
    if not words:
        task.process.memory.write_u32(header, CAPABILITY_V3)
    return words


@syscall("capget")
def sys_capget(task: LinuxTask, header: int, data: int) -> int:
    """capget(2); an unknown version with no data pointer only asks for ours."""
    words = _capability_words(task, header)
    if not words or not data:
        if not words and data:
            raise fail(errno.EINVAL)
        return 0
    pid = s32(task.process.memory.read_u32(header + 4))
    if pid < 0:
        raise fail(errno.EINVAL)
    if pid not in (0, INIT_PID, task.process.pid, task.tid) and task.machine.family.pids.get(pid) is None:
        raise fail(errno.ESRCH)
    who = identity(task)
    rows = [
        (who.effective >> shift, who.permitted >> shift, who.inheritable >> shift)
        for shift in range(0, 32 * words, 32)
    ]
    raw = b"".join(struct.pack("<3I", *(value & 0xFFFF_FFFF for value in row)) for row in rows)
    task.process.memory.write(data, raw)
    return 0


@syscall("capset")
def sys_capset(task: LinuxTask, header: int, data: int) -> int:
    """capset(2): sets can only be lowered, and inheritable only within what is permitted or held."""
    words = _capability_words(task, header)
    if not words:
        raise fail(errno.EINVAL)
    if s32(task.process.memory.read_u32(header + 4)) not in (0, task.process.pid, task.tid):
        raise fail(errno.EPERM)
    raw = struct.unpack(f"<{3 * words}I", task.process.memory.read(data, 12 * words))
    effective, permitted, inheritable = (
        sum(raw[3 * word + which] << 32 * word for word in range(words)) & ALL_CAPABILITIES
        for which in range(3)
    )
    who = identity(task)
    if permitted & ~who.permitted or effective & ~permitted:
        raise fail(errno.EPERM)
    if inheritable & ~(who.inheritable | who.permitted | who.bounding):
        raise fail(errno.EPERM)
    who.effective, who.permitted, who.inheritable = effective, permitted, inheritable
    who.ambient &= permitted & inheritable
    return 0
