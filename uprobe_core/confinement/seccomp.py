"""The filter over the host's system calls, as a program for the kernel's classic BPF machine.

Facts: seccomp(2), include/uapi/linux/{seccomp,filter,bpf_common,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable, Sequence

from uprobe_core.confinement import needed_calls
from uprobe_core.confinement.host_calls import raw

__all__ = ("ARCHITECTURES", "install", "program")

ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""AUDIT_ARCH_*; others have no filter."""
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; the low half of an argument comes first on these machines."""
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_KILL, _ALLOW = 0x8000_0000, 0x7FFF_0000
_REFUSE = 0x0005_0000
_X32 = 0x4000_0000
_CLONE_NEW = 0x7E02_0080
"""Every CLONE_NEW* that clone takes."""
_SECCOMP, _SET_MODE_FILTER, _FLAG_TSYNC = {"x86_64": 317, "aarch64": 277}, 1, 1


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    """One struct sock_filter: *jt* and *jf* are how many are skipped when a test holds or does not."""
    return struct.pack("=HBBI", code, jt, jf, k)


def _refuse(number: int) -> bytes:
    return _op(_RETURN, _REFUSE | number)


def _argument(index: int) -> bytes:
    return _op(_LOAD, _ARGUMENTS + 8 * index)


def _one_of(index: int, values: Sequence[int], refusal: int) -> list[bytes]:
    """Allowed if the low half of argument *index* is one of *values*."""
    count = len(values)
    tests = [_op(_EQUAL, value, jt=count - at) for at, value in enumerate(values)]
    return [_argument(index), *tests, _refuse(refusal), _op(_RETURN, _ALLOW)]


def _no_namespaces() -> list[bytes]:
    return [_argument(0), _op(_ANY_BIT, _CLONE_NEW, jf=1), _refuse(errno.EPERM), _op(_RETURN, _ALLOW)]


_RULES: dict[str, Callable[[], list[bytes]]] = {
    "ioctl": lambda: _one_of(1, needed_calls.IOCTLS, errno.ENOTTY),
    "prctl": lambda: _one_of(0, needed_calls.PRCTLS, errno.EINVAL),
    "socket": lambda: _one_of(0, needed_calls.SOCKET_FAMILIES, errno.EAFNOSUPPORT),
    "clone": _no_namespaces,
    "execve": lambda: [_refuse(errno.EPERM)],
    "execveat": lambda: [_refuse(errno.EPERM)],
}


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted, inclusive."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def program(architecture: str) -> bytes:
    """The filter for *architecture*: struct sock_filter after struct sock_filter.

    What is not needed is ENOSYS, so that libraries fall back as on an older kernel.  Raises
    KeyError for an architecture without numbers.
    """
    ops = [_op(_LOAD, _ARCH), _op(_EQUAL, ARCHITECTURES[architecture], jt=1), _op(_RETURN, _KILL)]
    ops += [_op(_LOAD, _NR), _op(_AT_LEAST, _X32, jf=1), _refuse(errno.ENOSYS)]
    for name, number in needed_calls.numbers(needed_calls.SPECIAL, architecture).items():
        rule = _RULES[name]()
        ops += [_op(_EQUAL, number, jf=len(rule)), *rule]
    for low, high in _ranges([*needed_calls.numbers(needed_calls.NEEDED, architecture).values()]):
        ops += [
            _op(_GREATER, high, jt=3),
            _op(_AT_LEAST, low, jf=1),
            _op(_RETURN, _ALLOW),
            _refuse(errno.ENOSYS),
        ]
    ops.append(_refuse(errno.ENOSYS))
    return b"".join(ops)


def install(architecture: str) -> None:
    """Filter all threads of this process and all that it starts; needs no_new_privs.

    Raises OSError, KeyError for an architecture without numbers.
    """
    code = ctypes.create_string_buffer(program(architecture))
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(code)))
    raw(_SECCOMP[architecture], _SET_MODE_FILTER, _FLAG_TSYNC, header)
