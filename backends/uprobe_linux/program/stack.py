"""The initial stack: strings, vectors and the auxiliary vector as create_elf_tables lays them out."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from itertools import accumulate

from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.memory.address_space import STACK_TOP, AddressSpace

__all__ = ("HWCAP", "STACK_SIZE", "AuxValues", "build_stack")

STACK_SIZE = 8 << 20
"""RLIMIT_STACK's soft limit; the whole of it is mapped at once."""
ARG_MAX = STACK_SIZE // 4
"""Bytes that strings and pointers may take (fs/exec.c, bprm_stack_limits)."""

HWCAP = 0x2CBE_F7FB
"""What Unicorn's MAX model executes (measured): FP to LSE, crypto, FP16, DOTPROD ...; no SVE, PAC, CPUID."""
HWCAP2 = 0x180
"""FLAGM2, FRINT.  RNG is left out: runs are deterministic."""

_PLATFORM = b"aarch64\0"
_MINSIGSTKSZ = 4720
"""sigframe_size without SVE, ZA (arch/arm64/kernel/signal.c minsigstksz_setup)."""


@dataclass(frozen=True, slots=True)
class AuxValues:
    """What differs from program to program."""

    phdr: int
    phnum: int
    base: int
    entry: int
    uid: int = 0
    gid: int = 0
    vdso: int = 0


def build_stack(
    memory: AddressSpace,
    argv: list[bytes],
    envp: list[bytes],
    path: bytes,
    aux: AuxValues,
    seed: random.Random,
    *,
    executable: bool = False,
) -> tuple[int, bytes]:
    """Map and fill the stack; returns (initial sp, the auxiliary vector as in /proc/self/auxv)."""
    prot = Perm.READ | Perm.WRITE | (Perm.EXEC if executable else Perm.NONE)
    memory.map(STACK_TOP - STACK_SIZE, STACK_SIZE, prot, label="[stack]")
    strings = [*argv, *envp, path]
    block = b"".join(text + b"\0" for text in strings)
    at = STACK_TOP - 8 - len(block)
    memory.write(at, block)
    *addresses, execfn = accumulate((len(text) + 1 for text in strings[:-1]), initial=at)
    platform = (at & -16) - len(_PLATFORM)
    at = entropy = platform - 16
    memory.write(at, seed.randbytes(16) + _PLATFORM)
    vector = _auxiliary_vector(aux, execfn, platform, entropy)
    words = [len(argv), *addresses[: len(argv)], 0, *addresses[len(argv) :], 0]
    sp = (at - len(vector) - 8 * len(words)) & -16
    memory.write(sp, struct.pack(f"<{len(words)}Q", *words) + vector)
    return sp, vector


def _auxiliary_vector(aux: AuxValues, execfn: int, platform: int, entropy: int) -> bytes:
    """Order and numbers: fs/binfmt_elf.c, include/uapi/linux/auxvec.h."""
    pairs = (
        (33, aux.vdso),
        (51, _MINSIGSTKSZ),
        (16, HWCAP),
        (6, PAGE),
        (17, 100),
        (3, aux.phdr),
        (4, 56),
        (5, aux.phnum),
        (7, aux.base),
        (8, 0),
        (9, aux.entry),
        (11, aux.uid),
        (12, aux.uid),
        (13, aux.gid),
        (14, aux.gid),
        (23, 0),
        (25, entropy),
        (26, HWCAP2),
        (31, execfn),
        (15, platform),
        (27, 28),  # AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN of 6.12; the call itself is not there
        (28, 32),
        (0, 0),
    )
    return b"".join(struct.pack("<QQ", kind, value) for kind, value in pairs)
