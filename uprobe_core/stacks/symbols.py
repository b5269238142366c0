"""Names for addresses of a process: its mappings, the files behind them, and their symbols."""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import TargetError
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.stacks.cfi import CallFrames
from uprobe_core.types import Mapping

if TYPE_CHECKING:
    from uprobe_core.backend import Process
    from uprobe_core.image.guest_files import GuestFiles

__all__ = ("Images", "demangle")


class Images:
    """The ELF files that a session's processes have mapped, opened once each.

    :param files: finds the host file behind a guest path
    """

    def __init__(self, files: GuestFiles) -> None:
        self._files = files
        self._images: dict[str, ElfImage | None] = {}
        self._frames: dict[str, CallFrames] = {}

    def mapping_at(self, process: Process, address: int) -> Mapping | None:
        """The mapping that holds *address*."""
        for mapping in process.mappings():
            if mapping.start <= address < mapping.end:
                return mapping
        return None

    def image_of(self, mapping: Mapping) -> ElfImage | None:
        """The ELF file that *mapping* shows, None if it shows none."""
        if mapping.file is None or not mapping.path:
            return None
        if mapping.path not in self._images:
            self._images[mapping.path] = self._open(mapping.path)
        return self._images[mapping.path]

    def _open(self, path: str) -> ElfImage | None:
        status = self._files(path)
        if status.errno_name or not status.regular:
            return None
        try:
            return ElfImage(status.host_path)
        except TargetError:
            return None

    def frames_of(self, mapping: Mapping) -> CallFrames | None:
        """The unwind information of the file behind *mapping*."""
        image = self.image_of(mapping)
        if image is None:
            return None
        if mapping.path not in self._frames:
            self._frames[mapping.path] = CallFrames(image)
        return self._frames[mapping.path]

    def file_address(self, mapping: Mapping, address: int) -> int | None:
        """*address* in the file's own numbering, without the load bias."""
        image = self.image_of(mapping)
        return None if image is None else image.offset_to_vaddr(address - mapping.start + mapping.offset)

    def sized_name(self, process: Process, address: int) -> str:
        """``symbol+0xOFF/0xSIZE`` as the kernel's %pS prints it, else the bare address."""
        mapping = self.mapping_at(process, address)
        image = self.image_of(mapping) if mapping is not None else None
        vaddr = self.file_address(mapping, address) if mapping is not None else None
        found = image.symbol_at(vaddr) if image is not None and vaddr is not None else None
        if found is None:
            return f"{address:#x}"
        symbol, distance = found
        return f"{demangle(symbol.name)}+{distance:#x}/{symbol.size:#x}"

    def name(self, process: Process, address: int, *, offset: bool = True) -> str:
        """``symbol+0x8``, ``symbol`` without *offset*, else ``[file+0x12]`` or the bare address."""
        mapping = self.mapping_at(process, address)
        if mapping is None:
            return f"{address:#x}"
        vaddr = self.file_address(mapping, address)
        image = self.image_of(mapping)
        found = image.symbol_at(vaddr) if image is not None and vaddr is not None else None
        if found is None:
            label = mapping.path.rsplit("/", 1)[-1].strip("[]") or "anon"
            return f"[{label}+{address - mapping.start + mapping.offset:#x}]"
        symbol, distance = found
        text = demangle(symbol.name)
        return f"{text}+{distance:#x}" if offset and distance else text


@functools.cache
def _demangler() -> Any:
    """__cxa_demangle of the host's C++ library (Itanium C++ ABI 3.4), None without one."""
    try:
        function = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
    return function


@functools.lru_cache(maxsize=4096)
def demangle(name: str) -> str:
    """The source form of a C++ symbol; *name* itself when it is none or nothing here can read it."""
    function = _demangler() if name.startswith("_Z") else None
    if function is None:
        return name
    status = ctypes.c_int()
    pointer = function(name.encode(), None, None, ctypes.byref(status))
    if not pointer:
        return name
    try:
        return ctypes.string_at(pointer).decode("utf-8", "replace")
    finally:
        libc = ctypes.CDLL(None)
        libc.free.argtypes = (ctypes.c_void_p,)
        libc.free(pointer)
