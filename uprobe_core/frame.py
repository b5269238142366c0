"""One frame of a user stack, as a consumer sees it."""

from __future__ import annotations

from uprobe_core.errors import UsageError

__all__ = ("Frame", "checked_depth")

_DEEPEST = 1024
"""Frames of a stack (UP_STACK_MAX of stacks.h)."""


class Frame(int):
    """A guest address on a stack, and what is there; as a number it is that address.

    Of the innermost frame it is the PC, of the others the return address,
    of what a signal interrupted the instruction that was interrupted.
    Two frames are equal if their address and what is there are.

    :ivar function: the name of the function, demangled, "" where there is no symbol
    :ivar offset: bytes from its start; without one the position in the file, or in the mapping
    :ivar file: the file as the guest names it, or a label such as "[vdso]", "" where nothing is mapped
    """

    function: str
    offset: int
    file: str

    def __new__(cls, address: int, function: str = "", offset: int = 0, file: str = "") -> Frame:
        """The frame at guest *address*."""
        frame = super().__new__(cls, address)
        frame.function, frame.offset, frame.file = function, offset, file
        return frame

    @property
    def name(self) -> str:
        """``function+0x8``, ``function`` at its start, ``[file+0x12]``, or the bare address."""
        return f"{self.function}+{self.offset:#x}" if self.function and self.offset else self.label

    @property
    def label(self) -> str:
        """The same without the offset in the function."""
        if self.function:
            return self.function
        short = self.file.rsplit("/", 1)[-1].strip("[]")
        return f"[{short}+{self.offset:#x}]" if short else f"{int(self):#x}"

    def __eq__(self, other: object) -> bool:
        same = int.__eq__(self, other) if isinstance(other, int) else NotImplemented
        if same is not True or not isinstance(other, Frame):
            return same
        return (self.function, self.offset, self.file) == (other.function, other.offset, other.file)

    __hash__ = int.__hash__

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{int(self):#x} {self.name}>"


def checked_depth(depth: int) -> int:
    """*depth*, if it is a number of frames that a stack may have; else raises UsageError."""
    if not 1 <= depth <= _DEEPEST:
        raise UsageError(
            f"a stack of {depth} frames cannot be asked for", hint=f"1 to {_DEEPEST}", slug="bad-option"
        )
    return depth
