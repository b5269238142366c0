"""Whatever the text, the language answers with its one documented error, or reads back what it prints."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.events.support import ANYWHERE, KERNEL, make_language, parse_one, refusals
from tests.events.test_recorded_filters import HITS, event
from uprobe_core.errors import SpecError
from uprobe_core.event_model import DeleteSpec, EventSpec
from uprobe_core.events.filters import parse_filter
from uprobe_core.events.listing import listing_of
from uprobe_core.events.reading import source_lines
from uprobe_core.events.table import EventTable
from uprobe_core.events.triggers import parse_trigger
from uprobe_core.types import Policy

WORDS = (
    'p r - : x /root/loops:0x6d4 /bin/a:0 %x0 %lr +8( ) $stack 3 $retval $comm @0x10 \\5 \\"s" a= :u8 :string'
)
MORE = "@+4 :b4@0/8 [3] (0x10) # %return +u-8( $entry( $arg1 $latency %d0 $sum(%x0,%x1) . / g/"
FRAGMENTS = st.sampled_from([*WORDS.split(), *MORE.split(), " ", "  ", "\t"])
LINES = st.one_of(
    st.text(max_size=80),
    st.lists(FRAGMENTS, max_size=14).map("".join),
    st.lists(FRAGMENTS, max_size=10).map(lambda parts: "p:x /root/loops:0x6d4 " + "".join(parts)),
)
POLICIES = st.sampled_from([KERNEL, ANYWHERE])

numbers = st.integers(-(1 << 63), (1 << 63) - 1)
leaves = st.one_of(
    st.sampled_from(["%x0", "%sp", "%pstate", "$stack", "$stack7", "@0x10", "@+0x20", "@+-4"]),
    numbers.map(lambda n: f"\\{n}"),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.builds(
        "{}{}({})".format, st.sampled_from(["+", "-", "+u", "-u"]), st.integers(0, 999), inner
    ),
)
types = st.sampled_from(["", ":u8", ":s64", ":x16", ":char", ":b3@1/8", ":b60@4/64"])
arguments = st.lists(st.builds(str.__add__, expressions, types), max_size=5)


@settings(max_examples=400, deadline=None)
@given(LINES, POLICIES)
def test_parsing_any_text_raises_nothing_but_the_documented_error(text: str, policy: Policy) -> None:
    try:
        commands = make_language(policy).parse(text)
    except SpecError as error:
        caret, length = error.caret, len(error.line)
    else:
        caret, length = None, 0
        assert all(isinstance(command, EventSpec | DeleteSpec) for command in commands)
    assert caret is None or 0 <= caret <= length + 1


@settings(max_examples=300, deadline=None)
@given(
    arguments,
    st.sampled_from(["p", "r", "p:e", "r:g/e", "p:g/"]),
    st.integers(0, (1 << 64) - 1),
    st.booleans(),
)
def test_what_is_printed_reads_back_as_the_same(args: list[str], head: str, offset: int, ref: bool) -> None:
    line = f"{head} /root/loops:{offset:#x}{'(0x10)' * ref} {' '.join(args)}"
    try:
        first = parse_one(line)
    except SpecError:
        return  # too long or too deep; other tests say which
    again = parse_one(listing_of(first))
    assert again == first
    assert listing_of(again) == listing_of(first)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=6), POLICIES)
def test_a_file_of_any_lines_gives_a_place_for_each_problem(lines: list[str], policy: Policy) -> None:
    text = "\n".join(lines)
    table = EventTable(make_language(policy))
    for line, column, _slug in refusals(table, source_lines(text, "f", continued=not policy.is_kernel)):
        assert 1 <= line <= text.count("\n") + 1
        assert column >= 0
    assert all(line.startswith(("p:", "r:")) for line in table.listing())


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["a", "s", "zz", ">", "==", "&", "&&", "||", "!", "(", ")", "3", '"x*"', "~", " ", "CPUS{0}"]
            ),
            max_size=16,
        ).map("".join),
    )
)
def test_any_filter_or_trigger_text_is_taken_or_refused(text: str) -> None:
    spec = event(HITS["event"])
    for parse in (
        lambda: parse_filter(text, spec),
        lambda: parse_trigger(text, spec, lambda _name: True),
        lambda: parse_trigger("hist:" + text, spec, lambda _name: True),
    ):
        with suppress(SpecError):
            parse()
