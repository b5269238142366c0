"""Memory calls: brk, mmap and relatives (mm/mmap.c, mprotect.c, mremap.c, madvise.c, msync.c, mincore.c)."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from uprobe_core.types import FileId
from uprobe_linux.cpu import PAGE, Perm
from uprobe_linux.fs.oflags import G_RDWR, G_WRONLY
from uprobe_linux.memory.address_space import MMAP_MIN, TASK_SIZE, AddressSpace, page_up, untagged
from uprobe_linux.memory.file_image import HostFile, MappedFile
from uprobe_linux.syscalls.size_limits import memory_may_grow
from uprobe_linux.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from uprobe_linux.fs.fdtable import Descriptor
    from uprobe_linux.memory.vma import Vma
    from uprobe_linux.processes.task import LinuxTask

MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_TYPE = 1, 2, 3, 15
MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 0x10, 0x20, 0x4000
MAP_HUGETLB, MAP_FIXED_NOREPLACE = 0x40000, 0x100000
_HUGE_SIZES = frozenset({0, 16, 21, 25, 30})
"""log2 of the huge page sizes with 4 KiB pages, 0: the default; none are reserved."""
PROT_GROWSDOWN, PROT_GROWSUP = 0x0100_0000, 0x0200_0000
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MS_ASYNC, MS_INVALIDATE, MS_SYNC = 1, 2, 4
_PERMS = 7
_WORD = (1 << 64) - 1
"""Sizes wrap around as the kernel's unsigned long."""
_DONTNEED, _FREE, _REMOVE, _WIPEONFORK, _KEEPONFORK = 4, 8, 9, 18, 19
_HINTS = frozenset({0, 1, 2, 3, 8, 10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 25})
"""Advice that changes no content: NORMAL to WILLNEED, FREE, DONTFORK to DODUMP, COLD to COLLAPSE."""


