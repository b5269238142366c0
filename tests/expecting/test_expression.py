"""The language of expectations: what is written, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uprobe_core.errors import UsageError
from uprobe_core.expecting.expression import Quantity, parse_expectation
from uprobe_core.expecting.outcome import Outcome, judge
from uprobe_core.expecting.quantities import Unknown

NUMBERS = {"a.hits": 3, "b.hits": 0, "m.sum(n)": 2000, "w.latency.p99": 19_999}
BEFORE = {"m.sum(n)": 1900}


def lookup_in(numbers: Mapping[str, float]) -> Any:
    def lookup(quantity: Quantity) -> float:
        if str(quantity) not in numbers:
            raise Unknown("nobody counted")
        return numbers[str(quantity)]

    return lookup


def judged(text: str) -> Outcome:
    return judge(parse_expectation(text), lookup_in(NUMBERS), lookup_in(BEFORE))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a.hits == 3", True),
        ("a.hits != 3", False),
        ("a.hits == 3 && b.hits == 0", True),
        ("a.hits == 4 || b.hits == 0", True),
        ("!(a.hits == 4) && !b.hits", True),
        ("a.hits * 2 + 1 == 7", True),
        ("a.hits + 1 * 2 == 5", True),
        ("10 - a.hits - 2 == 5", True),
        ("-a.hits < 0", True),
        ("a.hits / 2 == 1.5", True),
        ("a.hits == 0x3", True),
        ("w.latency.p99 < 20us", True),
        ("w.latency.p99 < 0.019ms", False),
        ("m.sum(n) < 2K", True),
        ("m.sum(n) <= baseline * 1.06", True),
        ("m.sum(n) <= baseline * 1.05", False),
        ("baseline + 100 == m.sum(n)", True),
    ],
)
def test_an_expectation_means_what_it_says(text: str, held: bool) -> None:
    assert judged(text).held is held


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.hits ==",
        "== 3",
        "a.hits == 3 4",
        "(a.hits",
        "a.hits == 3m",
        "a.sum(n",
        "a.hits = 3",
        "08 == 8",
        "a..b",
    ],
)
def test_what_is_no_expectation_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_expectation(text)
    assert caught.value.slug == "bad-expectation"
    assert "work.hits == 5" in caught.value.hint


def test_parentheses_without_end_are_refused() -> None:
    with pytest.raises(UsageError, match="too many parentheses"):
        parse_expectation("(" * 5000 + "1" + ")" * 5000)


def test_a_chain_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="too many operators"):
        parse_expectation("1" + "+1" * 5000)


def test_an_argument_is_a_text_of_its_own() -> None:
    (quantity,) = parse_expectation('work.hits(name == "a)" && (a > 1)) == 1').quantities
    assert quantity == Quantity("work", ("hits",), 'name == "a)" && (a > 1)')


def test_what_nobody_counted_is_no_expectation_that_held() -> None:
    outcome = judged("!c.hits")
    assert not outcome.held
    assert str(outcome) == "!c.hits: c.hits is not known: nobody counted"


def test_a_division_by_nothing_is_said() -> None:
    assert str(judged("a.hits / b.hits < 2")).endswith("it divides by zero")


def test_an_outcome_names_the_numbers_that_were_found() -> None:
    assert str(judged("m.sum(n) <= baseline * 1.05")) == (
        "m.sum(n) <= baseline * 1.05: m.sum(n) is 2000, the baseline is 1900"
    )


def test_what_the_baseline_does_not_have_is_said() -> None:
    assert "a.hits is not known of the baseline" in str(judged("a.hits <= baseline"))


def test_a_baseline_that_nothing_is_compared_with_is_said() -> None:
    assert str(judged("baseline")).endswith("baseline is not compared with anything")


@given(
    st.recursive(
        st.integers(1, 99).map(str),
        lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
    )
)
def test_arithmetic_is_that_of_python(text: str) -> None:
    assert judge(
        parse_expectation(f"{text} == {eval(text)}".replace("== -", "== -1 * ")), lookup_in({}), None
    ).held


@given(st.text(alphabet='ab1.0x()&|!<>=+-*/" us', max_size=30))
def test_any_text_is_an_expectation_or_refused_in_words(text: str) -> None:
    try:
        expectation = parse_expectation(text)
    except UsageError:
        return
    judge(expectation, lookup_in({}), None)
