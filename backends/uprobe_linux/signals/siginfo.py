"""The siginfo that travels with a signal, in its 128-byte arm64 form.

Facts: struct siginfo in include/uapi/asm-generic/siginfo.h (64-bit layout:
signo, errno, code, padding, then a union at offset 16).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from uprobe_linux.signals.numbers import SI_KERNEL, Sig

__all__ = ("SIGINFO_BYTES", "SigInfo")

SIGINFO_BYTES = 128
_HEAD = struct.Struct("<iiii")
_PAYLOAD_BYTES = SIGINFO_BYTES - _HEAD.size
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SigInfo:
    """One occurrence of a signal.

    :param signo: 1-64
    :param code: si_code; 0 or below means that a process sent it
    :param payload: the union at offset 16, at most 112 bytes; shorter is padded with zeros
    :param timer: identity of the POSIX timer that sent it, None for all else; never seen by the guest
    """

    signo: int
    code: int = SI_KERNEL
    payload: bytes = b""
    errno: int = 0
    timer: object = None

    @classmethod
    def from_sender(cls, signo: int, code: int, pid: int, uid: int, value: int = 0) -> SigInfo:
        """Sent by process *pid* of *uid*: kill (SI_USER), tgkill (SI_TKILL), sigqueue (a *value*)."""
        return cls(signo, code, struct.pack("<iIQ", pid, uid, value & _MASK64))

    @classmethod
    def from_fault(cls, signo: int, code: int, address: int) -> SigInfo:
        """Raised by an instruction; *address* becomes si_addr."""
        return cls(signo, code, struct.pack("<Q", address & _MASK64))

    @property
    def fault_address(self) -> int | None:
        """What an instruction could not access; None if that is not why."""
        if self.signo not in (Sig.SEGV, Sig.BUS) or self.code <= 0 or self.code == SI_KERNEL:
            return None
        return int.from_bytes(self.payload[:8], "little")

    @classmethod
    def from_child(cls, code: int, pid: int, uid: int, status: int, utime: int = 0) -> SigInfo:
        """SIGCHLD of child *pid*: *status* is the exit status or signal number, *utime* in clock ticks."""
        return cls(Sig.CHLD, code, struct.pack("<iIixxxxqq", pid, uid, status, utime, 0))

    @classmethod
    def from_timer(
        cls, signo: int, code: int, timer_id: int, overrun: int, value: int, timer: object
    ) -> SigInfo:
        """A POSIX timer ran out; *value* is its sigev_value."""
        return cls(signo, code, struct.pack("<iiQ", timer_id, overrun, value & _MASK64), timer=timer)

    @classmethod
    def unpack(cls, data: bytes) -> SigInfo:
        """From the guest's 128 bytes (rt_sigqueueinfo)."""
        signo, errno, code, _ = _HEAD.unpack_from(data)
        return cls(signo, code, bytes(data[_HEAD.size : SIGINFO_BYTES]), errno)

    def pack(self) -> bytes:
        """The guest's 128 bytes."""
        head = _HEAD.pack(self.signo, self.errno, self.code, 0)
        return head + self.payload[:_PAYLOAD_BYTES].ljust(_PAYLOAD_BYTES, b"\0")

    @property
    def sender(self) -> int:
        """si_pid, where the code says that there is one."""
        return int.from_bytes(self.payload[:4].ljust(4, b"\0"), "little", signed=True)
