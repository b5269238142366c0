"""Which decoder reads instructions for people, and the sentence that says why.

A decoder only supplies text; verdicts never depend on it.  So ``auto`` goes
on without one when none can be loaded, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from uprobe_core.decoder import Decoded, Decoder
from uprobe_core.discovery.contracts import blaming
from uprobe_core.discovery.load import load_decoder
from uprobe_core.errors import PluginError, UsageError, described

__all__ = ("PREFERRED", "DecoderChoice", "choose_decoder")

PREFERRED = ("capstone", "sleigh")
"""The order in which ``auto`` tries."""


@dataclass(frozen=True, slots=True)
class DecoderChoice:
    """A decoder, or None: the mask table alone.

    :param reason: why this one, in words
    :param called: the name by which it was asked for, "": its own
    """

    decoder: Decoder | None
    reason: str
    called: str = ""

    @property
    def name(self) -> str:
        """The decoder's name, "none" without one."""
        return "none" if self.decoder is None else self.called or self.decoder.name

    def text(self, code: bytes, address: int) -> str:
        """The first instruction of *code* as text; as a word when there is no decoder or no text."""
        with blaming(self.name, f"read the instruction at {address:#x}", "decoder"):
            decoded = None if self.decoder is None else _checked(self.decoder.decode(code, address))
        return f".inst 0x{int.from_bytes(code[:4], 'little'):08x}" if decoded is None else decoded.text


def _checked(decoded: object) -> Decoded | None:
    """What a decoder gave, if it is what it may give: a wrong answer is not shown as if it were right."""
    if decoded is None:
        return None
    if not isinstance(decoded, Decoded):
        raise TypeError(f"it returned {described(decoded)}, which is neither a Decoded nor None")
    if not isinstance(decoded.mnemonic, str) or not isinstance(decoded.operands, str):
        raise TypeError(f"mnemonic {decoded.mnemonic!r} and operands {decoded.operands!r} have to be text")
    if not isinstance(decoded.size, int) or decoded.size <= 0:
        raise ValueError(f"a size of {described(decoded.size)} is no number of bytes")
    if not decoded.text.isprintable():
        raise ValueError(f"it returned {decoded.text[:80]!r}, which is not one line of text")
    return decoded


def choose_decoder(name: str = "auto") -> DecoderChoice:
    """The decoder called *name*, or the first that loads.

    Raises UsageError or PluginError when one was asked for by name and cannot be had.
    """
    if name != "auto":
        return DecoderChoice(load_decoder(name), f"{name} was asked for", name)
    refusals: list[str] = []
    for candidate in PREFERRED:
        try:
            decoder = load_decoder(candidate)
        except (PluginError, UsageError) as error:
            refusals.append(str(error))
            continue
        why = "first choice" if not refusals else f"because {'; '.join(refusals)}"
        return DecoderChoice(decoder, f"{candidate}: {why}")
    return DecoderChoice(None, f"no decoder, verdicts come from the mask table alone: {'; '.join(refusals)}")
