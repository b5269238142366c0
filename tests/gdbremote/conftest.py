"""What the tests of gdbremote need that may not be there."""

from __future__ import annotations

import shutil

import pytest

from tests.programs import ROOT

needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="needs qemu-aarch64 (Debian: qemu-user)"
)

NEWER = ROOT / ".cache" / "tools" / "qemu-aarch64"
"""A newer emulator than this machine's: the one of Debian 13 (10.0), which .ci/run unpacks here."""

needs_newer_qemu = pytest.mark.skipif(
    not NEWER.exists(), reason=f"needs a qemu-aarch64 of 10.0 or later as {NEWER.relative_to(ROOT)}"
)
