"""What the tests of gdbremote need that may not be there."""

from __future__ import annotations

import shutil

import pytest

needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="needs qemu-aarch64 (Debian: qemu-user)"
)
