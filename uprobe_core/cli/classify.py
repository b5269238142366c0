"""``uprobe classify``: a stream of instruction words in, verdicts out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError
from uprobe_core.run_setup import DEFAULT_ARCH

if TYPE_CHECKING:
    import argparse

    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.types import Analysis

DESCRIPTION = """\
Read instruction words, one per line in hexadecimal, and write one line for
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
    parser.add_argument(
        "--arch", default=DEFAULT_ARCH, metavar="NAME", help=f"the architecture ({DEFAULT_ARCH})"
    )
    parser.add_argument(
        "--json", action="store_true", help="a JSON list with class, errno and source of each"
    )


def run(args: argparse.Namespace) -> int:
    """Classify standard input."""
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.probes.arch_ops import bind_arch, check_policy
    from uprobe_core.value_types import parse_policy

    policy = parse_policy(args.policy)
    arch = bind_arch(load_arch(args.arch))
    check_policy(arch, policy)  # an unknown kernel version is refused before any output
    analyze, size = arch.analyze_insn, arch.info.slot_bytes
    verdicts = (analyze(word.to_bytes(size, "little"), 0, policy) for word in _words(sys.stdin, size))
    if args.json:
        _write_json(verdicts, arch)
    else:
        write = sys.stdout.write
        for found in verdicts:
            write(f"{arch.encoding_of(found)}\t{found.verdict.value}\t{found.reason}\n")
    return 0


def _words(lines: Iterable[str], size: int) -> Iterator[int]:
    """The words of a stream, of *size* bytes at most.

    Raises UsageError that names the line of one that is none.
    """
    for number, line in enumerate(lines, 1):
        fields = line.split(None, 1)
        if not fields or fields[0].startswith("#"):
            continue
        try:
            word = int(fields[0], 16)
        except ValueError:
            word = -1
        if not 0 <= word < 1 << 8 * size:
            raise UsageError(
                f"line {number}: {fields[0]!r} is not a {8 * size}-bit word in hexadecimal",
                hint="one word per line, such as d503201f",
                slug="bad-word",
            )
        yield word


def as_json(found: Analysis, arch: ArchOps) -> dict[str, Any]:
    """One verdict as plain JSON data."""
    return {
        "word": arch.encoding_of(found),
        "verdict": found.verdict.value,
        "class": found.insn_class,
        "reason": found.reason,
        "errno": found.errno_name,
        "special": found.special,
        "defect": found.defect,
        "source": found.source,
    }


def _write_json(verdicts: Iterable[Analysis], arch: ArchOps) -> None:
    """A JSON list, one element per line, written as it is found."""
    import json

    separator = "[\n"
    for found in verdicts:
        sys.stdout.write(f"{separator}{json.dumps(as_json(found, arch), ensure_ascii=False)}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")
