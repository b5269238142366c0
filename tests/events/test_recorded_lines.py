"""Every recorded line gets the kernel's errno, message, column and listing.

Recorded on Linux 6.12.117 (Debian, arm64); each line was written alone to a
list that held one event.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.support import Tree, load, make_language
from uprobe_core.errors import SpecError
from uprobe_core.events.table import EventTable

HAVE = "p:have /root/loops:0x6d4 a=%x0"
HAVE_LISTED = "p:uprobes/have /root/loops:0x00000000000006d4 a=%x0"


def answer(line: str, tree: Tree) -> dict[str, Any]:
    """What the table makes of *line*, in the recording's terms."""
    table = EventTable(make_language(tree=tree))
    table.write(HAVE)
    try:
        table.write(line)
    except SpecError as error:
        found: dict[str, Any] = {"errname": error.errno_name}
        return found | ({"message": error.message, "caret": error.caret} if error.logged else {})
    listing = table.listing()
    found = {"errname": "0", "listing": [each for each in listing if each != HAVE_LISTED]}
    return found | ({} if HAVE_LISTED in listing else {"have_deleted": True})


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """The recording without what it does not say."""
    found = {key: case[key] for key in ("errname", "message", "caret", "have_deleted") if key in case}
    listing = case.get("listing", case.get("events_after", []))
    return found | ({"listing": listing} if case["errname"] == "0" else {})


SMALL = load("errors.json")
LARGE = load("event_lines.json")


@pytest.mark.parametrize("case", SMALL, ids=lambda case: repr(case["line"])[:60])
def test_line_gets_the_recorded_answer(case: dict[str, Any]) -> None:
    tree = Tree(["/root/loops", "/proc/self/exe"], ["/dev/null", "/root", "/"])
    assert answer(case["line"], tree) == expected(case)


def test_further_lines_get_the_recorded_answers() -> None:
    tree = Tree(LARGE["regular"], LARGE["other"], LARGE["links"])
    wrong = {
        case["line"]: (answer(case["line"], tree), expected(case))
        for case in LARGE["cases"]
        if answer(case["line"], tree) != expected(case)
    }
    assert wrong == {}


def test_each_logged_error_quotes_the_words_joined_by_one_space() -> None:
    table = EventTable(make_language())
    with pytest.raises(SpecError) as caught:
        table.write("p:x   /root/loops:0x6d4 \t a=%zz")
    assert caught.value.line == "p:x /root/loops:0x6d4 a=%zz"
    assert caught.value.caret == 24
