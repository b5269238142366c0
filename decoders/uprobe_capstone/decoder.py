"""Capstone behind the decoder contract.

Capstone is imported when a decoder is made, not when this module is, so that
listing plugins stays cheap.  Releases 5.x and 6.x are supported; they differ in
what they call the architecture, which one function resolves.
"""

from __future__ import annotations

from typing import Any

from uprobe_core.decoder import Decoded, in_form
from uprobe_core.errors import PluginError

__all__ = ("CapstoneDecoder",)

_ELSEWHERE = 0x2345_6000
"""Distance to a second address, in another page, at which PC-relative operands read differently."""


def _import_capstone() -> Any:
    try:
        import capstone
    except ImportError as error:
        raise PluginError(
            f"the decoder 'capstone' cannot be used: {error}",
            plugin="capstone",
            hint="pip install capstone",
        ) from error
    return capstone


def _arm64(capstone: Any) -> int:
    """Capstone's number of the architecture: CS_ARCH_ARM64 up to 5.x, CS_ARCH_AARCH64 from 6.0."""
    number = getattr(capstone, "CS_ARCH_AARCH64", getattr(capstone, "CS_ARCH_ARM64", None))
    if not isinstance(number, int):
        raise PluginError("this capstone has no arm64 architecture", plugin="capstone")
    return number


class CapstoneDecoder:
    """Decodes A64 with Capstone; raises PluginError if the library cannot be loaded."""

    name = "capstone"

    def __init__(self) -> None:
        capstone = _import_capstone()
        self._engine: Any = capstone.Cs(_arm64(capstone), capstone.CS_MODE_LITTLE_ENDIAN)
        self._engine.detail = True  # groups say what branches
        self._branches = frozenset(
            (capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL, capstone.CS_GRP_RET, capstone.CS_GRP_IRET)
        )
        self._call = capstone.CS_GRP_CALL

    def decode(self, code: bytes, address: int) -> Decoded | None:
        """Decode the first instruction of *code*, lying at *address*; None if it is undefined."""
        insn = next(self._engine.disasm(code[:4], address, 1), None)
        if insn is None:
            return None
        groups = frozenset(insn.groups)
        operands = str(insn.op_str)
        return Decoded(
            size=int(insn.size),
            mnemonic=str(insn.mnemonic),
            operands=in_form(operands),
            branches=bool(groups & self._branches),
            reads_pc=self._call in groups or self._operands_elsewhere(code, address) != operands,
        )

    def _operands_elsewhere(self, code: bytes, address: int) -> str:
        """The operands as they read at another address: capstone prints targets, not offsets."""
        other = (address + _ELSEWHERE) % (1 << 64)
        for _, _, _, operands in self._engine.disasm_lite(code[:4], other, 1):
            return str(operands)
        return ""
