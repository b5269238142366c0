"""Three opinions on the encoding space: the decode table, capstone and SLEIGH.

Every row of the table is sampled, systematically (each free bit alone, set and
clear) and at random, and the opinions are compared.  What they disagree about
is listed in tests/data/decoder_disagreements.toml with who is right and why.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from uprobe_arm64.decode import analyze, find_row
from uprobe_arm64.decode_table import ROWS
from uprobe_arm64.rows import Row

from uprobe_core.decoder import Decoded
from uprobe_core.types import Policy, Verdict

pytest.importorskip("pypcode", reason="the second opinion needs pypcode")
pytest.importorskip("capstone", reason="the first opinion needs capstone")

pytestmark = pytest.mark.thorough

LISTED = Path(__file__).parent.parent / "data" / "decoder_disagreements.toml"
RANDOM_WORDS_PER_ROW = 300
ADDRESS = 0x40_0000
WHOLE = 0xFFFF_FFFF
RARE = (0x859FC523, 0x64BC4D72)
"""Words of listed disagreements that a sample can miss: prfd with Rm 31; fmlalt z18.s, z11.h, z4.h[7]."""

Disagreement = tuple[str, str, bool, str]
"""(decoder, question, the decoder's answer, class), as in the list."""
Opinions = dict[int, tuple[Decoded | None, Decoded | None]]
"""Per word, what capstone and what SLEIGH made of it."""


def sample() -> Iterator[int]:
    """Words for every row; the same ones in every run."""
    source = random.Random(20241)
    yield from RARE
    for row in ROWS:
        free = ~row.mask & WHOLE
        yield from (row.value, row.value | free)
        for bit in range(32):
            if free >> bit & 1:
                yield row.value | 1 << bit
                yield row.value | free & ~(1 << bit)
        for _ in range(RANDOM_WORDS_PER_ROW if free else 0):
            yield row.value | source.getrandbits(32) & free


def class_of(row: Row) -> str:
    return f"unallocated: {row.source}" if row.name == "unallocated" else row.name


def differences(row: Row, name: str, decoded: Decoded | None) -> Iterator[Disagreement]:
    """Where the decoder *name* contradicts what *row* claims."""
    if row.allocated is not None and (decoded is not None) != row.allocated:
        yield name, "defined", decoded is not None, class_of(row)
    if decoded is None or row.allocated is False:
        return
    if decoded.branches is not None and decoded.branches != row.branches:
        yield name, "branches", decoded.branches, class_of(row)
    if decoded.reads_pc is not None and decoded.reads_pc != row.reads_pc:
        yield name, "reads_pc", decoded.reads_pc, class_of(row)


def compare(word: int, first: Decoded | None, second: Decoded | None) -> Iterator[Disagreement]:
    row = find_row(word)
    yield from differences(row, "capstone", first)
    yield from differences(row, "sleigh", second)
    if row.allocated is None and (first is None) != (second is None):
        yield "sleigh" if first is None else "capstone", "alone", True, class_of(row)


@pytest.fixture(scope="module")
def opinions() -> Opinions:
    """What capstone and SLEIGH make of every word of the sample."""
    from uprobe_capstone import CapstoneDecoder
    from uprobe_sleigh import SleighDecoder

    capstone, sleigh = CapstoneDecoder(), SleighDecoder()
    words = {word: word.to_bytes(4, "little") for word in sample()}
    return {
        word: (capstone.decode(code, ADDRESS), sleigh.decode(code, ADDRESS)) for word, code in words.items()
    }


@pytest.fixture(scope="module")
def found(opinions: Opinions) -> dict[Disagreement, int]:
    """Every disagreement in the sample, with the first word that shows it."""
    result: dict[Disagreement, int] = {}
    for word, (first, second) in opinions.items():
        for difference in compare(word, first, second):
            result.setdefault(difference, word)
    return result


@pytest.fixture(scope="module")
def listed() -> dict[Disagreement, dict[str, Any]]:
    """The checked list, one entry per class."""
    entries = tomllib.loads(LISTED.read_text())["disagreement"]
    return {
        (entry["decoder"], entry["question"], entry["says"], name): entry
        for entry in entries
        for name in entry["classes"]
    }


def test_no_disagreement_is_unlisted(found: dict[Disagreement, int], listed: dict[Disagreement, Any]) -> None:
    new = {key: f"{word:08x}" for key, word in found.items() if key not in listed}
    assert new == {}


def test_no_listed_disagreement_is_gone(
    found: dict[Disagreement, int], listed: dict[Disagreement, Any]
) -> None:
    assert sorted(set(listed) - set(found)) == []


def test_each_entry_says_who_is_right_and_why(listed: dict[Disagreement, dict[str, Any]]) -> None:
    for entry in listed.values():
        assert entry["right"] in {"table", "decoder", "nobody"}
        assert len(entry["why"]) > 20


def test_about_the_pc_the_table_is_right_everywhere(listed: dict[Disagreement, dict[str, Any]]) -> None:
    """Which is what stepping out of line depends on."""
    for (_, question, _, name), entry in listed.items():
        if question in {"branches", "reads_pc"}:
            assert entry["right"] == "table", name


def plainly_stepped(word: int) -> bool:
    """Whether some policy runs *word* in a slot and knows of nothing wrong with that."""
    for policy in (Policy("anywhere"), Policy("kernel", "6.12")):
        analysis = analyze(word, ADDRESS, policy)
        if analysis.verdict is Verdict.STEP and not analysis.special and not analysis.defect:
            return True
    return False


def test_what_a_slot_runs_neither_branches_nor_reads_the_pc_by_any_opinion(opinions: Opinions) -> None:
    wrong = {
        decoded.text
        for word, decoded_words in opinions.items()
        if plainly_stepped(word)
        for decoded in decoded_words
        if decoded is not None and (decoded.branches or decoded.reads_pc)
    }
    # A kernel steps DRPS, which is undefined outside debug state, in a slot as elsewhere.
    assert wrong <= {"drps"}
