"""Every recorded run of a real kernel, replayed: the same lines, output, status and counts."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import pytest

from tests.kernel import expectations as expect

NATIVE = find_spec("uprobe_core.native._engine") is not None and os.environ.get("UPROBE_ENGINE") != "py"
JUMP = pytest.param(
    ("jump", "watch"), marks=pytest.mark.skipif(not NATIVE, reason="jumps are native"), id="jump-watch"
)


def test_trap_mode_under_the_kernels_policy_is_the_recording(recording: Any, replay: Any) -> None:
    case = recording
    result, answers = replay(case, policy=f"kernel:{case.release}", mode="trap", returns="hijack")
    recorded = case.recorded
    masks = [*expect.MASKED.get(case.name, ()), *expect.OF_RELEASE.get(case.release, ())]
    assert list(answers) == case.errnos
    if case.name in expect.UNORDERED:
        assert result.tasks == recorded.tasks
    else:
        assert expect.mask(result.lines, masks) == expect.mask(recorded.lines, masks)
    assert result.stdout == recorded.stdout
    assert result.rc == recorded.rc
    if case.name not in expect.TIMED:
        assert sorted(result.profile) == sorted(recorded.profile)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("inline", "hijack"), id="inline-hijack"),
        pytest.param(("inline", "watch"), id="inline-watch"),
        JUMP,
    ],
)
def test_other_modes_have_the_same_hits_and_an_undisturbed_program(
    case: Any, replay: Any, unprobed: Any, options: tuple[str, str]
) -> None:
    mode, returns = options
    result, _answers = replay(case, policy="anywhere", mode=mode, returns=returns)
    recorded = case.recorded
    masks = [*expect.MASKED.get(case.name, ()), *expect.KERNEL_ONLY.get(case.name, ())]
    ours, theirs = expect.mask(result.lines, masks), expect.mask(recorded.lines, masks)
    saved = returns == "watch" and case.name in expect.SAVED_BY_WATCHING
    if case.name in expect.UNORDERED:
        assert result.tasks == recorded.tasks
    elif saved or case.name in expect.MORE_HITS:
        assert expect.is_subsequence(theirs, ours)
        assert len(ours) > len(theirs)
    elif returns == "watch" and case.name in expect.MISSED_BY_WATCHING:
        assert expect.is_subsequence(ours, theirs)
        assert [line for line in ours if "<-" not in line] == [line for line in theirs if "<-" not in line]
    elif case.name in expect.OTHER_ORDER:
        assert sorted(ours) == sorted(theirs)
    else:
        assert ours == theirs
    outcome = unprobed(expect.SAVED_BY_WATCHING[case.name]) if saved else recorded
    (stdout,) = expect.mask([outcome.stdout], expect.SEEN_BY_THE_PROGRAM.get(case.name, ()))
    assert result.stdout == stdout
    assert result.rc == outcome.rc
