"""Where breakpoints go that memory does not take, and SIGTRAPs that are no hits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from uprobe_gdbremote.channel import Channel
from uprobe_gdbremote.client import Client
from uprobe_gdbremote.hits import Hits
from uprobe_gdbremote.points import Points
from uprobe_gdbremote.stops import SIGTRAP, Stop

from tests.gdbremote.stub import Stub
from uprobe_core.errors import ProbeError


def placed(answers: dict[bytes, Any]) -> list[bytes]:
    """What is asked when a place is probed and left again."""
    stub = Stub(answers)
    channel = Channel(stub.client, "a stub")
    try:
        points = Points(Client(channel))
        points.release(points.make(0x1000))
    finally:
        channel.close()
        stub.join()
    return [asked for asked in stub.asked if asked[:1] in b"Zz"]


def test_flash_takes_breakpoints_of_the_processor() -> None:
    asked = placed({b"Z0": b"E0E", b"Z1": b"OK", b"z1": b"OK", b"m": b"1f2003d5"})
    assert asked == [b"Z0,1000,4", b"Z1,1000,4", b"z1,1000,4"]


def test_where_there_is_no_memory_there_is_no_breakpoint() -> None:
    with pytest.raises(ProbeError, match="takes no breakpoint at 0x1000"):
        placed({b"Z0": b"E01", b"Z1": b"OK", b"m": b"E01"})


@pytest.mark.parametrize(
    ("reasons", "code", "is_hit"),
    [({}, -6, False), ({}, 0, False), ({}, 2, True), ({}, None, True), ({"swbreak": b""}, -6, True)],
)
def test_a_sigtrap_that_was_sent_is_no_hit(reasons: dict[str, bytes], code: int | None, is_hit: bool) -> None:
    """si_code is SI_TKILL, SI_USER, TRAP_TRACE, not told of, not asked for (<asm-generic/siginfo.h>)."""
    hits: list[int] = []
    point = SimpleNamespace(
        inserted=True, core=False, is_wanted=True, ours=lambda: hits.append(1), watches=0, inline=False
    )
    point.trap, point.address = b"", 0x2000
    points = SimpleNamespace(get=lambda _: point, arrived=lambda _: None)
    slots = SimpleNamespace(place_of=lambda _: None)
    process = SimpleNamespace(points=points, slots=slots)
    task: Any = SimpleNamespace(pc=0x1000, stepping=False, finishing=False, lifted=None, process=process)
    handler: Any = SimpleNamespace(may_deliver_signal=lambda _: True)
    parts: Any = SimpleNamespace(signal_code=lambda: code)
    made = Hits(parts, handler, parts, parts)
    made.trapped(task, Stop("signal", SIGTRAP, thread=b"p1.1", reasons=reasons))
    assert (bool(hits), made._signal) == ((True, 0) if is_hit else (False, SIGTRAP))
