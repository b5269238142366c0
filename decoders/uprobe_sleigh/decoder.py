"""SLEIGH behind the decoder contract.

SLEIGH gives the semantics of an instruction as p-code, so it can answer what a
disassembler only hints at: whether the PC is written (a branch operation that
leaves the instruction) and whether the instruction's effect depends on its own
address (the p-code differs when it is lifted at another one).
"""

from __future__ import annotations

from typing import Any

from uprobe_core.decoder import Decoded, in_form
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
            slug="missing-extra",
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
        if len(code) < 4:
            return None  # SLEIGH would pad it with zeros
        try:
            insn = self._context.disassemble(code[:4], address).instructions[0]
        except self._refusals:
            return None
        mnemonic, operands = str(insn.mnem).lower(), in_form(str(insn.body))
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
        operations = [_as_values(op) for op in ops if op.opcode.name != "IMARK"]
        onward = ("ram", (address + 4) % (1 << 64), 8)
        return [_skipping(op, onward) for op in operations[:-1]] + operations[-1:]


def _as_values(op: Any) -> _Op:
    nodes = [op.output, *op.inputs] if op.output is not None else op.inputs
    return str(op.opcode.name), tuple((node.space.name, node.offset, node.size) for node in nodes)


def _skipping(op: _Op, onward: tuple[str, int, int]) -> _Op:
    """A jump to the next instruction that is not the last operation means "skip the rest": no branch."""
    name, nodes = op
    if name in _JUMPS and nodes[0] == onward:
        return name, (("onward", 0, 8), *nodes[1:])
    return op


def _leaves(ops: list[_Op]) -> bool:
    """Whether some operation goes elsewhere than on: jumps within the p-code are in space "const"."""
    return any(name in _LEAVES or (name in _JUMPS and nodes[0][0] == "ram") for name, nodes in ops)
