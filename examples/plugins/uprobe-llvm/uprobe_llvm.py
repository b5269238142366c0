"""``--decoder llvm``: A64 instructions through LLVM's C interface (llvm-c/Disassembler.h).

No package on PyPI exports that interface, so the shared library is the system's: ``libllvm14`` and the like
on Debian. It is loaded when a decoder is made, not when this module is imported.
"""

from __future__ import annotations

import ctypes
import os
import re
from ctypes.util import find_library

from uprobe_core.decoder import Decoded, in_form
from uprobe_core.errors import PluginError

__all__ = ("LlvmDecoder",)

LIBRARY = "UPROBE_LLVM_LIBRARY"
"""A variable that names the library, where it is not found by itself."""
VERSIONS = range(30, 12, -1)
FEATURES = b"+v8.7a,+sve2,+mte"

PC_RELATIVE = frozenset((1, 0x1_0000_0004, 0x1_0000_0005))
"""Kinds of reference whose value is a target: a branch or a literal of some widths, a literal's load, ADR
(LLVMDisassembler_ReferenceType_In_Branch, ..._In_ARM64_LDRXl, ..._In_ARM64_ADR)."""
PAGE = 0x1_0000_0001
"""ADRP (..._In_ARM64_ADRP), whose value is the encoding."""
BRANCHES = re.compile(r"b(\..+|l|r|lr|l?ra[abz]+)?|bc\..+|[ct]bn?z|e?ret(aa|ab)?|drps")

_LOOK_UP = ctypes.CFUNCTYPE(
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.c_uint64,
    ctypes.POINTER(ctypes.c_char_p),
)
"""LLVMSymbolLookupCallback: what is told of an operand; it gives a name, or nothing."""


class LlvmDecoder:
    """Decodes A64; raises PluginError without a library."""

    name = "llvm"

    def __init__(self) -> None:
        self._library = _library()
        self._target: int | None = None
        self._told = _LOOK_UP(self._look_up)  # kept, because LLVM calls it
        self._text = ctypes.create_string_buffer(256)
        self._context = self._library.LLVMCreateDisasmCPUFeatures(
            b"aarch64-unknown-linux-gnu", b"", FEATURES, None, 0, None, self._told
        )
        if not self._context:
            raise PluginError("this LLVM has no AArch64", plugin="llvm", hint=f"{LIBRARY} names another")

    def decode(self, code: bytes, address: int) -> Decoded | None:
        """Decode the first instruction of *code*, lying at *address*; None if it is undefined."""
        self._target = None
        if len(code) < 4 or not self._library.LLVMDisasmInstruction(
            self._context, code[:4], 4, address, self._text, len(self._text)
        ):
            return None
        mnemonic, _, operands = self._text.value.decode().strip().partition("\t")
        operands = operands.partition(" //")[0]
        if self._target is not None:  # LLVM prints the distance, as the last operand
            operands = ", ".join([*operands.split(", ")[:-1], f"#{self._target:#x}"])
        return Decoded(
            size=4,
            mnemonic=mnemonic,
            operands=in_form(operands),
            branches=BRANCHES.fullmatch(mnemonic) is not None,
            reads_pc=self._target is not None or mnemonic.startswith(("bl", "blr")),
        )

    def _look_up(
        self, _info: object, value: int, kind: ctypes._Pointer[ctypes.c_uint64], pc: int, _: object
    ) -> None:
        if kind[0] in PC_RELATIVE:
            self._target = value
        elif kind[0] == PAGE:
            pages = (value >> 29 & 3) | (value >> 5 & 0x7FFFF) << 2
            self._target = ((pc >> 12) + (pages ^ 1 << 20) - (1 << 20)) << 12 & (1 << 64) - 1
        kind[0] = 0


def _library() -> ctypes.CDLL:
    """LLVM with its AArch64 parts initialized."""
    names = [os.environ.get(LIBRARY)] if LIBRARY in os.environ else [find_library("LLVM"), *_debian()]
    for name in filter(None, names):
        try:
            library = ctypes.CDLL(name)
            for part in ("TargetInfo", "TargetMC", "Disassembler"):
                getattr(library, f"LLVMInitializeAArch64{part}")()
        except (OSError, AttributeError):
            continue
        return _typed(library)
    raise PluginError(
        f"no library of LLVM with AArch64 was found (looked for {names[0] or 'libLLVM'})",
        plugin="llvm",
        hint=f"apt install libllvm14, or {LIBRARY} names it",
        slug="missing-extra",
    )


def _debian() -> list[str]:
    return [name for n in VERSIONS for name in (f"libLLVM.so.{n}.1", f"libLLVM-{n}.so.1")]


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    library.LLVMCreateDisasmCPUFeatures.restype = ctypes.c_void_p
    library.LLVMDisasmInstruction.restype = ctypes.c_size_t
    library.LLVMDisasmInstruction.argtypes = (
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_char_p,
        ctypes.c_size_t,
    )
    return library
