"""Static programs of a dozen instructions, written without any tool.

The compliance suite of backends runs these, so that an outsider needs no
compiler.  Their instructions are the architecture's: an arch plugin that backends
are tested with has a method ``tiny_programs()``, which gives for each name
below the words, the labels (name -> index of a word) and whether the text is writable.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uprobe_core.discovery.load import load_arch
from uprobe_core.probes.arch_ops import bind_arch
from uprobe_core.run_setup import DEFAULT_ARCH

__all__ = (
    "ANALYZE",
    "ARCH",
    "ARGUMENTS",
    "CALLS",
    "CONNECTS",
    "DATA",
    "EXECUTES",
    "FLAGS",
    "FORBIDS",
    "FORKS",
    "FORKS_OFTEN",
    "KILLED",
    "MAPS",
    "MAPS_OFTEN",
    "MAPS_SHARED",
    "MAPS_TWICE",
    "OWN_TRAP",
    "RANDOM",
    "READS",
    "SEGFAULT",
    "SIGNALS",
    "SPIN",
    "STRANGE_CALL",
    "THREADS",
    "TLS",
    "WRITES",
    "WRITES_OWN_TEXT",
    "TinyProgram",
)

_PLUGIN = load_arch(DEFAULT_ARCH)
_OPS = bind_arch(_PLUGIN)
ARCH = _OPS.info
"""What the programs are for."""
ANALYZE = _OPS.analyze_insn
"""Its verdict for an instruction."""
BASE = 0x40_0000
TEXT = 0x1000
"""File offset of the first instruction."""


@dataclass(frozen=True)
class TinyProgram:
    """A program and where its parts are.

    :param words: instructions from ``_start`` on
    :param labels: name -> index of an instruction
    :param writable_text: whether its one segment is also writable
    """

    words: Sequence[int]
    labels: Mapping[str, int]
    writable_text: bool = False

    def address(self, label: str) -> int:
        """Virtual address of *label*."""
        return BASE + self.offset(label)

    def offset(self, label: str) -> int:
        """File offset of *label*."""
        return TEXT + ARCH.alignment * self.labels[label]

    def code(self, label: str) -> bytes:
        """The instruction at *label*."""
        return self.words[self.labels[label]].to_bytes(ARCH.alignment, "little")

    def elf(self) -> bytes:
        """The ELF file: one segment that maps the whole file."""
        text = b"".join(word.to_bytes(ARCH.alignment, "little") for word in self.words)
        size = TEXT + len(text)
        flags = 5 | (2 if self.writable_text else 0)
        ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
        entry = BASE + TEXT
        kind = (2, ARCH.elf_machine, 1)
        header = struct.pack("<16sHHIQQQIHHHHHH", ident, *kind, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 1, flags, 0, BASE, BASE, size, size, 0x1000)
        return (header + segment).ljust(TEXT, b"\0") + text


def _program(name: str) -> TinyProgram:
    return TinyProgram(*_PLUGIN.tiny_programs()[name])


CALLS = _program("calls")
"""Calls work(n, 10) for n = 5 to 1, which multiplies, and exits with the sum: 150."""

CONNECTS = _program("connects")
"""Exits with 0 if it can connect to 127.0.0.1, to the port that lies 2 bytes behind where, with 1 if not."""

SEGFAULT = _program("segfault")
"""Loads from address 16, where nothing is."""

OWN_TRAP = _program("own_trap")
"""Uses the core's breakpoint instruction for itself."""

SPIN = _program("spin")
"""Never ends."""

WRITES_OWN_TEXT = _program("writes_own_text")
"""Runs an instruction, replaces it, runs it again and exits with what it gave: 42."""

ARGUMENTS = _program("arguments")
"""Exits with the sum of the first bytes of its first argument and of its environment."""

DATA = _program("data")
"""Exits with a number that lies behind its instructions: 5."""

EXECUTES = _program("executes")
"""Executes itself with one more argument, which calls work(4, 10) and exits with what it gives: 40."""

FLAGS = _program("flags")
"""Exits with 9 if its comparison is still equal at mark, with 7 otherwise."""

FORBIDS = _program("forbids")
"""Maps a page that nobody may access; its address is in the first argument register at mark."""

FORKS = _program("forks")
"""Forks a child, which exits with work(2, 10), and exits with the sum of that and work(3, 10): 50."""

FORKS_OFTEN = _program("forks_often")
"""Forks children that sleep until that fails, 20 at most, and exits with their number."""

KILLED = _program("killed")
"""Sends itself SIGUSR1, for which it has no handler."""

MAPS = _program("maps")
"""Maps its own text a second time, calls work(6, 10) there, unmaps it and exits with what it gave: 60."""

MAPS_OFTEN = _program("maps_often")
"""Maps 16 MiB after 16 MiB until that fails, 200 times at most, and exits with how often it did not."""

MAPS_SHARED = _program("maps_shared")
"""Like MAPS, with MAP_SHARED."""

MAPS_TWICE = _program("maps_twice")
"""Does twice, at one address, what MAPS does once, and exits with the sum: 120."""

RANDOM = _program("random")
"""Exits with a random byte."""

READS = _program("reads")
"""Exits with the first byte of the file that its argument names, with 255 if it cannot be opened."""

SIGNALS = _program("signals")
"""Sends itself SIGUSR1, whose handler stores 33, and exits with what is stored."""

STRANGE_CALL = _program("strange_call")
"""Makes a system call that no kernel has, and exits with its error: 38 (ENOSYS)."""

THREADS = _program("threads")
"""Starts a thread that stores work(2, 10), and exits with the sum of that and work(3, 10): 50."""

TLS = _program("tls")
"""Exits with what it has put into the register of its thread's own data: 42."""

WRITES = _program("writes")
"""Exits with 0 if it can create the file that its argument names, with 1 if not."""
