"""The decoder contract: text and operands of instructions, and nothing else.

A decoder never decides whether a place may be probed; the arch plugin's own
mask table does that.  It is chosen by name through ``uprobe.decoders``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ("Decoded", "Decoder")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction as a decoder sees it.

    :param size: length in bytes
    :param mnemonic: lower case, such as "ldr"
    :param operands: as text, such as "x0, [x1, #8]"; "" when there are none
    :param branches: whether it may write PC, None if the decoder cannot tell
    :param reads_pc: whether its effect depends on its own address, None if unknown; like *branches*
        an opinion, which tests compare with the architecture's table and no run asks for
    """

    size: int
    mnemonic: str
    operands: str
    branches: bool | None = None
    reads_pc: bool | None = None

    @property
    def text(self) -> str:
        """Mnemonic and operands as one line."""
        return f"{self.mnemonic} {self.operands}".rstrip()


@runtime_checkable
class Decoder(Protocol):
    """A decoder plugin: a class without constructor arguments."""

    name: str
    """The entry-point name, such as "capstone"."""

    def decode(self, code: bytes, address: int) -> Decoded | None:
        """Decode the first instruction of *code*, which lies at *address*.

        Called by ``uprobe why`` for each instruction that it shows; never by a run.
        None means that the bytes are not a defined instruction.
        """
        ...
