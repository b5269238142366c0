"""``uprobe events``: the events of a run that runs, and switching them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
List the events of a run that was started with uprobe run --control, with their hits so far,
or enable, disable or remove one."""
EPILOG = """\
examples:
  uprobe events 4242
  uprobe events app.sock --disable work
  uprobe events app.sock --json

exit status: 2 for wrong usage and where there is no such run or event."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("run", metavar="PID|SOCKET", help="the run")
    for what, words in (
        ("enable", "let it do again what it does at a hit"),
        ("disable", "let it do nothing at a hit"),
        ("remove", "take its probes out; what it has found stays"),
    ):
        parser.add_argument(f"--{what}", metavar="EVENT", action="append", default=[], help=words)
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Switch what is to be switched, then list if nothing was."""
    from uprobe_core.control.client import RunControl

    control = RunControl(args.run)
    try:
        asked = [(what, name) for what in ("enable", "disable", "remove") for name in getattr(args, what)]
        for what, name in asked:
            control.ask(do=what, event=name)
        if asked and not args.json:
            return 0
        listing = control.ask(do="list")
    finally:
        control.close()
    from uprobe_core.cli.output import print_json, print_table

    if args.json:
        print_json({"pid": listing["pid"], "events": listing["events"]})
    else:
        rows = [
            (row["event"], "on" if row["enabled"] else "off", str(row["hits"]), row["line"])
            for row in listing["events"]
        ]
        print_table(rows, header=("event", "", "hits", "line"))
    return 0
