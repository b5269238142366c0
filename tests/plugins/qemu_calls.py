"""The calls of a program in another emulator: qemu-user logs each instruction with its registers."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from tests.programs import symbols

QEMU = "qemu-aarch64"
REGISTERS = re.compile(r"X30=([0-9a-f]{16})\s+SP=([0-9a-f]{16})")
FORKED, AGAIN = "child_begins", "parent_goes_on"
"""Functions at whose start the log of a process, which its children write as well, goes on with another."""
RET, SVC = 0xD65F03C0, 0xD4000001
SYSTEM_CALL = 1000
"""Nanoseconds of the virtual clock that one takes; an instruction takes one."""
Step = tuple[str, str, int]
"""+ or -, a function, and how many calls it is in."""


class Returned(NamedTuple):
    """A call that returned: by the functions around it and its own, what it took, and when.

    :ivar insns: instructions, those of the calls in it too
    :ivar took: nanoseconds, and without those of the calls in it: *own*
    """

    path: tuple[str, ...]
    insns: int
    took: int
    own: int
    began: int


@dataclass
class Open:
    """A call that has not returned."""

    name: str
    link: int
    sp: int
    insns: int = 0
    began: int = 0
    inside: int = 0
    has_frame: bool = False

    def is_at(self, sp: int, *, jumped: bool) -> bool:
        """Whether it may go on there; in the place of its entry its caller does, once it has had a frame."""
        return self.sp > sp or (self.sp == sp and not (self.has_frame and jumped))


class Watched:
    """Follows the calls of *functions* (name: start and size) through instructions."""

    def __init__(self, program: Path, functions: dict[str, tuple[int, int]]) -> None:
        self.starts = {start for start, _ in functions.values()}
        self.around = {
            pc: n for n, (start, size) in functions.items() for pc in range(start, start + size, 4)
        }
        self.words = words_of(program)
        self.open: list[Open] = []
        self.steps: list[Step] = []
        self.returned: list[Returned] = []
        self.before = self.insns = self.now = 0

    def child(self) -> Watched:
        """A process that is forked here."""
        child = copy(self)
        child.open, child.steps, child.returned = [copy(each) for each in self.open], [], []
        return child

    def at(self, pc: int, link: int, sp: int) -> None:
        """The next instruction, before it is executed."""
        self._count(pc)
        while (
            self.open
            and (self.open[-1].link, self.open[-1].sp) == (pc, sp)
            and self.words.get(self.before) == RET
        ):
            self._leave()
        here = self.around.get(pc)
        if pc in self.starts:
            assert here is not None
            self.steps.append(("+", here, len(self.open)))
            self.open.append(Open(here, link, sp, self.insns, self.now))
        elif here is not None:  # whatever else seems to be open, a longjmp or an exception has left
            while self.open[-1].name != here or not self.open[-1].is_at(sp, jumped=pc != self.before + 4):
                self._into_caller(self.open.pop().inside)
            self.open[-1].has_frame |= sp < self.open[-1].sp
        self.before = pc

    def _count(self, pc: int) -> None:
        """The instruction before this one was executed, unless a fault led here."""
        word = self.words.get(self.before)
        is_call = word == SVC
        if word is None:  # what the kernel, here qemu, puts where a handler returns to
            is_call = pc in self.words and self.before != 0
        elif pc != self.before + 4 and (word >> 26) & 7 != 0b101:  # no branch, no call
            return
        self.insns += 1
        self.now += 1 + SYSTEM_CALL * is_call

    def _leave(self) -> None:
        path = tuple(each.name for each in self.open)
        call = self.open.pop()
        self.steps.append(("-", call.name, len(self.open)))
        took = self.now - call.began
        self.returned.append(Returned(path, self.insns - call.insns, took, took - call.inside, call.began))
        self._into_caller(took)

    def _into_caller(self, time: int) -> None:
        if self.open:
            self.open[-1].inside += time


def words_of(program: Path) -> dict[int, int]:
    """Instructions by address."""
    with program.open("rb") as file:
        code = [s for s in ELFFile(file).iter_segments("PT_LOAD") if s["p_flags"] & 1]
        return {
            s["p_vaddr"] + 4 * n: word
            for s in code
            for n, word in enumerate(memoryview(s.data()[: s["p_filesz"] & ~3]).cast("I"))
        }


def sizes(program: Path, names: str) -> dict[str, tuple[int, int]]:
    """Start and size of functions."""
    with program.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        wanted = [(name, table.get_symbol_by_name(name)[0]) for name in names.split()]
        return {name: (each["st_value"], each["st_size"]) for name, each in wanted}


def by_qemu(
    program: Path, functions: dict[str, tuple[int, int]], folder: Path, logged: Sequence[str] = ()
) -> list[Watched]:
    """What qemu logs of everything, or of the functions and of others, *logged*, task by task.

    The processor is one for which a library chooses the same functions as under uprobe.
    """
    log = folder / "log.%d"
    command = [QEMU, "-cpu", "cortex-a72", "-singlestep", "-d", "exec,cpu,nochain,tid", "-D", str(log)]
    if logged:
        others = " ".join(set(logged) & symbols(program).keys())
        ranges = {**functions, **sizes(program, others)}.values()
        command += ["-dfilter", ",".join(f"{start:#x}+{size:#x}" for start, size in ranges)]
    command.append(str(program))
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env={})
    return [task for file in folder.glob("log.*") for task in in_log(file, Watched(program, functions))]


def in_log(log: Path, watched: Watched) -> Iterator[Watched]:
    """The task of a log, and what it has forked."""
    starts = {pc: watched.around[pc] for pc in watched.starts}
    now, tasks, pc = watched, [watched], 0
    with log.open() as lines:
        for line in lines:
            if line.startswith(" PC="):
                pc = int(line[4:20], 16)
            elif line.startswith("X29="):
                found = REGISTERS.search(line)
                assert found is not None
                if starts.get(pc) == FORKED:
                    now = now.child()
                    tasks.append(now)
                elif starts.get(pc) == AGAIN:
                    now = watched
                now.at(pc, int(found[1], 16), int(found[2], 16))
    log.unlink()
    return iter(tasks)


def paths_of(tasks: Sequence[Watched]) -> Counter[tuple[str, ...]]:
    """How many calls of each path returned."""
    return Counter(call.path for task in tasks for call in task.returned)
