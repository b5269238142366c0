"""Can these places be probed?  Asked of the files before anything is mapped, so that check and run agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uprobe_core.errors import ProbeError, TargetError
from uprobe_core.types import Analysis, FileId, Policy, Verdict

if TYPE_CHECKING:
    from uprobe_core.event_model import EventSpec
    from uprobe_core.events.files import FileStatus
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.probes.arch_ops import ArchOps

__all__ = ("PlaceCheck", "file_of")

_PIECE = 1 << 16


def file_of(spec: EventSpec, files: GuestFiles) -> FileId:
    """The file of a location; raises ProbeError if it is not there or ends before the offset."""
    return FileId(*_checked(spec.path, spec.offset, files(spec.path)))


def _checked(path: str, offset: int, status: FileStatus) -> tuple[int, int]:
    """Device and inode of the file."""
    if not isinstance(status.identity, tuple):
        raise ProbeError(f"no such file: {path}", where=path, errno_name=status.errno_name)
    if offset > status.size:  # __uprobe_register: EINVAL beyond i_size
        raise ProbeError(
            f"offset {offset:#x} is beyond the end of {path} ({status.size:#x} bytes)",
            address=offset,
            where=path,
            hint="an offset counts from the start of the file; `uprobe list` shows those of functions",
        )
    return status.identity


class PlaceCheck:
    """Looks at locations in their files; each file is opened once, until the end of the ``with``.

    Under a kernel's policy an instruction that cannot be probed is a warning, because a kernel
    notices it only when the file is mapped, and says nothing.
    """

    def __init__(self, files: GuestFiles, arch: ArchOps, policy: Policy) -> None:
        self._files, self._arch, self._policy = files, arch, policy
        self._images: dict[str, ElfImage | None] = {}
        self._piece = ("", 0, b"")
        """The code that was looked at last: of many places most are close to each other."""

    def __enter__(self) -> PlaceCheck:
        return self

    def __exit__(self, *exc: object) -> None:
        for image in self._images.values():
            if image is not None:
                image.close()
        self._images.clear()
        self._piece = ("", 0, b"")

    def look(self, path: str, offset: int) -> str:
        """A warning if the location will not be hit, else ""; raises ProbeError if it cannot be probed."""
        status = self._files(path)
        _checked(path, offset, status)
        code = self._code_at(status.host_path, offset)
        if code is None:
            return (
                f"file offset {offset:#x} is in no executable segment of {path}:"
                " no hits, unless the program maps it executable itself"
            )
        found = self._arch.analyze_insn(code, offset, self._policy) if code else None
        if found is None or found.verdict is not Verdict.REJECT:
            return ""
        error = self._refusal(path, offset, found)
        if self._policy.is_kernel:
            return f"{error.message} ({self._policy})"
        raise error

    @staticmethod
    def _refusal(path: str, offset: int, found: Analysis) -> ProbeError:
        return ProbeError(
            f"cannot probe {path}:{offset:#x}: {found.insn_class} ({found.word:#010x}): {found.reason}",
            address=offset,
            where=path,
            errno_name=found.errno_name or "EINVAL",
            hint="`uprobe why` shows the instructions around a place, `uprobe list` where functions begin",
        )

    def _code_at(self, path: str, offset: int) -> bytes | None:
        """Code at a file offset, as much as a slot holds; None outside of the file's code.

        b"" for a file that is no program of this architecture.
        """
        size = self._arch.info.slot_bytes
        known, start, piece = self._piece
        if path == known and start <= offset <= start + len(piece) - size:
            return piece[offset - start : offset - start + size]
        image = self._image(path)
        if image is None:
            return b""
        for segment in image.segments:
            if segment.flags & 1 and segment.offset <= offset < segment.offset + segment.file_size:
                piece = image.read(offset - segment.offset + segment.vaddr, _PIECE)
                self._piece = path, offset, piece
                return piece[:size]
        return None

    def _image(self, path: str) -> ElfImage | None:
        if path not in self._images:
            from uprobe_core.image.elf_symbols import ElfImage

            self._images[path] = None
            try:
                image = ElfImage(path, self._arch.info)
                if image.segments:  # a damaged file shows here
                    self._images[path] = image
            except TargetError:
                pass  # no program: perhaps something reads code from it, we cannot tell where
        return self._images[path]
