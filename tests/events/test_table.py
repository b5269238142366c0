"""The uprobe_events file as a whole: appending, deleting, busy events, files with mistakes."""

from __future__ import annotations

import pytest

from tests.events.support import ANYWHERE, make_language, refusals
from uprobe_core.errors import SpecError
from uprobe_core.events.reading import source_lines
from uprobe_core.events.table import EventTable


@pytest.fixture
def table() -> EventTable:
    return EventTable(make_language())


def refused(table: EventTable, line: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        table.write(line)
    return caught.value


def test_a_second_location_joins_its_event(table: EventTable) -> None:
    table.write("p:grp/ev /root/loops:0x6d4 a=%x0")
    table.write("p:grp/ev /bin/a:0x10 a=%x1")
    assert [spec.path for spec in table.members("grp/ev")] == ["/root/loops", "/bin/a"]
    assert table.groups() == ["grp"]


def test_a_location_is_deleted_by_what_the_listing_says(table: EventTable) -> None:
    table.write("p:ev /root/loops:0x6d4 a=%x0")
    table.write("p:ev /bin/a:0x10 a=%x1")
    table.write("-:ev /bin/a:0x0000000000000010 a=%x1")
    assert table.listing() == ["p:uprobes/ev /root/loops:0x00000000000006d4 a=%x0"]


def test_an_enabled_event_is_busy(table: EventTable) -> None:
    table.write("p:ev /root/loops:0x6d4")
    table.enable("uprobes/ev")
    assert refused(table, "-:ev").errno_name == "EBUSY"
    with pytest.raises(SpecError) as caught:
        table.clear()
    assert caught.value.errno_name == "EBUSY"
    table.enable("uprobes/ev", on=False)
    table.clear()
    assert len(table) == 0


def test_an_unknown_event_is_answered_with_the_nearest(table: EventTable) -> None:
    table.write("p:worker /root/loops:0x6d4")
    error = refused(table, "-:woker")
    assert (error.errno_name, error.hint) == ("ENOENT", "did you mean worker?")


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("%w3", "%x3:x32"),
        ("%fp", "%x29"),
        ("%d0", "policy=anywhere"),
        ("%x0:int32", "s32"),
        ("%x0:strng", "string"),
        ("x0", "%x0"),
        ("retval", "$retval"),
        ("$retvel", "$retval"),
        ("%x0:string", "+0(%x0):string"),
        ("%x0:b9@0/8", "at most 8"),
    ],
)
def test_a_usual_slip_gets_a_hint(table: EventTable, argument: str, hint: str) -> None:
    assert hint in refused(table, f"r:x /root/loops:0x6d4 a={argument}").hint


FILE = """\
# what to probe
p:good /root/loops:0x6d4 a=%x0   # the loop
p:one /root/loops:0x6d4   a=%w0

r:two /nonexistent:0x10
p:three /root/loops:0x6d4 \\
    a=%x0 \\
    b=%x0:u7
p:good /root/loops:0x6d4 a=%x0
"""


def test_all_mistakes_of_a_file_come_at_once_each_with_its_place() -> None:
    table = EventTable(make_language(ANYWHERE))
    assert refusals(table, source_lines(FILE, "probes.txt")) == [
        (3, 29, "bad-reg-name"),
        (5, 7, "file-not-found"),
        (8, 11, "bad-type"),
        (9, 1, "same-probe"),
    ]
    assert table.listing() == ["p:uprobes/good /root/loops:0x00000000000006d4 a=%x0"]


def test_the_kernel_knows_no_continued_lines() -> None:
    lines = [line.text for line in source_lines("p:x /a:0 \\\n%x0\n", "f", continued=False)]
    assert lines == ["p:x /a:0 \\", "%x0"]
