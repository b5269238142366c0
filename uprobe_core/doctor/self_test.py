"""One real run, from nothing: an ELF file of a few instructions, a probe on the first, a known answer.

It shows that backend, architecture and core work together on this machine;
``uprobe doctor`` runs it.
"""

from __future__ import annotations

import os
import struct
import tempfile

from uprobe_core.errors import BackendError
from uprobe_core.run_setup import DEFAULT_ARCH
from uprobe_core.types import Mode

__all__ = ("ANSWER", "CODE_OFFSET", "program", "run_self_test")

ANSWER = 42
"""The exit status of the program, whose instructions the architecture gives."""
CODE_OFFSET = 0x78
"""File offset of its first instruction: after one ELF header (64 bytes) and one program header (56)."""
_BASE = 0x400000


def program(arch: str = DEFAULT_ARCH) -> bytes:
    """A static ELF executable that exits with ANSWER (ELF-64 object file format, 1.5d2).

    :param arch: the architecture that it is for
    """
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.probes.arch_ops import bind_arch

    info = bind_arch(load_arch(arch)).info
    code = info.answer
    size = CODE_OFFSET + len(code)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, info.elf_machine, 1, _BASE + CODE_OFFSET, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + load + code


def run_self_test(backend: str = "unicorn", mode: str = "auto") -> str:
    """Run the program with a counting probe on its first instruction; returns what was seen, in words.

    Raises UprobeError if anything is not as it must be.
    """
    from uprobe_core.actions.kinds import Count
    from uprobe_core.session.session import Session

    with tempfile.TemporaryDirectory(prefix="uprobe-") as folder:
        path = os.path.join(folder, "answer")
        with open(path, "wb") as file:
            file.write(program())
        os.chmod(path, 0o700)
        with Session([path], backend=backend, mode=mode, output=os.devnull) as session:
            hits = session.probe(f"p:self/test {path}:{CODE_OFFSET:#x}", Count())
            status = session.run()
            used: Mode = session.mode
    if status.shell_status != ANSWER or hits.result() != 1:
        raise BackendError(
            f"self-test: exit status {status.shell_status} and {hits.result()} hits, expected {ANSWER} and 1",
            slug="self-test",
        )
    return f"a probed program ran: 1 hit, exit status {ANSWER}, mode {used.value}"
