"""The decoder ``sleigh``: Ghidra's processor specification through PyPI's ``pypcode``."""

from uprobe_sleigh.decoder import SleighDecoder

__all__ = ("SleighDecoder",)
