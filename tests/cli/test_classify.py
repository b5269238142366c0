"""``uprobe classify``: a stream of words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import uprobe, uprobe_json

KERNEL = Path(__file__).parents[1] / "data" / "kernel" / "classify.tsv"
SAID_BY_KERNEL = {"sim": "simulate", "xol": "step"}


def test_a_line_per_word_with_verdict_and_reason() -> None:
    done = uprobe("classify", "--policy", "kernel", stdin="14000001\nd503201f\n58000040\n")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(word, verdict) for word, verdict, _ in rows] == [
        ("14000001", "simulate"),  # b
        ("d503201f", "step"),  # nop
        ("58000040", "reject"),  # ldr x0, literal
    ]
    assert all(reason for _, _, reason in rows)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("policy", "column"), [("kernel:6.1", 1), ("kernel:6.12", 2), ("kernel", 2), ("kernel:7.3", 3)]
)
def test_verdicts_are_those_of_the_recorded_kernel(policy: str, column: int) -> None:
    rows = [line.split("\t") for line in KERNEL.read_text().splitlines() if not line.startswith("#")]
    done = uprobe("classify", "--policy", policy, stdin=KERNEL.read_text())
    ours = [line.split("\t")[:2] for line in done.stdout.splitlines()]
    assert ours == [[row[0], SAID_BY_KERNEL.get(row[column], "reject")] for row in rows]


def test_words_may_have_a_prefix_text_after_them_and_comments_between() -> None:
    done = uprobe("classify", stdin="# what\n\n0xD503201F nop\n")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["d503201f"]


def test_json_is_one_list() -> None:
    found = uprobe_json("classify", "--policy", "kernel", stdin="58000040\n")
    assert [(x["word"], x["verdict"], x["errno"]) for x in found] == [("58000040", "reject", "EINVAL")]
    assert uprobe_json("classify", stdin="") == []


@pytest.mark.parametrize("word", ["xyz", "1d503201f", "-1"])
def test_what_is_not_a_word_is_named_with_its_line(word: str) -> None:
    done = uprobe("classify", stdin=f"d503201f\n{word}\n")
    assert done.returncode == 2
    assert done.stdout.startswith("d503201f\t")
    assert f"line 2: '{word}' is not a 32-bit word in hexadecimal" in done.stderr


def test_an_unknown_kernel_version_is_refused_before_any_output() -> None:
    done = uprobe("classify", "--policy", "kernel:2.6", stdin="d503201f\n")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "2.6" in done.stderr


def test_a_hundred_thousand_words_pass() -> None:
    words = "".join(f"{(i * 2654435761) & 0xFFFFFFFF:08x}\n" for i in range(100_000))
    assert uprobe("classify", stdin=words).stdout.count("\n") == 100_000


def test_json_of_many_words_parses() -> None:
    words = "".join(f"{i:08x}\n" for i in range(1000))
    assert len(json.loads(uprobe("classify", "--json", stdin=words).stdout)) == 1000
