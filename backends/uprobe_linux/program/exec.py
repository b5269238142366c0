"""From a path to a program in memory: finding, checking, ``#!``, loading; used at the start and by execve."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uprobe_core.types import FileId
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.fs.opening import FifoOpen, open_path
from uprobe_linux.memory.address_space import MMAP_BASE, AddressSpace, page_up
from uprobe_linux.memory.file_image import HostFile
from uprobe_linux.program.elf_loader import PIE_BASE, Elf, ElfError, NoInterpreterError, map_image, read_elf
from uprobe_linux.program.stack import ARG_MAX, AuxValues, build_stack
from uprobe_linux.program.vdso import SIGRETURN_OFFSET, VDSO_BYTES, vdso_image

if TYPE_CHECKING:
    from uprobe_linux.kernel import Process, Task

__all__ = ("Image", "install", "prepare")

_SCRIPT_DEPTH = 5
"""Interpreters of interpreters before ELOOP (fs/exec.c exec_binprm)."""
_SCRIPT_LINE = 256
"""BINPRM_BUF_SIZE."""


@dataclass(slots=True)
class _File:
    """An executable file, open."""

    host: HostFile
    path: str

    @property
    def file_id(self) -> FileId:
        status = os.fstat(self.host.fd)
        return FileId(status.st_dev, status.st_ino)


@dataclass(slots=True)
class Image:
    """A program that was found to be loadable; nothing has changed yet.

    :param name: as given to execve: AT_EXECFN and the task's name
    """

    name: bytes
    argv: list[bytes]
    envp: list[bytes]
    elf: Elf
    file: _File
    interpreter: Elf | None
    interpreter_file: _File | None


def prepare(process: Process, path: str, argv: list[bytes], envp: list[bytes]) -> Image:
    """Check what execve(path, argv, envp) would run; raises OSError (ElfError with a text)."""
    name = os.fsencode(path)
    file = _open(process, path)
    for _ in range(_SCRIPT_DEPTH):
        script = _script(file)
        if script is None:
            break
        interpreter, argument = script
        argv = [interpreter, *([argument] if argument else []), os.fsencode(path), *argv[1:]]
        path = os.fsdecode(interpreter)
        file = _open_interpreter(process, path)
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if sum(len(text) + 9 for text in (*argv, *envp)) > ARG_MAX or any(
        len(t) >= 32 * PAGE for t in (*argv, *envp)
    ):
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    elf = read_elf(file.host.fd)
    loader = _open_interpreter(process, elf.interpreter) if elf.interpreter else None
    return Image(name, argv or [b""], envp, elf, file, read_elf(loader.host.fd) if loader else None, loader)


def _open_interpreter(process: Process, path: str) -> _File:
    try:
        return _open(process, path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NoInterpreterError(path) from None
        raise


def _open(process: Process, path: str) -> _File:
    try:
        description, host = open_path(process.fs, process.fs.cwd, path, 0, 0)
    except FifoOpen as fifo:
        fifo.node.close()
        raise OSError(errno.EACCES, os.strerror(errno.EACCES)) from None
    try:
        mode = description.status(host, 0).mode
        if not stat.S_ISREG(mode) or not mode & 0o111:
            raise ElfError("a folder" if stat.S_ISDIR(mode) else "not executable", errno.EACCES)
        return _File(HostFile(host), description.path)
    finally:
        os.close(host)


def _script(file: _File) -> tuple[bytes, bytes] | None:
    """(interpreter, argument) of a ``#!`` line, None if it has none (fs/binfmt_script.c)."""
    line = os.pread(file.host.fd, _SCRIPT_LINE, 0)
    if not line.startswith(b"#!"):
        return None
    line, newline, _ = line[2:].partition(b"\n")
    parts = line.split(b"\0")[0].strip(b" \t").split(None, 1)
    if not parts or (not newline and len(line) >= _SCRIPT_LINE - 2 and len(parts) == 1):
        raise ElfError("script names no interpreter")
    return parts[0], parts[1].rstrip(b" \t") if len(parts) > 1 else b""


def install(task: Task, image: Image) -> None:
    """Replace memory and registers of *task* by *image*: the point of no return of execve.

    The caller tells the probe handler of the exec first; mappings are reported as they are made.
    """
    process = task.process
    memory = process.new_memory()
    elf = image.elf
    static_pie = elf.moves and image.interpreter is None
    bias = map_image(memory, elf, image.file.host.fd, image.file.path, None if static_pie else PIE_BASE)
    end = page_up(max(s.vaddr + s.memsz for s in elf.segments)) + bias
    # A static PIE lies in the mmap area, where a heap could not grow (since 6.14 also without ASLR).
    memory.brk_start = memory.brk_end = PIE_BASE & -PAGE if static_pie else end
    entry, base = elf.entry + bias, 0
    if image.interpreter is not None and image.interpreter_file is not None:
        loader = image.interpreter_file
        base = map_image(memory, image.interpreter, loader.host.fd, loader.path, None)
        entry = image.interpreter.entry + base
        base += image.interpreter.low
    vdso = _map_vdso(memory)
    process.sigreturn_address = vdso + SIGRETURN_OFFSET
    identity = process.credentials
    assert identity is not None
    phdr = elf.phdr + bias if elf.phdr else 0
    status = AuxValues(phdr, elf.phnum, base, elf.entry + bias, identity.uid, identity.gid, vdso)
    sp, process.auxv = build_stack(
        memory, image.argv, image.envp, image.name, status, process.random, executable=elf.executable_stack
    )
    _describe(task, image)
    _set_registers(task, entry, sp)


def _map_vdso(memory: AddressSpace) -> int:
    """The kernel's shared object, behind the two pages of data that a kernel's has; returns its address."""
    at = memory.vmas.highest_gap(2 * PAGE + VDSO_BYTES, 0, MMAP_BASE)
    assert at is not None
    memory.map(at, 2 * PAGE, Perm.READ, label="[vvar]")
    memory.map(at + 2 * PAGE, VDSO_BYTES, Perm.READ | Perm.EXEC, label="[vdso]")
    memory.poke(at + 2 * PAGE, vdso_image())
    return at + 2 * PAGE


def _describe(task: Task, image: Image) -> None:
    process = task.process
    process.exe_path = image.file.path
    process.argv, process.envp = image.argv, image.envp
    task.name = os.path.basename(image.name)[:15]


def _set_registers(task: Task, entry: int, sp: int) -> None:
    assert task.machine.current is task
    task.machine.cpu.reset()
    task.set_reg(31, sp)
    task.set_reg(32, entry)