def _fail(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _memory(task: LinuxTask) -> AddressSpace:
    return task.process.memory


@syscall("brk")
def sys_brk(task: LinuxTask, address: int) -> int:
    """Set the end of the heap; answers the end that it has then."""
    memory, wanted = _memory(task), untagged(address)
    more = page_up(wanted) - page_up(memory.brk_end)
    if more > 0 and not memory_may_grow(task, more, data=True):
        return memory.brk_end
    return memory.set_brk(wanted)


# --- mmap ------------------------------------------------------------------------------------------


@syscall("mmap")
def sys_mmap(task: LinuxTask, address: int, length: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """Map memory or a file; the checks come in the order of ksys_mmap_pgoff and do_mmap."""
    if offset % PAGE:
        raise _fail(errno.EINVAL)
    entry = None if flags & MAP_ANONYMOUS else task.process.files.get(s32(fd))
    if flags & MAP_HUGETLB:
        usable = entry is None and flags >> 26 & 63 in _HUGE_SIZES
        raise _fail(errno.ENOMEM if usable else errno.EINVAL)
    if not length:
        raise _fail(errno.EINVAL)
    size = page_up(length)
    if size > TASK_SIZE:
        raise _fail(errno.ENOMEM)
    memory = _memory(task)
    start = _place(memory, address, size, flags)
    if entry is not None and offset > _last_offset(entry) - size:
        raise _fail(errno.EOVERFLOW)
    if flags & MAP_TYPE not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
        raise _fail(errno.EINVAL)
    shared = flags & MAP_TYPE != MAP_PRIVATE
    perms = Perm(prot & _PERMS)
    data = bool(perms & Perm.WRITE) and not shared
    if not memory_may_grow(task, size, data=data, replaced=(start, start + size)):
        raise _fail(errno.ENOMEM)
    if entry is not None and not _is_zero_device(entry):
        _map_file(memory, start, size, perms, entry, offset, shared=shared)
    elif shared:
        _map_shared(memory, start, size, perms)
    else:
        if not flags & MAP_NORESERVE:
            memory.check_overcommit(size, perms)
        memory.map(start, size, perms)
    if shared:
        task.machine.scheduler.attend()  # from here on it may need its turn to execute
    return start


def _place(memory: AddressSpace, address: int, size: int, flags: int) -> int:
    """Where the mapping goes (arch_get_unmapped_area_topdown and the checks of do_mmap)."""
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address % PAGE:
            raise _fail(errno.EINVAL)
        if address + size > TASK_SIZE:
            raise _fail(errno.ENOMEM)
        if address < MMAP_MIN:
            raise _fail(errno.EPERM)
        if flags & MAP_FIXED_NOREPLACE and not memory.vmas.is_free(address, address + size):
            raise _fail(errno.EEXIST)
        return address
    hint = address & -PAGE
    if hint and hint < MMAP_MIN:
        hint = MMAP_MIN
    if hint and hint + size <= TASK_SIZE and memory.vmas.is_free(hint, hint + size):
        return hint
    return memory.find_gap(size)


def _last_offset(entry: Descriptor) -> int:
    """The highest position that may be mapped (file_mmap_size_max, without file systems' own limits)."""
    return (1 << 63) - 1 if stat.S_ISREG(os.fstat(entry.host).st_mode) else _WORD


def _is_zero_device(entry: Descriptor) -> bool:
    return entry.file.path == "/dev/zero" and stat.S_ISCHR(os.fstat(entry.host).st_mode)


def _map_file(
    memory: AddressSpace, start: int, size: int, prot: Perm, entry: Descriptor, offset: int, *, shared: bool
) -> None:
    if entry.file.is_path:
        raise _fail(errno.EBADF)
    status = os.fstat(entry.host)
    mode = entry.file.flags(entry.host) & (G_WRONLY | G_RDWR)
    if mode == G_WRONLY or (shared and prot & Perm.WRITE and mode != G_RDWR):
        raise _fail(errno.EACCES)
    if not stat.S_ISREG(status.st_mode) or entry.file.is_dir:
        raise _fail(errno.ENODEV)
    host = HostFile(entry.host)
    identity = FileId(status.st_dev, status.st_ino)
    file = MappedFile(identity, entry.file.path, host, writable=mode == G_RDWR)
    memory.map(start, size, prot, shared=shared, file=file, host=host, offset=offset)


def _map_shared(memory: AddressSpace, start: int, size: int, prot: Perm) -> None:
    """Shared anonymous memory is a nameless file (shmem_zero_setup)."""
    fd = os.memfd_create("shared", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, size)
        status = os.fstat(fd)
        host = HostFile(fd)
    finally:
        os.close(fd)
    file = MappedFile(FileId(status.st_dev, status.st_ino), "/dev/zero (deleted)", host, nameless=True)
    memory.map(start, size, prot, shared=True, file=file, host=host)


@syscall("munmap")
def sys_munmap(task: LinuxTask, address: int, length: int) -> int:
    """Unmap."""
    address = untagged(address)
    if address % PAGE or not length or length > TASK_SIZE or address > TASK_SIZE - length:
        raise _fail(errno.EINVAL)
    _memory(task).unmap(address, page_up(length))
    return 0


@syscall("mprotect", "pkey_mprotect")
def sys_mprotect(task: LinuxTask, address: int, length: int, prot: int) -> int:
    """Change permissions."""
    address = untagged(address)
    memory = _memory(task)
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~grows
    if address % PAGE or grows == PROT_GROWSDOWN | PROT_GROWSUP:
        raise _fail(errno.EINVAL)
    if not length:
        return 0
    size = page_up(length) & _WORD
    if not size or address + size > _WORD:
        raise _fail(errno.ENOMEM)
    if prot & ~(_PERMS | 8):
        raise _fail(errno.EINVAL)
    if grows:
        address, size = _grown(memory, address, size, grows)
    memory.protect(address, size, Perm(prot & _PERMS))
    return 0


def _grown(memory: AddressSpace, address: int, size: int, grows: int) -> tuple[int, int]:
    """PROT_GROWSDOWN: from the start of the stack mapping on; nothing else grows."""
    vma = memory.vmas.find(address)
    if vma is None:
        raise _fail(errno.ENOMEM)
    if grows != PROT_GROWSDOWN or vma.label != "[stack]":
        raise _fail(errno.EINVAL)
    return vma.start, address + size - vma.start


# --- mremap ----------------------------------------------------------------------------------------


@syscall("mremap")
def sys_mremap(task: LinuxTask, address: int, old: int, new: int, flags: int, target: int) -> int:
    """Resize or move a mapping."""
    address = untagged(address)
    _check_mremap(address, new, flags, target)
    memory = _memory(task)
    old, new = page_up(old), page_up(new)
    if flags & MREMAP_DONTUNMAP and old != new:
        raise _fail(errno.EINVAL)
    vma = memory.vmas.find(address)
    if vma is None:
        raise _fail(errno.EFAULT)
    if not old:
        raise _fail(errno.EINVAL)
    if not flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) and new <= old:
        if new < old:
            memory.unmap(address + new, old - new)
        return address
    if not memory_may_grow(task, new - old, data=bool(vma.prot & Perm.WRITE) and not vma.shared):
        raise _fail(errno.ENOMEM)
    last = _contiguous(memory, vma, address + old)
    if flags & MREMAP_FIXED:
        return _move_fixed(memory, address, old, target, new, flags)
    if not flags & MREMAP_DONTUNMAP:
        end = address + new
        if last.end == address + old and end <= TASK_SIZE and memory.vmas.is_free(address + old, end):
            memory.extend(last, end)
            return address
    if not flags & MREMAP_MAYMOVE:
        raise _fail(errno.ENOMEM)
    return _move(memory, address, old, memory.find_gap(new), new, flags)


def _check_mremap(address: int, new: int, flags: int, target: int) -> None:
    known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP
    needs_move = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)
    if flags & ~known or (needs_move and not flags & MREMAP_MAYMOVE):
        raise _fail(errno.EINVAL)
    if address % PAGE or not new or (flags & MREMAP_FIXED and target % PAGE):
        raise _fail(errno.EINVAL)
    if new > TASK_SIZE:
        raise _fail(errno.EINVAL if flags & MREMAP_FIXED else errno.ENOMEM)


