"""Every recorded run of a real kernel, replayed: the same lines, output, status and counts."""
from __future__ import annotations

from typing import Any

KERNEL = {"policy": "kernel:6.12", "mode": "trap", "returns": "hijack"}


def test_trap_mode_is_the_kernel(case: Any, replay: Any) -> None:
    result, answers = replay(case, **KERNEL)
    recorded = case.recorded
    assert list(answers) == case.errnos
    assert result.lines == recorded.lines
    assert result.stdout == recorded.stdout
    assert result.rc == recorded.rc
    assert sorted(result.profile) == sorted(recorded.profile)
