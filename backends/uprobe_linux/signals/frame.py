"""The frame that the arm64 kernel builds on the stack for a signal handler, bit for bit.

Facts: arch/arm64/kernel/signal.c (setup_rt_frame, setup_sigframe,
restore_sigframe), arch/arm64/include/uapi/asm/sigcontext.h and ucontext.h.

Layout, offsets in bytes from the frame's start (= the handler's sp)::

    0     siginfo                        128
    128   uc_flags, uc_link              16
    144   uc_stack                       24
    168   uc_sigmask + unused            128
    304   mcontext: fault_address        8
    312   x0-x30, sp, pc, pstate         272
    592   reserved: fpsimd (528), esr (16, only after a fault), terminator   4096
    4688  frame record: fp, lr           16 (above, at a 16-byte boundary)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from uprobe_linux.signals.siginfo import SIGINFO_BYTES

__all__ = ("FRAME_BYTES", "Frame", "FrameError", "frame_addresses", "user_pstate")

_UC = SIGINFO_BYTES
_STACK = _UC + 16
_MASK = _UC + 40
_MCONTEXT = _UC + 176
_REGS = _MCONTEXT + 8
_RESERVED = _MCONTEXT + 288
FRAME_BYTES = _RESERVED + 4096
_FPSIMD_MAGIC, _FPSIMD_BYTES = 0x4650_8001, 528
_ESR_MAGIC, _ESR_BYTES = 0x4553_5201, 16
_HEAD = struct.Struct("<II")

_PSTATE_USER = 0xF000_0000 | 1 << 24 | 1 << 25 | 1 << 12 | 3 << 10
"""NZCV, DIT, TCO, SSBS and BTYPE: what valid_user_regs leaves a program (arch/arm64/kernel/ptrace.c)."""


class FrameError(Exception):
    """The guest gave rt_sigreturn a frame that the kernel refuses with SIGSEGV."""


def user_pstate(value: int) -> int:
    """*value* without the bits that a program may not set (mode, DAIF, single step)."""
    return value & _PSTATE_USER


def frame_addresses(sp: int) -> tuple[int, int]:
    """(address of the frame, address of the frame record) for a stack pointer *sp* before the signal.

    Both are 16-byte aligned; the record lies directly above the frame.
    """
    record = (sp - 16) & ~15
    return record - FRAME_BYTES, record


@dataclass(slots=True)
class Frame:
    """What a frame saves.

    :param regs: x0-x30, sp, pc, pstate: 34 unsigned 64-bit numbers
    :param vectors: v0-v31, unsigned 128-bit
    :param sigmask: blocked signals to return to
    :param altstack: (ss_sp, ss_flags, ss_size)
    :param esr: syndrome of the last fault, 0: no esr record, as for a task that never faulted
    """

    regs: Sequence[int]
    vectors: Sequence[int]
    fpsr: int
    fpcr: int
    sigmask: int
    altstack: tuple[int, int, int]
    fault_address: int = 0
    esr: int = 0
    siginfo: bytes = bytes(SIGINFO_BYTES)

    def pack(self) -> bytes:
        """The frame's FRAME_BYTES bytes."""
        out = bytearray(FRAME_BYTES)
        out[:SIGINFO_BYTES] = self.siginfo
        struct.pack_into("<QixxxxQ", out, _STACK, *self.altstack)
        struct.pack_into("<Q", out, _MASK, self.sigmask)
        struct.pack_into("<Q34Q", out, _MCONTEXT, self.fault_address, *self.regs)
        self._pack_records(out)
        return bytes(out)

    def _pack_records(self, out: bytearray) -> None:
        at = _RESERVED
        struct.pack_into("<IIII", out, at, _FPSIMD_MAGIC, _FPSIMD_BYTES, self.fpsr, self.fpcr)
        for index, value in enumerate(self.vectors):
            start = at + 16 + 16 * index
            out[start : start + 16] = value.to_bytes(16, "little")
        if self.esr:
            struct.pack_into("<IIQ", out, at + _FPSIMD_BYTES, _ESR_MAGIC, _ESR_BYTES, self.esr)

    @classmethod
    def unpack(cls, data: bytes) -> Frame:
        """The frame in *data* (FRAME_BYTES bytes); raises FrameError where the kernel's restore does."""
        regs = list(struct.unpack_from("<34Q", data, _REGS))
        regs[33] = user_pstate(regs[33])
        fpsimd = _find_fpsimd(data)
        fpsr, fpcr = _HEAD.unpack_from(data, fpsimd + 8)
        vectors = [
            int.from_bytes(data[at : at + 16], "little")
            for at in range(fpsimd + 16, fpsimd + _FPSIMD_BYTES, 16)
        ]
        sp, flags, size = struct.unpack_from("<QixxxxQ", data, _STACK)
        (mask,) = struct.unpack_from("<Q", data, _MASK)
        return cls(regs, vectors, fpsr, fpcr, mask, (sp, flags, size), siginfo=bytes(data[:SIGINFO_BYTES]))


def _find_fpsimd(data: bytes) -> int:
    """Offset of the fpsimd record; walks the list like parse_user_sigframe."""
    at, found = _RESERVED, None
    while at + 8 <= FRAME_BYTES:
        magic, size = _HEAD.unpack_from(data, at)
        if magic == 0 and size == 0:
            break
        if size < 16 or size % 16 or at + size > FRAME_BYTES:
            raise FrameError(f"bad record size {size} at {at}")
        if magic == _FPSIMD_MAGIC and (found is not None or size < _FPSIMD_BYTES):
            raise FrameError("bad fpsimd record")
        if magic not in (_FPSIMD_MAGIC, _ESR_MAGIC):
            raise FrameError(f"unknown record {magic:#x}")
        found = at if magic == _FPSIMD_MAGIC else found
        at += size
    if found is None:
        raise FrameError("no fpsimd record")
    return found