def _contiguous(memory: AddressSpace, vma: Vma, end: int) -> Vma:
    """The last part of the mapping that *vma* begins; OSError EFAULT if it does not reach *end*."""
    while vma.end < end:
        after = memory.vmas.find(vma.end)
        if after is None or not vma.joins(after):
            raise _fail(errno.EFAULT)
        vma = after
    return vma


def _move_fixed(memory: AddressSpace, address: int, old: int, target: int, new: int, flags: int) -> int:
    if target + new > TASK_SIZE or (target < address + old and address < target + new):
        raise _fail(errno.EINVAL)
    memory.unmap(target, new)
    return _move(memory, address, old, target, new, flags)


def _move(memory: AddressSpace, address: int, old: int, target: int, new: int, flags: int) -> int:
    vma = memory.vmas.find(address)
    assert vma is not None
    prot, anonymous = vma.prot, vma.file is None
    if flags & MREMAP_DONTUNMAP and not anonymous:
        raise _fail(errno.EINVAL)
    memory.move(address, old, target, new)
    if flags & MREMAP_DONTUNMAP:
        memory.map(address, old, prot)
    return target


# --- advice, locking, synchronising --------------------------------------------------------------------


def _range(address: int, length: int) -> int:
    """The page-aligned length of a range; OSError EINVAL for a bad one."""
    size = page_up(length)
    if address % PAGE or size < length or address + size > 1 << 64:
        raise _fail(errno.EINVAL)
    return size


