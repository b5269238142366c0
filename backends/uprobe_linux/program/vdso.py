"""The shared object that a kernel maps into every program: [vdso], two pages.

The tables lie where those of Linux 6.12 for arm64 lie and hold the same names in
the same order (``readelf -a`` of a running kernel's), so that what a C library
leaves in registers and on the stack after it has looked them up is the same.
The functions are shorter: each makes its system call.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from zlib import crc32

from uprobe_linux.uname import RELEASE

__all__ = ("SIGRETURN_OFFSET", "VDSO_BYTES", "vdso_image")

VDSO_BYTES = 8192
SIGRETURN_OFFSET = 0x820
"""Where signal handlers return to."""

_HASH, _GNU_HASH, _DYNSYM, _DYNSTR = 0xE8, 0x118, 0x158, 0x200
_VERSYM, _VERDEF, _NOTE, _DYNAMIC, _END = 0x28A, 0x298, 0x2D0, 0xCF8, 0xE38
_SONAME, _VERSION = "linux-vdso.so.1", "LINUX_2.6.39"
_STRINGS = (
    "__kernel_clock_gettime",
    "__kernel_gettimeofday",
    "__kernel_clock_getres",
    "__kernel_rt_sigreturn",
    "__kernel_getrandom",
    _SONAME,
    _VERSION,
)
_FUNC, _NOTYPE, _OBJECT = 2, 0, 1
_TEXT, _ABS = 8, 0xFFF1
_SYMBOLS = (
    ("__kernel_clock_getres", _FUNC, _TEXT, 0x788, 108),
    ("__kernel_rt_sigreturn", _NOTYPE, _TEXT, SIGRETURN_OFFSET, 8),
    ("__kernel_getrandom", _FUNC, _TEXT, 0x828, 864),
    (_VERSION, _OBJECT, _ABS, 0, 0),
    ("__kernel_gettimeofday", _FUNC, _TEXT, 0x5D8, 428),
    ("__kernel_clock_gettime", _FUNC, _TEXT, 0x340, 660),
)
"""(name, type, section, value, size), in the order of their buckets."""
_BUCKETS, _BLOOM_SHIFT = 3, 6
_NOP, _SVC, _RET, _ENOSYS = 0xD503201F, 0xD4000001, 0xD65F03C0, 0x928004A0
"""The last is mov x0, #-38."""


def _system_call(number: int) -> tuple[int, ...]:
    return (0xD2800008 | number << 5, _SVC, _RET)


_CODE = {
    0x340: _system_call(113),
    0x5D8: _system_call(169),
    0x788: _system_call(114),
    # Unwinders know a signal frame by these two words, and look one word before the return address.
    SIGRETURN_OFFSET - 4: (_NOP, *_system_call(139)[:2]),
    # Without a state to keep random bytes in, callers use the system call.
    0x828: (_ENOSYS, _RET),
}


def _sysv_hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def _gnu_hash(name: str) -> int:
    value = 5381
    for byte in name.encode():
        value = value * 33 + byte & 0xFFFFFFFF
    return value


def _strings() -> tuple[bytes, dict[str, int]]:
    table, offsets = b"\0", {}
    for name in _STRINGS:
        offsets[name] = len(table)
        table += name.encode() + b"\0"
    return table, offsets


def _hash_table() -> bytes:
    heads, chains = [0] * _BUCKETS, [0] * (len(_SYMBOLS) + 1)
    for index, symbol in enumerate(_SYMBOLS, 1):
        bucket = _sysv_hash(symbol[0]) % _BUCKETS
        chains[index], heads[bucket] = heads[bucket], index
    return struct.pack(f"<{2 + len(heads) + len(chains)}I", len(heads), len(chains), *heads, *chains)


