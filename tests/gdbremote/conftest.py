"""What the tests of gdbremote need that may not be there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uprobe_gdbremote.address import Address, connect
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client

from tests.programs import ROOT
from tests.short_paths import tmp_path as tmp_path

needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="needs qemu-aarch64 (Debian: qemu-user)"
)

NEWER = ROOT / ".cache" / "tools" / "qemu-aarch64"
"""A newer emulator than this machine's: the one of Debian 13 (10.0), which .ci/run unpacks here."""

needs_newer_qemu = pytest.mark.skipif(
    not NEWER.exists(), reason=f"needs a qemu-aarch64 of 10.0 or later as {NEWER.relative_to(ROOT)}"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """This machine's gdbserver, with a program that it has stopped, and its port; skips where it may not."""
    if shutil.which("gdbserver") is None:
        pytest.skip("needs gdbserver")
    words = [
        "gdbserver",
        "--once",
        "--no-startup-with-shell",
        "localhost:0",
        sys.executable,
        "-c",
        "print(7)",
    ]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert server.stderr is not None
    port = 0
    for line in server.stderr:
        if line.startswith("Listening on port "):
            port = int(line.split()[-1])
            break
    if not port:
        pytest.skip("gdbserver may not trace here")
    yield server, port
    server.kill()
    server.communicate()


@pytest.fixture
def client(server: tuple[subprocess.Popen[str], int]) -> Iterator[Client]:
    """A client of it."""
    channel = Channel(connect(Address("tcp", host="localhost", port=server[1]), 5), "gdbserver")
    yield Client(channel)
    channel.close()