def _require_mapped(memory: AddressSpace, start: int, end: int) -> None:
    at = start
    for vma in memory.vmas.overlapping(start, end):
        if vma.start > at:
            break
        at = vma.end
    if at < end:
        raise _fail(errno.ENOMEM)


@syscall("madvise")
def sys_madvise(task: LinuxTask, address: int, length: int, advice: int) -> int:
    """Advice, of which DONTNEED, REMOVE and WIPEONFORK change content."""
    address = untagged(address)
    advice = s32(advice)
    if advice not in _HINTS and advice not in (_DONTNEED, _REMOVE, _WIPEONFORK, _KEEPONFORK, 24):
        raise _fail(errno.EINVAL)
    size = _range(address, length)
    if not size:
        return 0
    memory = _memory(task)
    if advice in (_DONTNEED, 24):
        memory.discard(address, min(size, TASK_SIZE))
    elif advice == _REMOVE:
        memory.punch(address, min(size, TASK_SIZE))
    elif advice in (_WIPEONFORK, _KEEPONFORK):
        memory.set_wipe(address, min(size, TASK_SIZE), advice == _WIPEONFORK)
    _require_mapped(memory, address, address + size)
    return 0


@syscall("mlock", "munlock")
def sys_mlock(task: LinuxTask, address: int, length: int) -> int:
    """Locking: nothing is ever swapped; only the range is checked (apply_vma_lock_flags)."""
    address = untagged(address)
    start = address & -PAGE
    size = page_up(length + address % PAGE) & _WORD
    if start + size > _WORD:
        raise _fail(errno.EINVAL)
    _require_mapped(_memory(task), start, start + size)
    return 0


@syscall("mlock2")
def sys_mlock2(task: LinuxTask, address: int, length: int, flags: int) -> int:
    """mlock with MLOCK_ONFAULT, which changes nothing here."""
    if flags & 0xFFFF_FFFF & ~1:
        raise _fail(errno.EINVAL)
    return sys_mlock(task, address, length)


@syscall("mlockall")
def sys_mlockall(task: LinuxTask, flags: int) -> int:
    """Lock everything: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT."""
    flags &= 0xFFFF_FFFF
    if not flags or flags & ~7 or flags == 4:
        raise _fail(errno.EINVAL)
    return 0


@syscall("munlockall")
def sys_munlockall(task: LinuxTask) -> int:
    """Unlock everything."""
    return 0


@syscall("msync")
def sys_msync(task: LinuxTask, address: int, length: int, flags: int) -> int:
    """Write shared pages to their file."""
    address = untagged(address)
    flags &= 0xFFFF_FFFF
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or flags & (MS_ASYNC | MS_SYNC) == MS_ASYNC | MS_SYNC:
        raise _fail(errno.EINVAL)
    if address % PAGE:
        raise _fail(errno.EINVAL)
    size = page_up(length) & _WORD
    if address + size > _WORD:
        raise _fail(errno.ENOMEM)
    memory = _memory(task)
    if flags & MS_SYNC:
        memory.synchronise(address, address + size)
    _require_mapped(memory, address, address + size)
    return 0


@syscall("mincore")
def sys_mincore(task: LinuxTask, address: int, length: int, vector: int) -> int:
    """Which pages are in memory: all."""
    address = untagged(address)
    if address % PAGE:
        raise _fail(errno.EINVAL)
    if address + length > TASK_SIZE:
        raise _fail(errno.ENOMEM)
    memory = _memory(task)
    end = address + page_up(length)
    while address < end:
        vma = memory.vmas.find(address)
        if vma is None:
            raise _fail(errno.ENOMEM)
        pages = min((min(vma.end, end) - address) // PAGE, PAGE)
        memory.write(vector, b"\1" * pages)
        address += pages * PAGE
        vector += pages
    return 0
