"""User and group ids and capabilities of a process, as the guest sees them.

They start as the host process's own and change only here: the host process
keeps its ids, so files are made with those. Which ids exist is the host user
namespace's business: one that /proc/self/uid_map does not map is EINVAL.
Facts: kernel/sys.c (setresuid ...), kernel/capability.c, credentials(7).
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from functools import cache

__all__ = ("ALL_CAPABILITIES", "Credentials", "mapped")

ALL_CAPABILITIES = (1 << 41) - 1
"""CAP_LAST_CAP is 40 (CAP_CHECKPOINT_RESTORE) since Linux 5.9."""
CAP_SETGID, CAP_SETUID = 6, 7


@dataclass(slots=True)
class Credentials:
    """Real, effective, saved and file system ids; capability sets as bit masks."""

    uid: int
    euid: int
    suid: int
    gid: int
    egid: int
    sgid: int
    groups: list[int] = field(default_factory=list)
    fsuid: int = 0
    fsgid: int = 0
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    bounding: int = ALL_CAPABILITIES
    ambient: int = 0
    no_new_privs: bool = False
    keep_caps: bool = False

    @classmethod
    def of_host(cls) -> Credentials:
        """Those of the host process; root has every capability."""
        uid, euid, suid = os.getresuid()
        gid, egid, sgid = os.getresgid()
        held = ALL_CAPABILITIES if euid == 0 else 0
        return cls(uid, euid, suid, gid, egid, sgid, os.getgroups(), euid, egid, held, held)

    def copy(self) -> Credentials:
        """Those of a forked process."""
        other = object.__new__(Credentials)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def can(self, capability: int) -> bool:
        """Whether *capability* (a CAP_* number) is effective."""
        return bool(self.effective >> capability & 1)

    def set_uids(self, real: int, effective: int, saved: int) -> None:
        """setresuid(2): -1 leaves an id alone; OSError EINVAL for unmapped ids, EPERM without the right."""
        wanted = [real, effective, saved]
        _check_mapped("uid", wanted)
        if not self.can(CAP_SETUID) and any(w not in (-1, self.uid, self.euid, self.suid) for w in wanted):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        had_root = 0 in (self.uid, self.euid, self.suid)
        self.uid = self.uid if real == -1 else real
        self.euid = self.euid if effective == -1 else effective
        self.suid = self.suid if saved == -1 else saved
        self.fsuid = self.euid
        self._adjust_capabilities(had_root)

    def _adjust_capabilities(self, had_root: bool) -> None:
        """cap_emulate_setxuid: leaving user 0 drops capabilities, coming back to it restores the effective
        set.
        """
        if had_root and 0 not in (self.uid, self.euid, self.suid) and not self.keep_caps:
            self.permitted = self.effective = self.ambient = 0
        elif self.euid != 0:
            self.effective = 0 if not self.keep_caps else self.effective
        elif self.permitted:
            self.effective = self.permitted

    def set_gids(self, real: int, effective: int, saved: int) -> None:
        """setresgid(2), as set_uids."""
        wanted = [real, effective, saved]
        _check_mapped("gid", wanted)
        if not self.can(CAP_SETGID) and any(w not in (-1, self.gid, self.egid, self.sgid) for w in wanted):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        self.gid = self.gid if real == -1 else real
        self.egid = self.egid if effective == -1 else effective
        self.sgid = self.sgid if saved == -1 else saved
        self.fsgid = self.egid

    def set_groups(self, groups: list[int]) -> None:
        """setgroups(2); EPERM also where the host's user namespace forbids it."""
        if not self.can(CAP_SETGID) or _read("/proc/self/setgroups").strip() == "deny":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        _check_mapped("gid", groups)
        self.groups = groups

    def after_exec(self) -> None:
        """Saved ids follow the effective ones; root gets its capabilities back (no set-id programs)."""
        self.suid, self.sgid = self.euid, self.egid
        self.keep_caps = False
        if 0 in (self.euid, self.uid):
            self.permitted = self.bounding
            self.effective = self.permitted if self.euid == 0 else 0
        else:
            self.permitted = self.effective = self.ambient


def _check_mapped(kind: str, ids: list[int]) -> None:
    if any(i != -1 and not mapped(kind, i) for i in ids):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def mapped(kind: str, number: int) -> bool:
    """Whether id *number* exists in the host's user namespace; *kind* is "uid" or "gid"."""
    return any(start <= number < start + count for start, count in _ranges(kind))


@cache
def _ranges(kind: str) -> tuple[tuple[int, int], ...]:
    rows = [line.split() for line in _read(f"/proc/self/{kind}_map").splitlines()]
    return tuple((int(row[0]), int(row[2])) for row in rows) or ((0, 0xFFFF_FFFF),)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
