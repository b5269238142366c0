"""Our architectures pass what we ask of everybody's."""

from __future__ import annotations

import pytest

from uprobe_core.discovery.load import load_arch
from uprobe_core.testing.compliance import ArchCompliance
from uprobe_core.testing.toy_arch import Op, ToyArch, encode


class TestArm64(ArchCompliance):
    """arm64, through its entry point."""

    @pytest.fixture
    def arch(self) -> object:
        arch: object = load_arch("arm64")
        return arch

    @pytest.fixture
    def stepped(self) -> bytes:
        return 0x91000400.to_bytes(4, "little")  # add x0, x0, #1

    @pytest.fixture
    def simulated(self) -> bytes:
        return 0x14000004.to_bytes(4, "little")  # b +16

    @pytest.fixture
    def refused(self) -> bytes:
        return 0xD4000001.to_bytes(4, "little")  # svc #0


class TestToy(ArchCompliance):
    """The toy that the tests of the core use."""

    @pytest.fixture
    def arch(self) -> object:
        return ToyArch()

    @pytest.fixture
    def stepped(self) -> bytes:
        return encode(Op.ADD, 1)

    @pytest.fixture
    def simulated(self) -> bytes:
        return encode(Op.JUMP, 16)

    @pytest.fixture
    def refused(self) -> bytes:
        return encode(Op.PRIV)
