"""The decoder contract: text and operands of instructions, and nothing else.

A decoder never decides whether a place may be probed; the arch plugin's own
mask table does that.  It is chosen by name through ``uprobe.decoders``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ("Decoded", "Decoder", "in_form", "number")

_NUMBER = re.compile(
    r"(?:(?<![\w.])((?:lsl|lsr|asr|ror|msl|[su]xt[bhwx]) )|(?<![\w.\[#-]))"
    r"#?(-?(?:0x[0-9a-f]+|[0-9]+))(?![\w.])"
)
"""A number that is no part of a name, nor a lane's; with what shifts by it."""
_INDEX = re.compile(r"\[(0x[0-9a-f]+|[0-9]+)\]")
"""Which lane of a vector."""


def number(value: int) -> str:
    """A number as operands have it: "#8", "#-8", and from 10 on in hexadecimal, "#0x10", "#-0x10"."""
    return f"#{value}" if -10 < value < 10 else f"#{value:#x}"


def in_form(operands: str) -> str:
    """The text of an assembler's operands in the form that :class:`Decoded` says."""
    text = _INDEX.sub(lambda found: f"[{int(found[1], 0)}]", operands.lower().strip())
    return _NUMBER.sub(_formed, text)


def _formed(found: re.Match[str]) -> str:
    value = int(found[2], 0)
    return number(value) if found[1] is None else f"{found[1]}#{value}"


@dataclass(frozen=True, slots=True)
class Decoded:
    """One instruction as a decoder sees it.

    :param size: length in bytes
    :param mnemonic: lower case, such as "ldr"
    :param operands: as text, such as "x0, [x1, #8]"; "" when there are none.  In one form, whoever decodes:
        lower case, separated by a comma and a space, numbers as :func:`number` writes them
        (those to shift by in decimal, "lsl #12"), and what
        is relative to PC as the address that it stands for ("x0, #0x401010"); :func:`in_form` makes it so
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
