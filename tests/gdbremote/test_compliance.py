"""The backend over qemu-user passes the suite that every backend passes."""

from __future__ import annotations

import pytest
from uprobe_gdbremote import GdbRemoteBackend

from tests.gdbremote.conftest import needs_qemu
from uprobe_core.backend import Backend
from uprobe_core.testing import compliance

pytestmark = needs_qemu


class TestGdbRemote(compliance.BackendCompliance):
    """With the emulator that ``--target qemu`` starts."""

    @pytest.fixture
    def backend(self) -> Backend:
        """Without an address it starts qemu-aarch64 itself."""
        return GdbRemoteBackend()
