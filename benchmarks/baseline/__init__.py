"""The least that each job can cost: C callbacks straight on libunicorn, built when a benchmark runs."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ("Baseline",)

HERE = Path(__file__).parent
GLUE = HERE.parents[1] / "backends" / "uprobe_unicorn" / "native" / "glue"


def _build(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("the baselines are C: install a C compiler (cc)")
    library = folder / "baseline.so"
    flags = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{GLUE}"]
    subprocess.run([compiler, *flags, str(HERE / "baseline.c"), "-o", str(library)], check=True)
    return library


class Baseline:
    """Addresses of the callbacks and of their data (``struct baseline``).

    :param functions: those of ``struct uc_api``, in its order
    :param slot: where the breakpoint's callback goes on
    """

    def __init__(self, functions: tuple[int, ...], slot: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._library = library = ctypes.CDLL(str(_build(Path(folder))))
        words = (ctypes.c_uint64 * (len(functions) + 2)).in_dll(library, "baseline")
        words[:] = [*functions, 0, slot]
        self.data = ctypes.addressof(words)
        self.count, self.store, self.breakpoint, self.fill = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
            for name in ("on_count", "on_store", "on_break", "on_fill")
        )
