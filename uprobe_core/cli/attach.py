"""``uprobe attach``: probes in a run that runs already, from another terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    from uprobe_core.control.client import RunControl

DESCRIPTION = """\
Add probes to a run that was started with uprobe run --control. Their records are shown here until
Ctrl-C, which takes them out again; with -C what consumers have found is shown then, or at the end
of the run. The run's own output stays as it is."""
EPILOG = """\
examples:
  uprobe attach 4242 -e 'p:work ./app:work n=%x0'
  uprobe attach 4242 -F 'libc:str*' -C summary
  uprobe attach /run/user/1000/app.sock -e 'p ./app:parse' -e 'r ./app:parse rv=$retval' --json

The run is named by its process id or by the path of its socket. An event without a group gets
one of its own. A program that runs into somebody who does not read waits a second, then records are
lost and counted.

exit status: 0 at Ctrl-C and at the end of the run, which is told on standard error; 2 for
wrong usage, for an event that cannot be added and where there is no such run."""

_MOST_NAMES = 8
"""Events that are named when they are added; more are counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("run", metavar="PID|SOCKET", help="the run")
    for flags, metavar, text in (
        (("-e", "--event"), "SPEC", "what is probed"),
        (("-F", "--functions"), "PATTERN", "every function that matches, as of uprobe run"),
        (("--exclude",), "GLOB", "not the functions whose name matches"),
        (("-C", "--consumer"), "NAME[:key=value,...]", "what to do with hits instead of showing them"),
        (("--filter",), "EVENT:EXPR", "only hits for which EXPR holds"),
    ):
        parser.add_argument(*flags, metavar=metavar, action="append", default=[], help=text)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Attach and show."""
    from uprobe_core.control.client import RunControl

    if not args.event and not args.functions:
        raise UsageError(
            "nothing to add", hint="-e SPEC adds an event, -F PATTERN every function that matches"
        )
    control = RunControl(args.run)
    try:
        wanted = {"functions": args.functions, "exclude": args.exclude, "consumers": args.consumer}
        answer = control.ask(do="add", events=args.event, filters=args.filter, **wanted)
        names = answer["events"]
        what = ", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} events"
        _say(f"attached: {what}; Ctrl-C detaches")
        for note in answer["notes"]:
            _say(f"note: {note}")
        return _show(control, as_json=args.json)
    except KeyboardInterrupt:
        _print(control.ask(do="report")["report"])
        return 0
    finally:
        control.close()


def _print(report: str) -> None:
    if report:
        print(report, flush=True)


def _say(text: str) -> None:
    print(f"uprobe: {text}", file=sys.stderr, flush=True)


def _show(control: RunControl, *, as_json: bool) -> int:
    import json  # not needed for help

    for message in control.messages():
        if message.get("kind") == "record":
            print(json.dumps(_record(message)) if as_json else message.get("text"), flush=True)
        elif message.get("kind") == "lost":
            _say(f"warning: {message.get('count')} records were lost: they were not read in time")
        elif message.get("kind") == "end":
            _print(str(message.get("report") or ""))
            why = f" ({message['reason']})" if message.get("reason") else ""
            _say(f"the run has ended with status {message.get('status')}{why}")
            return 0
    _say("the run is gone")
    return 0


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in ("kind", "text")}
