"""SLEIGH behind the decoder contract.

SLEIGH gives the semantics of an instruction as p-code, so it can answer what a
disassembler only hints at: whether the PC is written (a branch operation that
leaves the instruction) and whether the instruction's effect depends on its own
address (the p-code differs when it is lifted at another one).
"""

from __future__ import annotations

from typing import Any

from uprobe_core.decoder import Decoded
from uprobe_core.errors import PluginError

__all__ = ("SleighDecoder",)

_LANGUAGE = "AARCH64:LE:64:v8A"
_ELSEWHERE = 0x2345_6000
_JUMPS = frozenset(("BRANCH", "CBRANCH"))
_LEAVES = frozenset(("BRANCHIND", "CALL", "CALLIND", "RETURN"))

_Op = tuple[str, tuple[tuple[str, int, int], ...]]
"""An operation: its name, then each varnode (output first) as (space, offset, size)."""


def _import_pypcode() -> Any:
    try:
        import pypcode
    except ImportError as error:
        raise PluginError(
            f"the decoder 'sleigh' cannot be used: {error}",
            plugin="sleigh",
            hint="pip install 'uprobe[sleigh]'",
        ) from error
    return pypcode


class SleighDecoder:
    """Decodes A64 with SLEIGH; raises PluginError if ``pypcode`` cannot be loaded."""

    name = "sleigh"

    def __init__(self) -> None:
        pypcode = _import_pypcode()
        self._context: Any = pypcode.Context(_LANGUAGE)
        # Words without a constructor, and words whose constructor has no semantics.
        self._refusals = (pypcode.BadDataError, pypcode.UnimplError)

    def decode(self, code: bytes, address: int) -> Decoded | None:
        """Decode the first instruction of *code*, lying at *address*; None if it is undefined."""
        try:
            insn = self._context.disassemble(code[:4], address).instructions[0]
        except self._refusals:
            return None
        mnemonic, operands = str(insn.mnem).lower(), str(insn.body)
        here = self._lift(code, address)
        elsewhere = self._lift(code, (address + _ELSEWHERE) % (1 << 64))
        if here is None or elsewhere is None:
            return Decoded(4, mnemonic, operands)
        return Decoded(4, mnemonic, operands, branches=_leaves(here), reads_pc=here != elsewhere)

    def _lift(self, code: bytes, address: int) -> list[_Op] | None:
        """The p-code of one instruction, None where SLEIGH has no semantics for it."""
        try:
            ops = self._context.translate(code[:4], address).ops
        except self._refusals:
            return None
        return [_normal(op, address) for op in ops if op.opcode.name != "IMARK"]


def _normal(op: Any, address: int) -> _Op:
    """One operation as comparable values, with a jump to the next instruction made relative."""
    nodes = [op.output, *op.inputs] if op.output is not None else op.inputs
    values = tuple((node.space.name, node.offset, node.size) for node in nodes)
    name = str(op.opcode.name)
    if name in _JUMPS and values[0][:2] == ("ram", (address + 4) % (1 << 64)):
        # How SLEIGH writes "skip the rest": not a branch of the program.
        values = (("next", 0, 8), *values[1:])
    return name, values


def _leaves(ops: list[_Op]) -> bool:
    """Whether some operation goes elsewhere than on: jumps within the p-code are in space "const"."""
    return any(name in _LEAVES or (name in _JUMPS and nodes[0][0] == "ram") for name, nodes in ops)