def _gnu_hash_table() -> bytes:
    hashes = [_gnu_hash(symbol[0]) for symbol in _SYMBOLS]
    buckets = [value % _BUCKETS for value in hashes]
    bloom = 0
    for value in hashes:
        bloom |= 1 << value % 64 | 1 << (value >> _BLOOM_SHIFT) % 64
    heads = [buckets.index(bucket) + 1 for bucket in range(_BUCKETS)]
    last = [here != after for here, after in zip(buckets, [*buckets[1:], -1], strict=True)]
    chain = [value & ~1 | end for value, end in zip(hashes, last, strict=True)]
    head = struct.pack("<4IQ", _BUCKETS, 1, 1, _BLOOM_SHIFT, bloom)
    return head + struct.pack(f"<{len(heads) + len(chain)}I", *heads, *chain)


def _symbol_table(names: dict[str, int]) -> bytes:
    entries = [struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)]
    for name, kind, section, value, size in _SYMBOLS:
        entries.append(struct.pack("<IBBHQQ", names[name], 1 << 4 | kind, 0, section, value, size))
    return b"".join(entries)


def _versions(names: dict[str, int]) -> bytes:
    first = struct.pack("<4HIII", 1, 1, 1, 1, _sysv_hash(_SONAME), 20, 28)
    second = struct.pack("<4HIII", 1, 0, 2, 1, _sysv_hash(_VERSION), 20, 0)
    return first + struct.pack("<II", names[_SONAME], 0) + second + struct.pack("<II", names[_VERSION], 0)


def _dynamic(names: dict[str, int], strings: int) -> bytes:
    pairs = (
        (14, names[_SONAME]),
        (16, 0),  # DT_SYMBOLIC
        (4, _HASH),
        (0x6FFFFEF5, _GNU_HASH),
        (5, _DYNSTR),
        (6, _DYNSYM),
        (10, strings),
        (11, 24),
        (0x6FFFFFFC, _VERDEF),
        (0x6FFFFFFD, 2),
        (30, 2),  # DF_SYMBOLIC
        (0x6FFFFFF0, _VERSYM),
    )
    return b"".join(struct.pack("<QQ", tag, value) for tag, value in pairs)


def _note(kind: int, name: bytes, data: bytes) -> bytes:
    head = struct.pack("<III", len(name), len(data), kind) + name.ljust(len(name) + 3 & ~3, b"\0")
    return head + data.ljust(len(data) + 3 & ~3, b"\0")


def _notes(build_id: bytes) -> bytes:
    major, minor, patch = map(int, RELEASE.split("-")[0].split("."))
    code = struct.pack("<I", major << 16 | minor << 8 | patch)
    salt = RELEASE.encode().ljust(20, b"\0") + b"\0"
    return _note(3, b"GNU\0", build_id) + _note(0, b"Linux\0", code) + _note(0x100, b"Linux\0", salt)


def _headers(notes: int) -> bytes:
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", identity, 3, 183, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, _END, _END, 8)
    dynamic = struct.pack("<IIQQQQQQ", 2, 4, *[_DYNAMIC] * 3, 0x120, 0x120, 8)
    return header + load + dynamic + struct.pack("<IIQQQQQQ", 4, 4, *[_NOTE] * 3, notes, notes, 4)


@lru_cache(maxsize=1)
def vdso_image() -> bytes:
    """The two pages, to be mapped at any page; nothing in them is relocated."""
    strings, names = _strings()
    image = bytearray(VDSO_BYTES)

    def put(at: int, data: bytes) -> None:
        image[at : at + len(data)] = data

    put(0, _headers(len(_notes(b"\0" * 20))))
    put(_HASH, _hash_table())
    put(_GNU_HASH, _gnu_hash_table())
    put(_DYNSYM, _symbol_table(names))
    put(_DYNSTR, strings)
    put(_VERSYM, struct.pack("<7H", 0, *[2] * len(_SYMBOLS)))
    put(_VERDEF, _versions(names))
    put(_DYNAMIC, _dynamic(names, len(strings)))
    for at, words in _CODE.items():
        put(at, struct.pack(f"<{len(words)}I", *words))
    put(_NOTE, _notes(_build_id(image)))
    return bytes(image)


def _build_id(image: bytearray) -> bytes:
    """20 bytes that are others for another image; a linker takes SHA-1, which is not worth its library."""
    return b"".join(crc32(image, start).to_bytes(4, "little") for start in range(5))
