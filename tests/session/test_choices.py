"""What a backend cannot do is refused before the program starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uprobe_core.errors import BackendError
from uprobe_core.event_model import EventSpec, FetchArg, FetchOp, FetchType, OpCode
from uprobe_core.run_setup import RunSetup
from uprobe_core.session.choices import refuse_counts
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
