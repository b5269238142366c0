"""A program for another architecture than --arch is refused, by run and by check alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import LOOP, installed, uprobe

SOURCE = """
from dataclasses import replace
from uprobe_arm64 import Arm64Arch
from uprobe_core import arch_hooks
class Other(Arm64Arch):
    @arch_hooks.hookimpl
    def architecture(self):
        return replace(Arm64Arch.architecture(self), name="riscv64", elf_machine=243)

"""


@pytest.mark.parametrize("command", ["run", "check"])
def test_it_is_named_with_both_architectures(tmp_path: Path, command: str) -> None:
    env = installed(tmp_path, "uprobe.archs", "third_arch:Other", SOURCE)
    done = uprobe(command, "--arch", "third", "-e", f"p:w {LOOP}:0x1bf0", "--", str(LOOP), "1", env=env)
    assert done.returncode == 126
    assert "not a riscv64 program" in done.stderr
    assert "--arch third" in done.stderr
