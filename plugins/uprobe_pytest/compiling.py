"""arm64 programs for tests: compiled from a source once, or taken as they are."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from uprobe_core.errors import UsageError

__all__ = ("Programs",)

ZIG_FLAGS = ("-target", "aarch64-linux-musl", "-fno-sanitize=all")
FLAGS = ("-static", "-O1", "-g")
"""Static, so that it runs without a sysroot; ``-g`` for probes by source line."""


class Programs:
    """Makes programs in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, source: str | os.PathLike[str], *flags: str) -> str:
        """The path of the program that *source* is or becomes.

        :param flags: for the compiler, after ``-static -O1 -g``
        Raises UsageError: no compiler, or what it says of the source.
        """
        path = Path(source).absolute()
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read the program {str(source)!r}: {error.strerror}") from None
        if data.startswith(b"\x7fELF"):
            return str(path)
        command = [*_compiler(path), *FLAGS, *flags]
        key = hashlib.sha256(b"\0".join([data, *map(os.fsencode, command)])).hexdigest()[:16]
        target = self._folder / key / path.stem
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            _compile([*command, str(path), "-o", str(target)], path)
        return str(target)


def _compiler(path: Path) -> list[str]:
    """The command that compiles for arm64 Linux."""
    plus = path.suffix in {".cc", ".cpp", ".cxx"}
    if chosen := os.environ.get("UPROBE_CC"):
        return shlex.split(chosen)
    zig = find_spec("ziglang")
    if zig is not None and zig.origin:
        # By its file: "-m" would look in the working directory first, where a program may have left another.
        main = os.path.join(os.path.dirname(zig.origin), "__main__.py")
        return [sys.executable, "-I", main, "c++" if plus else "cc", *ZIG_FLAGS]
    debian = "aarch64-linux-gnu-g++" if plus else "aarch64-linux-gnu-gcc"
    if shutil.which(debian):
        return [debian]
    raise UsageError(
        f"no compiler for arm64 to build {str(path)!r} with",
        hint=f"pip install ziglang, or install {debian}, or name one in UPROBE_CC",
        slug="no-compiler",
    )


def _compile(command: list[str], path: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(
            f"{str(path)!r} does not compile:\n{done.stderr.strip()}",
            hint=f"the command was: {shlex.join(command)}",
            slug="no-compile",
        )
