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


_LANES = {"d": (64, "double"), "s": (32, "single"), "h": (16, "half"), "b": (8, ""), "q": (128, "")}
"""By the name of the view of a vector register: bits of a lane, and gdb's word for such a float."""


def _views() -> str:
    """Each vector register as lanes of each width: floats (f), unsigned (u) and signed (s)."""
    vectors = unions = ""
    for name, (bits, real) in _LANES.items():
        types = {"f": f"ieee_{real}"} if real else {}
        types |= {"u": f"uint{bits}", "s": f"int{bits}"}
        rows = [(f"v{name}{kind}", lane, kind) for kind, lane in types.items()]
        vectors += "".join(
            f'<vector id="{each}" type="{lane}" count="{128 // bits}"/>' for each, lane, _ in rows
        )
        fields = "".join(f'<field name="{kind}" type="{each}"/>' for each, _, kind in rows)
        unions += f'<union id="v{name}">{fields}</union>'
    return vectors + unions


def _fpu() -> str:
    views = "".join(f'<field name="{name}" type="v{name}"/>' for name in _LANES)
    vector = f'{_views()}<union id="aarch64v">{views}</union>'
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
