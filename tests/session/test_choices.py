"""What a backend cannot do is refused before the program starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uprobe_core.errors import BackendError
from uprobe_core.event_model import EventSpec, FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.run_setup import RunSetup
from uprobe_core.session.choices import refuse_counts, target_of
from uprobe_core.testing.fake_backend import ALL_CAPABILITIES

PLAIN = EventSpec("r", "g", "out", "loop", 0x6D4)
COUNTS = replace(PLAIN, args=(FetchArg("i", "$insns", FetchType("u64", 8, "u"), (FetchOp(OpCode.INSNS),)),))
WITHOUT = replace(ALL_CAPABILITIES, work=False)


def test_an_event_that_counts_instructions_needs_a_backend_that_counts_them() -> None:
    with pytest.raises(BackendError, match=r"g/out has \$insns, and backend 'unicorn' does not count"):
        refuse_counts(WITHOUT, RunSetup(("./loop",)), [PLAIN, COUNTS])


def test_other_events_and_other_backends_are_not_refused() -> None:
    refuse_counts(WITHOUT, RunSetup(("./loop",)), [PLAIN])
    refuse_counts(ALL_CAPABILITIES, RunSetup(("./loop",)), [COUNTS])


def test_a_program_inherits_all_but_our_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPROBE_ENGINE", "py")
    monkeypatch.setenv("UNRELATED", "1")
    env = target_of(RunSetup(("./loop",))).env
    assert env["UNRELATED"] == "1"
    assert "UPROBE_ENGINE" not in env


def test_a_program_is_given_one_of_our_variables_where_the_set_up_says_so() -> None:
    assert target_of(RunSetup(("./loop",), env={"UPROBE_ENGINE": "c"})).env["UPROBE_ENGINE"] == "c"
