"""The decoder ``capstone``: text and operands from the Capstone disassembler."""

from uprobe_capstone.decoder import CapstoneDecoder

__all__ = ("CapstoneDecoder",)
