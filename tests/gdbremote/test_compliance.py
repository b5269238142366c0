"""The backend over qemu-user passes the suite that every backend passes."""

from __future__ import annotations

from typing import Any

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

    @pytest.mark.xfail(strict=True, reason="what is mapped later is not told yet")
    def test_a_file_that_is_mapped_is_told_before_it_is_used(self, hitting: Any) -> None:
        super().test_a_file_that_is_mapped_is_told_before_it_is_used(hitting)

    @pytest.mark.xfail(strict=True, reason="what is mapped later is not told yet")
    def test_a_mapping_is_listed_while_it_is_there(self, hitting: Any) -> None:
        super().test_a_mapping_is_listed_while_it_is_there(hitting)

    @pytest.mark.xfail(strict=True, reason="what is unmapped is not told yet")
    def test_a_mapping_that_goes_is_told(self, rig: Any) -> None:
        super().test_a_mapping_that_goes_is_told(rig)

    @pytest.mark.xfail(strict=True, reason="may_deliver_signal is not asked yet")
    def test_a_signals_handler_runs_and_the_program_goes_on(self, backend: Backend, rig: Any) -> None:
        super().test_a_signals_handler_runs_and_the_program_goes_on(backend, rig)

    @pytest.mark.xfail(strict=True, reason="a fault that a trap answers is not delivered yet")
    def test_a_fault_that_a_trap_answers_is_the_programs(self, backend: Backend, rig: Any) -> None:
        super().test_a_fault_that_a_trap_answers_is_the_programs(backend, rig)
