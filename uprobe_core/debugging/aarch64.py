"""What gdb is told of the registers of a 64-bit Arm task (GDB's manual, "AArch64 Features")."""

from __future__ import annotations

from typing import Protocol

__all__ = ("REGISTERS", "TARGET", "RegisterSource", "pack", "unpack")


class RegisterSource(Protocol):
    """Whose registers are read and written: a task with its backend's part."""

    def get(self, kind: str, index: int) -> int:
        """Register *index* of *kind*: "x" (31 SP, 32 PC, 33 PSTATE), "v", "fpsr", "fpcr"."""
        ...

    def set(self, kind: str, index: int, value: int) -> None:
        """Write it."""
        ...


def _core() -> str:
    rows = [f'<reg name="x{n}" bitsize="64"/>' for n in range(31)]
    rows += ['<reg name="sp" bitsize="64" type="data_ptr"/>', '<reg name="pc" bitsize="64" type="code_ptr"/>']
    return "".join((*rows, '<reg name="cpsr" bitsize="32"/>'))


def _fpu() -> str:
    vector = (
        '<vector id="v2d" type="ieee_double" count="2"/><vector id="v2u" type="uint64" count="2"/>'
        '<vector id="v4f" type="ieee_single" count="4"/><vector id="v4u" type="uint32" count="4"/>'
        '<vector id="v8u" type="uint16" count="8"/><vector id="v16u" type="uint8" count="16"/>'
        '<union id="vd"><field name="f" type="v2d"/><field name="u" type="v2u"/></union>'
        '<union id="vs"><field name="f" type="v4f"/><field name="u" type="v4u"/></union>'
        '<union id="vh"><field name="u" type="v8u"/></union>'
        '<union id="vb"><field name="u" type="v16u"/></union>'
        '<union id="aarch64v"><field name="d" type="vd"/><field name="s" type="vs"/>'
        '<field name="h" type="vh"/><field name="b" type="vb"/></union>'
    )
    rows = "".join(f'<reg name="v{n}" bitsize="128" type="aarch64v"/>' for n in range(32))
    return f'{vector}{rows}<reg name="fpsr" bitsize="32"/><reg name="fpcr" bitsize="32"/>'


TARGET = (
    '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
    "<architecture>aarch64</architecture><osabi>GNU/Linux</osabi>"
    f'<feature name="org.gnu.gdb.aarch64.core">{_core()}</feature>'
    f'<feature name="org.gnu.gdb.aarch64.fpu">{_fpu()}</feature></target>'
)
"""The target description, all in one document."""

REGISTERS = (
    *(("x", number, 8) for number in range(33)),
    ("x", 33, 4),
    *(("v", number, 16) for number in range(32)),
    ("fpsr", 0, 4),
    ("fpcr", 0, 4),
)
"""By gdb's number: kind, index and size in bytes."""


def pack(source: RegisterSource, number: int) -> bytes:
    """Register *number* of gdb's; raises IndexError."""
    kind, index, size = REGISTERS[number]
    return source.get(kind, index).to_bytes(8 if size == 4 else size, "little")[:size]


def unpack(source: RegisterSource, number: int, data: bytes) -> None:
    """Write *data* to register *number* of gdb's; raises IndexError."""
    kind, index, _size = REGISTERS[number]
    source.set(kind, index, int.from_bytes(data, "little"))
