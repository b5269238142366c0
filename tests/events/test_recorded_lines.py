"""Every recorded line gets the kernel's errno, message, column and listing.

Recorded on Linux 6.1, 6.12.117 and 7.3.4 (Debian, arm64); each line was written alone to a
list that held one event.  Of 6.1 and 7.3.4 only the answers that differ are kept.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.events.support import KERNEL, Tree, load, make_language
from uprobe_core.errors import SpecError
from uprobe_core.events.table import EventTable
from uprobe_core.types import Policy

HAVE = "p:have /root/loops:0x6d4 a=%x0"
HAVE_LISTED = "p:uprobes/have /root/loops:0x00000000000006d4 a=%x0"


def answer(line: str, tree: Tree, policy: Policy = KERNEL) -> dict[str, Any]:
    """What the table makes of *line*, in the recording's terms."""
    table = EventTable(make_language(policy, tree=tree))
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
LATER = load("event_lines-7.3.json")
EARLIER = {case["line"]: case for case in load("event_lines-6.1.json")["cases"]}
KERNELS = {"6.12": LARGE["cases"], "7.3": [*LARGE["cases"], *LATER["cases"]]}
"""By release; a line's last answer is that release's."""


@pytest.mark.parametrize("release", KERNELS)
@pytest.mark.parametrize("case", SMALL, ids=lambda case: repr(case["line"])[:60])
def test_line_gets_the_recorded_answer(case: dict[str, Any], release: str) -> None:
    """Both kernels gave the same."""
    tree = Tree(["/root/loops", "/proc/self/exe"], ["/dev/null", "/root", "/"])
    assert answer(case["line"], tree, Policy("kernel", release)) == expected(case)


@pytest.mark.parametrize("release", KERNELS)
def test_further_lines_get_the_recorded_answers(release: str) -> None:
    tree, policy = Tree(LARGE["regular"], LARGE["other"], LARGE["links"]), Policy("kernel", release)
    recorded = {case["line"]: expected(case) for case in KERNELS[release]}
    found = {line: answer(line, tree, policy) for line in recorded}
    assert {line: (found[line], want) for line, want in recorded.items() if found[line] != want} == {}


def test_earlier_lines_get_the_answers_that_6_1_gave() -> None:
    """All but the types symbol and symstr, which 6.1 took for uprobes, and printed without an end."""
    tree, policy = Tree(["/root/loops"], ["/dev/null", "/dev/zero", "/root", "/"]), Policy("kernel", "6.1")
    same = {c["line"]: c for c in (*SMALL, *LARGE["cases"]) if _is_plain(c["line"])}
    recorded = {line: expected(EARLIER.get(line, case)) for line, case in same.items()}
    found = {line: answer(line, tree, policy) for line in recorded}
    assert {line: (found[line], want) for line, want in recorded.items() if found[line] != want} == {}


def _is_plain(line: str) -> bool:
    """Whether the line was asked of 6.1: it needs no file but the program."""
    return not any(text in line for text in ("tmp", "/proc", " root/loops", "sym", "\0", "\n"))


def test_a_release_between_the_recorded_ones_reads_as_the_older_one() -> None:
    tree, line = Tree(["/root/loops"]), "p:x /root/loops:0x6d4 $stack18446744073709551616"
    errors = [answer(line, tree, Policy("kernel", r))["errname"] for r in ("6.18", "7.3.4-arm64")]
    assert errors == ["EINVAL", "ERANGE"]


@pytest.mark.parametrize(
    ("release", "says"), [("6.12", False), ("6.13", False), ("6.18", True), ("7.3", True)]
)
def test_too_many_arguments_have_a_message_since_6_18(release: str, says: bool) -> None:
    """Recorded on 6.12.117, 6.18.15 and 7.3.4."""
    line = "p:x /root/loops:0x6d4" + " %x0" * 129
    found = answer(line, Tree(["/root/loops"]), Policy("kernel", release))
    assert (found["errname"], "message" in found) == ("E2BIG", says)


def test_each_logged_error_quotes_the_words_joined_by_one_space() -> None:
    table = EventTable(make_language())
    with pytest.raises(SpecError) as caught:
        table.write("p:x   /root/loops:0x6d4 \t a=%zz")
    assert caught.value.line == "p:x /root/loops:0x6d4 a=%zz"
    assert caught.value.caret == 24
