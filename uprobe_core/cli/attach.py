"""``uprobe attach``: probes in a run that runs already, from another terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    from uprobe_core.control.client import RunControl

DESCRIPTION = """\
Add probes to a run that was started with uprobe run --control, and show their records here
until Ctrl-C, which takes them out again. The run's own output stays as it is."""
EPILOG = """\
examples:
  uprobe attach 4242 -e 'p:work ./app:work n=%x0'
  uprobe attach /run/user/1000/app.sock -e 'p ./app:parse' -e 'r ./app:parse rv=$retval' --json

The run is named by its process id or by the path of its socket. An event without a group gets
one of its own. A program that runs into somebody who does not read waits a second, then records are
lost and counted.

exit status: 0 at Ctrl-C and at the end of the run, which is told on standard error; 2 for
wrong usage, for an event that cannot be added and where there is no such run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("run", metavar="PID|SOCKET", help="the run")
    parser.add_argument(
        "-e", "--event", metavar="SPEC", action="append", required=True, help="what is probed"
    )
    parser.add_argument(
        "--filter", metavar="EVENT:EXPR", action="append", default=[], help="only hits for which EXPR holds"
    )
    parser.add_argument("-C", "--consumer", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Attach and show."""
    from uprobe_core.control.client import RunControl

    if args.consumer:
        raise UsageError(
            f"-C {args.consumer[0]}: a run gets no consumers while it runs",
            hint="start it with them, `uprobe events` counts hits, and --json has records for other programs",
        )
    control = RunControl(args.run)
    try:
        answer = control.ask(do="add", events=args.event, filters=args.filter)
        _say(f"attached: {', '.join(answer['events'])}; Ctrl-C detaches")
        if answer.get("note"):
            _say(f"note: {answer['note']}")
        return _show(control, as_json=args.json)
    except KeyboardInterrupt:
        return 0
    finally:
        control.close()


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
            why = f" ({message['reason']})" if message.get("reason") else ""
            _say(f"the run has ended with status {message.get('status')}{why}")
            return 0
    _say("the run is gone")
    return 0


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in ("kind", "text")}
