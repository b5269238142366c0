"""The short texts of a set-up: NAME:key=value, EVENT:EXPR, HOST:GUEST, and event files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uprobe_core.backend import Bind
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import ConsumerUse, FilterUse, TriggerUse, parse_bind, parse_sysroot
from uprobe_core.setup.texts import event_lines, event_name
from uprobe_core.types import Policy
from uprobe_core.value_types import parse_policy, parse_size

NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(blacklist_characters=",", blacklist_categories=["Cs"]), max_size=8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count", ConsumerUse("count")),
        ("count:by=a", ConsumerUse("count", {"by": "a"})),
        ("count:by=a,comm", ConsumerUse("count", {"by": "a,comm"})),
        ("hist:arg=b,kind=log2", ConsumerUse("hist", {"arg": "b", "kind": "log2"})),
        ("count:when=a == 3", ConsumerUse("count", {"when": "a == 3"})),
        ("count:event=g/work,by=a", ConsumerUse("count", {"by": "a"}, "g/work")),
        ("count:by=", ConsumerUse("count", {"by": ""})),
    ],
)
def test_a_consumer_is_a_name_with_options(text: str, expected: ConsumerUse) -> None:
    assert ConsumerUse.parse(text) == expected


@pytest.mark.parametrize("text", ["", ":a=b", "count:", "count:by", "count:=a", "count:a=1,a=2"])
def test_a_malformed_consumer_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ConsumerUse.parse(text)


@given(NAMES, st.dictionaries(NAMES.filter(lambda name: name != "event"), VALUES, max_size=4))
def test_whatever_is_written_as_options_is_read_back(name: str, options: dict[str, str]) -> None:
    text = name + (":" + ",".join(f"{k}={v}" for k, v in options.items()) if options else "")
    assert ConsumerUse.parse(text) == ConsumerUse(name, options)


def test_a_filter_is_split_at_the_first_colon() -> None:
    found = FilterUse.parse("g/work:name == a:b")
    assert (found.event, found.expression) == ("g/work", "name == a:b")


@pytest.mark.parametrize("text", ["work", "work:", "work: ", ":a > 1", "a b:c", "1x:a", "g/:a", "/x:a"])
def test_what_is_no_event_with_a_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        FilterUse.parse(text)
    with pytest.raises(UsageError):
        TriggerUse.parse(text)


def test_a_bind_is_a_host_path_a_guest_path_and_perhaps_ro() -> None:
    assert parse_bind("a:/b") == Bind("a", "/b")
    assert parse_bind("/a:/b:ro") == Bind("/a", "/b", read_only=True)


@pytest.mark.parametrize("text", ["a", "a:b", ":/b", "a:/b:rw", "a:/b:ro:x", ""])
def test_a_malformed_bind_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not HOST:GUEST"):
        parse_bind(text)


def test_a_sysroot_may_be_read_only() -> None:
    assert parse_sysroot("root") == {"sysroot": "root", "sysroot_read_only": False}
    assert parse_sysroot("root:ro") == {"sysroot": "root", "sysroot_read_only": True}
    with pytest.raises(UsageError):
        parse_sysroot(":ro")


def test_policies() -> None:
    assert parse_policy("anywhere") == Policy("anywhere")
    assert parse_policy("kernel") == Policy("kernel", "6.12")
    assert parse_policy("kernel:6.1") == Policy("kernel", "6.1")
    for text in ("", "kernel:", "kernel:6", "Kernel", "anywhere:6.1"):
        with pytest.raises(UsageError):
            parse_policy(text)


def test_sizes_are_powers_of_1024() -> None:
    assert [parse_size(text) for text in ("1", "2K", "3m", "4G", "1T")] == [
        1,
        2048,
        3 << 20,
        4 << 30,
        1 << 40,
    ]
    for text in ("", "0", "-1", "1.5G", "1KB", "K"):
        with pytest.raises(ValueError, match="is not a size"):
            parse_size(text)


def test_event_files_have_comments_continuations_and_line_numbers() -> None:
    text = "# all\n\np:a ./x:1 \\\n\\\nv=%x0 # tail\n  \nr:b ./x:2\n-:a"
    assert [(words(line.text), line.number) for line in event_lines(text, "f")] == [
        ("p:a ./x:1 v=%x0", 3),
        ("r:b ./x:2", 7),
        ("-:a", 8),
    ]


def test_a_kernel_has_no_continued_lines() -> None:
    found = event_lines("p:a ./x:1 \\\nv=%x0\n", "f", continued=False)
    assert [line.text for line in found] == ["p:a ./x:1 \\", "v=%x0"]


def words(text: str) -> str:
    """A line as the event language sees it."""
    from uprobe_core.events.line import EventLine

    return str(EventLine.split(text))


def test_only_a_newline_ends_a_line() -> None:
    assert [line.text for line in event_lines("p ./x:1 a=%x0\x0bb=%x1\r\nr ./x:2\r\n", "f")] == [
        "p ./x:1 a=%x0\x0bb=%x1",
        "r ./x:2",
    ]


def test_a_file_that_ends_in_a_continuation_keeps_its_last_line() -> None:
    assert [words(line.text) for line in event_lines("p ./x:1 \\", "f")] == ["p ./x:1"]


@given(st.text())
def test_no_text_makes_an_event_file_that_cannot_be_read(text: str) -> None:
    for line in event_lines(text, "f"):
        assert words(line.text)
        assert 1 <= line.number <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("p:work ./x:1", "work"),
        ("r:g/work ./x:1", "g/work"),
        ("p:g.work ./x:1 a=%x0", "g.work"),
        ("p ./x:1", None),
        ("p:g/ ./x:1", None),
        ("", None),
    ],
)
def test_the_name_that_a_line_gives_its_event(line: str, name: str | None) -> None:
    assert event_name(line) == name


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("third:count:by=a", "third:count", {"by": "a"}),
        ("third:count:", "third:count", {}),
        ("count:name=a:b", "count", {"name": "a:b"}),
    ],
)
def test_a_name_may_say_its_package(text: str, name: str, options: dict[str, str]) -> None:
    use = ConsumerUse.parse(text)
    assert (use.name, use.options) == (name, options)
