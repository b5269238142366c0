"""``uprobe compare``: what two runs do not have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from uprobe_core.comparing.difference import CountChange, Parting

DESCRIPTION = """\
Compare two runs: which events were hit more or less, what consumers counted differently,
and the first point where the traces of each task part. A run is a file of records
(--format jsonl), a report (--report), or a set-up file, which is run for it."""
EPILOG = """\
examples:
  uprobe compare before.jsonl after.jsonl
  uprobe compare before.json after.json
  uprobe compare --json old.toml new.toml

Of records, times, addresses and ids are not compared; tasks are matched by the order of
their first hits.

exit status: 0 if there is no difference, 1 if there is one, 2 for wrong usage, 125 if
a run failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("first", metavar="A", help="the run to compare with")
    parser.add_argument("second", metavar="B", help="the other run")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Compare and tell."""
    from uprobe_core.comparing.difference import count_changes, partings
    from uprobe_core.comparing.recorded_run import read_run

    both = (args.first, args.second)
    first, second = (read_run(path, both) for path in both)
    changes, parted = count_changes(first, second), partings(first, second)
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json({"counts": [c.as_json() for c in changes], "partings": [p.as_json() for p in parted]})
    else:
        _print(changes, parted)
    return int(bool(changes or parted))


def _print(changes: list[CountChange], parted: list[Parting]) -> None:
    from uprobe_core.cli.output import print_table

    if not changes and not parted:
        print("no difference")
    rows = [(f"{c.second - c.first:+}", str(c.first), str(c.second), c.name) for c in changes]
    if rows:
        print_table(rows, header=("change", "A", "B", "what"))
    for parting in parted:
        print("\n".join(parting.lines()))
