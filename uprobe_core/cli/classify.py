"""``uprobe classify``: a stream of instruction words in, verdicts out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from uprobe_core.types import Analysis

DESCRIPTION = """\
Read 32-bit instruction words, one per line in hexadecimal, and write one line for
each: WORD<TAB>reject|simulate|step<TAB>reason. Text after the word and lines that
begin with '#' are passed over."""
EPILOG = """\
examples:
  echo d503201f | uprobe classify
  echo 58000040 | uprobe classify --policy kernel:6.1 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument(
        "--policy",
        default="anywhere",
        metavar="POLICY",
        help="kernel[:VERSION] or anywhere (default: anywhere)",
    )
    parser.add_argument("--arch", default="arm64", metavar="NAME", help="the architecture (default: arm64)")
    parser.add_argument(
        "--json", action="store_true", help="a JSON list with class, errno and source of each"
    )


def run(args: argparse.Namespace) -> int:
    """Classify standard input."""
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.probes.arch_ops import bind_arch
    from uprobe_core.value_types import parse_policy

    policy = parse_policy(args.policy)
    analyze = bind_arch(load_arch(args.arch)).analyze_insn
    analyze(b"\0\0\0\0", 0, policy)  # an unknown kernel version is refused before any output
    verdicts = ((word, analyze(word.to_bytes(4, "little"), 0, policy)) for word in _words(sys.stdin))
    if args.json:
        _write_json(verdicts)
    else:
        write = sys.stdout.write
        for word, found in verdicts:
            write(f"{word:08x}\t{found.verdict.value}\t{found.reason}\n")
    return 0


def _words(lines: Iterable[str]) -> Iterator[int]:
    """The words of a stream; raises UsageError that names the line of one that is none."""
    for number, line in enumerate(lines, 1):
        fields = line.split(None, 1)
        if not fields or fields[0].startswith("#"):
            continue
        try:
            word = int(fields[0], 16)
        except ValueError:
            word = -1
        if not 0 <= word < 1 << 32:
            raise UsageError(
                f"line {number}: {fields[0]!r} is not a 32-bit word in hexadecimal",
                hint="one word per line, such as d503201f",
                slug="bad-word",
            )
        yield word


def as_json(word: int, found: Analysis) -> dict[str, Any]:
    """One verdict as plain JSON data."""
    return {
        "word": f"{word:08x}",
        "verdict": found.verdict.value,
        "class": found.insn_class,
        "reason": found.reason,
        "errno": found.errno_name,
        "special": found.special,
        "defect": found.defect,
        "source": found.source,
    }


def _write_json(verdicts: Iterable[tuple[int, Analysis]]) -> None:
    """A JSON list, one element per line, written as it is found."""
    import json

    separator = "[\n"
    for word, found in verdicts:
        sys.stdout.write(f"{separator}{json.dumps(as_json(word, found), ensure_ascii=False)}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")
