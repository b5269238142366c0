"""Options of consumers that do not fit: the wrong one alone is named, with what is right."""

from __future__ import annotations

import pytest
from uprobe_counter import CoverageConsumer, ProfileConsumer, SummaryConsumer

from uprobe_core.errors import UsageError


@pytest.mark.parametrize(
    ("consumer", "options", "said", "hint"),
    [
        (
            SummaryConsumer,
            {"sort": "size"},
            "option 'sort' of consumer summary is 'size'",
            "sort is one of total, own",
        ),
        (SummaryConsumer, {"top": "-1"}, "option 'top' of consumer summary is -1", "top is at least 0"),
        (ProfileConsumer, {"every": "0"}, "option 'every' of consumer profile is 0", "every is at least 1"),
        (
            ProfileConsumer,
            {"top": "x"},
            "option 'top' of consumer profile is 'x', not a whole number",
            "for example",
        ),
        (
            CoverageConsumer,
            {"whole": "maybe"},
            "option 'whole' of consumer coverage is 'maybe'",
            "whole is one of yes, no",
        ),
        (
            CoverageConsumer,
            {"sort": "x", "top": "3"},
            "option 'sort' of consumer coverage is 'x'",
            "sort is one of",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    consumer: type[SummaryConsumer | ProfileConsumer | CoverageConsumer],
    options: dict[str, str],
    said: str,
    hint: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        consumer(options)
    assert caught.value.message == said
    assert (caught.value.hint or "").startswith(hint)
    assert caught.value.slug == "bad-option"
