"""The separate debug file of a stripped program, where distributions and debuggers agree that it is.

By the build's identity under /usr/lib/debug/.build-id, else by the name in
.gnu_debuglink, whose checksum must fit (GDB manual, "Separate Debug Files").
Paths are the guest's, so it is looked for in the sysroot, after the folders of
this machine that the user names (--debug-dir).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from functools import partial

from uprobe_core.errors import TargetError
from uprobe_core.events.files import FileCheck, FileStatus, host_file
from uprobe_core.image.debug_server import fetched, is_server
from uprobe_core.image.elf import ElfFile
from uprobe_core.image.elf_symbols import ElfImage
from uprobe_core.image.host_files import open_regular

__all__ = ("absolute", "debug_file", "debug_link", "mini_debug_file", "shared_file")

_ROOT = "/usr/lib/debug"
_CHUNK = 1 << 20
_MOST_MINI = 1 << 26
"""Bytes of the symbols of a MiniDebugInfo, unpacked."""


def debug_file(image: ElfFile, path: str, files: FileCheck, folders: Sequence[str] = ()) -> ElfImage | None:
    """What belongs to *image*, which the guest calls *path*; None if there is none.

    :param folders: of this machine, laid out as /usr/lib/debug is; they come first. Addresses of
        debuginfod servers among them are asked last; raises TargetError for one that does not answer
    """
    servers = [folder for folder in folders if is_server(folder)]
    folders = [folder for folder in folders if not is_server(folder)]
    places = [(partial(_inside, folder), "") for folder in folders] + [(files, _ROOT)]
    for name, checksum, check in _candidates(image, path, places):
        status = check(name)
        if status.errno_name or not status.regular:
            continue
        if checksum is not None and _checksum(status.host_path) != checksum:
            continue
        try:
            found = ElfImage(status.host_path)
        except TargetError:
            continue
        if checksum is not None or found.build_id == image.build_id:
            return found
        found.close()
    return next(filter(None, (_from_server(server, image.build_id) for server in servers)), None)


def _from_server(server: str, identity: str) -> ElfImage | None:
    path = fetched(server, identity)
    if path is None:
        return None
    found = ElfImage(path)
    if found.build_id == identity:
        return found
    found.close()
    raise TargetError(
        f"{path} is not the debug information of build {identity}",
        hint="delete it; it is fetched again",
        slug="debug-server",
    )


def shared_file(image: ElfFile, files: FileCheck, folders: Sequence[str] = ()) -> ElfFile | None:
    """The file with which *image* shares entries (dwz's, .gnu_debugaltlink), None if it is not there."""
    link = image.section(".gnu_debugaltlink")
    if link is None:
        return None
    name, _, identity = image.bytes_of(link).partition(b"\0")
    text, wanted = name.decode("utf-8", "surrogateescape"), identity.hex()
    beside = os.path.join(os.path.dirname(image.path), text)
    tries = [host_file(beside), files(text)]
    for folder in folders:
        tries += [_inside(folder, f"/.build-id/{wanted[:2]}/{wanted[2:]}.debug")]
        tries += [_inside(folder, text.removeprefix(_ROOT))]
    tries.append(files(f"{_ROOT}/.build-id/{wanted[:2]}/{wanted[2:]}.debug"))
    for status in tries:
        if not status.errno_name and status.regular:
            found = ElfFile(status.host_path)
            if found.build_id == wanted:
                return found
            found.close()
    return None


def mini_debug_file(image: ElfFile) -> ElfImage | None:
    """The symbols that a stripped file carries packed (MiniDebugInfo, .gnu_debugdata), None without them."""
    section = image.section(".gnu_debugdata")
    if section is None:
        return None
    import lzma

    try:
        data = lzma.LZMADecompressor().decompress(image.bytes_of(section), _MOST_MINI)
        return ElfImage(image.path, content=data)
    except (lzma.LZMAError, EOFError, TargetError):
        return None


def _inside(folder: str, path: str) -> FileStatus:
    return host_file(folder + path)


def _candidates(
    image: ElfFile, path: str, places: list[tuple[FileCheck, str]]
) -> Iterator[tuple[str, int | None, FileCheck]]:
    """(path, checksum that it must have or None, who knows it) in the order in which they are tried."""
    if len(image.build_id) > 2:
        for check, root in places:
            yield f"{root}/.build-id/{image.build_id[:2]}/{image.build_id[2:]}.debug", None, check
    name, checksum = debug_link(image)
    if not name:
        return
    folder, whole = path.rpartition("/")[0] or ".", absolute(image, path).rpartition("/")[0]
    files = places[-1][0]
    beside = [(files, folder), (files, f"{folder}/.debug")]
    named = [(check, f"{root}{whole}") for check, root in places] + [
        (check, root) for check, root in places[:-1]
    ]
    for check, place in beside + named:
        if f"{place}/{name}" != path:
            yield f"{place}/{name}", checksum, check


def debug_link(image: ElfFile) -> tuple[str, int]:
    """The name of the debug file of *image*, "" if it says none, and the checksum that it must have."""
    link = image.section(".gnu_debuglink")
    data = b"" if link is None else image.bytes_of(link)
    name = data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if len(data) < 8 or "/" in name:
        return "", 0
    return name, int.from_bytes(data[-4:], "little")


def absolute(image: ElfFile, path: str) -> str:
    """*path* from the root on; where the guest calls *image* by a relative one, that of this machine."""
    return path if path.startswith("/") else os.path.abspath(image.path)


def _checksum(path: str) -> int:
    value = 0
    try:
        with open_regular(path) as file:
            for chunk in iter(partial(file.read, _CHUNK), b""):
                value = zlib.crc32(chunk, value)
    except OSError:
        return -1
    return value
