"""libunicorn through ctypes: the one place that knows its private layout.

The Python binding is not imported (it costs 20 ms at start and a microsecond
per call); its shared library is loaded from where the package lies.  Calls
that return at once keep the GIL, ``emu_start`` gives it up.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from typing import Any

from uprobe_core.errors import BackendError

__all__ = ("CodeHook", "CpReg", "FillHook", "InterruptHook", "Library", "TlbEntry", "check")

# include/unicorn/unicorn.h
ARCH_ARM64, MODE_ARM = 2, 0
HOOK_INTR, HOOK_CODE, HOOK_BLOCK, HOOK_TLB_FILL = 1, 4, 8, 131072
CTL_PAGE_SIZE, CTL_CPU_MODEL, CTL_TB_REMOVE, CTL_TB_FLUSH, CTL_TLB_FLUSH, CTL_TLB_TYPE = 1, 7, 9, 10, 11, 12
TLB_VIRTUAL = 1
MEM_READ, MEM_WRITE, MEM_FETCH = 16, 17, 18
ERR_OK, ERR_READ_UNMAPPED, ERR_FETCH_UNMAPPED, ERR_EXCEPTION = 0, 6, 8, 21
PROT_ALL = 7

# include/unicorn/arm64.h
CPU_MAX = 3
REG_X29, REG_X30, REG_NZCV, REG_SP, REG_X0, REG_V0, REG_PC = 1, 2, 3, 4, 199, 228, 260
REG_TPIDR_EL0, REG_PSTATE, REG_CP, REG_FPCR, REG_FPSR = 262, 265, 290, 291, 292


class TlbEntry(ctypes.Structure):
    """uc_tlb_entry."""

    _fields_ = [("physical", ctypes.c_uint64), ("perms", ctypes.c_uint32)]


class CpReg(ctypes.Structure):
    """uc_arm64_cp_reg: a system register by its encoding."""

    _fields_ = [(name, ctypes.c_uint32) for name in ("crn", "crm", "op0", "op1", "op2")] + [
        ("value", ctypes.c_uint64)
    ]


_p, _u64, _int, _u32 = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_uint32
InterruptHook = ctypes.CFUNCTYPE(None, _p, _u32, _p)
CodeHook = ctypes.CFUNCTYPE(None, _p, _u64, _u32, _p)
FillHook = ctypes.CFUNCTYPE(ctypes.c_bool, _p, _u64, _int, _p, _p)


def _path() -> str:
    spec = importlib.util.find_spec("unicorn")
    if spec is None or spec.origin is None:
        raise BackendError("the unicorn package is not installed", hint="pip install unicorn")
    found = os.environ.get("LIBUNICORN_PATH") or os.path.join(os.path.dirname(spec.origin), "lib")
    for name in ("libunicorn.so.2", "libunicorn.2.dylib"):
        path = os.path.join(found, name)
        if os.path.exists(path):
            return path
    return "libunicorn.so.2"


def _bind_lazily(path: str) -> None:
    """Load the library so that functions are bound at their first call; Python binds all 7,800 at once."""
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    load(os.fsencode(path), os.RTLD_LAZY)


class Library:
    """The functions that we use, with their prototypes."""

    def __init__(self) -> None:
        path = _path()
        try:
            _bind_lazily(path)
            fast, slow = ctypes.PyDLL(path), ctypes.CDLL(path)
        except OSError as error:
            raise BackendError(
                f"cannot load {path}: {error}", hint="reinstall the unicorn package"
            ) from error
        self._check_version(fast)
        status: Any = ctypes.c_int

        def get(name: str, *arguments: Any, library: Any = fast) -> Any:
            function = getattr(library, name)
            function.restype, function.argtypes = status, arguments
            return function

        pointer = ctypes.POINTER
        self.open = get("uc_open", _u32, _u32, pointer(_p))
        self.close = get("uc_close", _p)
        self.ctl = get("uc_ctl", _p, _u32)
        self.mem_map_ptr = get("uc_mem_map_ptr", _p, _u64, _u64, _u32, _p)
        self.hook_del = get("uc_hook_del", _p, ctypes.c_size_t)
        self.reg_read = get("uc_reg_read", _p, _int, _p)
        self.reg_write = get("uc_reg_write", _p, _int, _p)
        self.reg_read_batch = get("uc_reg_read_batch", _p, _p, _p, _int)
        self.reg_write_batch = get("uc_reg_write_batch", _p, _p, _p, _int)
        self.emu_start = get("uc_emu_start", _p, _u64, _u64, _u64, ctypes.c_size_t, library=slow)
        self.emu_stop = get("uc_emu_stop", _p)
        self.context_alloc = get("uc_context_alloc", _p, pointer(_p))
        self.context_free = get("uc_context_free", _p)
        self.context_save = get("uc_context_save", _p, _p)
        self.context_restore = get("uc_context_restore", _p, _p)
        self.context_size = get("uc_context_size", _p)
        self.context_reg_read = get("uc_context_reg_read", _p, _int, _p)
        self.context_reg_write = get("uc_context_reg_write", _p, _int, _p)
        # Variadic in C: the range is part of the fixed arguments for the x86-64 and AArch64 ABIs alike.
        self.hook_add = get("uc_hook_add", _p, pointer(ctypes.c_size_t), _int, _p, _p, _u64, _u64)
        strerror = slow.uc_strerror
        strerror.restype, strerror.argtypes = ctypes.c_char_p, [_int]
        self.strerror = strerror

    def glue_functions(self) -> tuple[int, ...]:
        """Addresses of the functions that the glue calls, in the order of ``struct uc_api``."""
        functions = (
            self.hook_add,
            self.hook_del,
            self.reg_read,
            self.reg_write,
            self.emu_start,
            self.emu_stop,
            self.ctl,
            self.context_save,
            self.context_restore,
            self.context_reg_write,
        )
        return tuple(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions)

    @staticmethod
    def _check_version(library: Any) -> None:
        major, minor = ctypes.c_uint(), ctypes.c_uint()
        library.uc_version(ctypes.byref(major), ctypes.byref(minor))
        if (major.value, minor.value) != (2, 1):
            raise BackendError(
                f"unicorn {major.value}.{minor.value} is not supported",
                hint='pip install "unicorn>=2.1.2,<2.2"',
            )


def ctl_write(control: int, arguments: int) -> int:
    """The uc_ctl word for writing with *arguments* arguments (UC_CTL_WRITE)."""
    return 1 << 30 | arguments << 26 | control


def check(library: Library, status: int, what: str) -> None:
    """Raise BackendError unless *status* is UC_ERR_OK."""
    if status:
        text = library.strerror(status).decode()
        raise BackendError(f"unicorn: {what}: {text}")
