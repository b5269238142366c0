"""What is of whole calls is taken apart, or refused."""

from __future__ import annotations

import pytest
from uprobe_writers.own_amounts import OwnAmounts

from tests.events.support import REGISTERS
from uprobe_core.errors import UsageError
from uprobe_core.event_model import EventSpec, Record
from uprobe_core.events.files import FileStatus
from uprobe_core.events.parse import Language
from uprobe_core.types import Policy


def any_file(path: str) -> FileStatus:
    return FileStatus("", True, 0x1000, (1, 1), path)


def event(line: str) -> EventSpec:
    (spec,) = Language(Policy("anywhere"), REGISTERS, file_check=any_file).parse(line)
    assert isinstance(spec, EventSpec)
    return spec


F = event("p:f /bin/x:0x10")
F_RETURN = event("r:f__return /bin/x:0x10 took=$latency")
G = event("p:g /bin/x:0x20")
G_RETURN = event("r:g__return /bin/x:0x20 took=$latency")


def record(spec: EventSpec, pid: int, time: int, *values: int) -> Record:
    return Record(spec, time, pid, pid, "x", 0, 0, 0x10 if spec.is_return else None, values)


def test_a_call_that_was_entered_before_the_fork_counts_in_the_process_that_entered_it() -> None:
    own = OwnAmounts((F, F_RETURN, G, G_RETURN), "took", "folded")
    records = [
        record(F, 1, 0),
        record(G, 2, 10),
        record(G_RETURN, 2, 15, 5),
        record(F_RETURN, 2, 20, 20),
        record(F_RETURN, 1, 30, 30),
    ]
    assert [own.take(each) for each in records] == [None, None, 5, 0, 30]


def test_instructions_without_a_time_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'n' of uprobes/f is also that of the calls in it") as caught:
        OwnAmounts((event("r:f /bin/x:0x10 n=$insns"),), "n", "svg")
    assert "took=$latency" in caught.value.hint
