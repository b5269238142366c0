"""``uprobe run``: the main job."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from uprobe_core.errors import SpecError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from uprobe_core.backend import ExitStatus
    from uprobe_core.run_setup import RunSetup

DESCRIPTION = """\
Run an arm64 program with probes. Its standard streams are ours, its exit status is
ours too. Without -C every hit is written as a line of trace text, to standard error
or to the file of -o; what consumers found is written there at the end."""
EPILOG = """\
examples:
  entry and return of a function, with an argument and the return value:
    uprobe run -e 'p:work ./loop:work a=%x0' -e 'r:ret ./loop:work rv=$retval' -- ./loop 3
  calls counted by argument, nothing recorded:
    uprobe run -C latency -e 'p:work ./loop:work' -- ./loop 1000
  only what is interesting, as JSON lines in a file:
    uprobe run --filter 'work:a > 2' --format jsonl -o hits.jsonl -e 'p:work ./loop:work a=%x0' ./loop 9
  the calls of functions and system calls, each in what makes it:
    uprobe run -F 'w*' -F main -S -- ./loop 3
  what its functions cost, and where the work is, without a probe:
    uprobe run -F ./loop -C summary -C profile:every=100 -- ./loop 1000
  all of it as a page for a browser:
    uprobe run -F ./loop -S --report loop.html -o /dev/null -- ./loop 3
  everything from a file:
    uprobe run -c loop.toml

exit status: the program's, 128+N if signal N killed it, 123 if it ended well and an
expectation did not hold, 124 if a limit ended the run, 125 if uprobe failed, 126 or
127 if the program cannot be executed or found."""


UNMET = 123
"""The program ended well and an expectation did not hold."""
_CALLERS = 8
"""Of a crash, as far as they are said."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from uprobe_core.cli.setup_options import add_options

    parser.usage = "uprobe run [options] [--] PROGRAM [ARG...]"
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the program; its status is ours."""
    from uprobe_core.cli.gathering import gather

    gathered = gather(args)
    if gathered.problems:
        from uprobe_core.setup.problems import SetupFileError

        raise SetupFileError(gathered.problems)
    if gathered.axes:
        raise UsageError(
            f"the set-up has a matrix of {', '.join(gathered.axes)}: it means many runs",
            hint="uprobe sweep runs them; --var NAME=VALUE does not take the place of an axis",
        )
    setup = gathered.setup
    if not setup.argv and setup.address is None:
        args.usage_error("no PROGRAM: uprobe run [options] [--] PROGRAM [ARG...]")
    _check_decoder(setup.decoder)
    try:
        return _run(setup)
    except SpecError as error:
        _note_source(error, setup)
        raise


def _check_decoder(name: str) -> None:
    """Raise UsageError or PluginError for a wrong name at once, although a run rarely needs its decoder."""
    if name != "auto":
        from uprobe_core.discovery.decoder import choose_decoder

        choose_decoder(name)


def _note_source(error: SpecError, setup: RunSetup) -> None:
    """Note in *error* which file and line it comes from, if it is an event line of a file."""
    from uprobe_core.cli.check import where_of
    from uprobe_core.events.line import EventLine as Words

    quotes = not setup.policy.is_kernel
    for line in setup.events:
        if line.source != "-e" and str(Words.split(line.text, quotes=quotes)) == error.line:
            error.add_note(where_of(line, error))
            return


def _run(setup: RunSetup) -> int:
    """One session from opening to closing; the status to exit with."""
    from uprobe_core.cli.printing import printing_aside
    from uprobe_core.cli.process import collect_from_now_on, confine
    from uprobe_core.session.session import Session

    # What we printed so far must come before what the program writes to the same file.
    if sys.stdout is not None:  # it is None when the caller closed it
        sys.stdout.flush()
    with Session.from_setup(setup) as session:
        confine(session)
        session.open()
        collect_from_now_on()
        with printing_aside():
            status = _exit_status(session.run(), setup, session.name_of)
        unmet = any(not outcome.held for outcome in session.outcomes)
    return status or (UNMET if unmet else 0)


def _exit_status(status: ExitStatus, setup: RunSetup, name_of: Callable[[int], str]) -> int:
    """The status to exit with; an end that was not the program's own is said on standard error."""
    from uprobe_core.target import ENDED_BY

    if not status.reason:
        _say_if_crashed(status, name_of)
    if not status.reason or status.reason in ENDED_BY:
        return status.shell_status
    limits = setup.limits
    named = {
        "timeout": f"after {limits.seconds:g} s" if limits.seconds is not None else "",
        "max-insns": f"after {limits.instructions} instructions",
        "memory": f"it wanted more than {limits.memory} bytes",
    }
    detail = f" ({named[status.reason]})" if named.get(status.reason) else ""
    print(f"uprobe: the run was ended: {status.reason}{detail}", file=sys.stderr)
    return status.shell_status


def _say_if_crashed(status: ExitStatus, name_of: Callable[[int], str]) -> None:
    """Say which signal killed the program, if it is one of a crash, and where, as far as that is known."""
    from uprobe_core.target import CRASHES

    name = CRASHES.get(status.signal)
    if name is None:
        return
    where = "" if status.pc is None else name_of(status.pc)
    at = "" if status.pc is None else f" at {status.pc:#x}{f' in {where}' if where else ''}"
    fault = "" if status.fault_address is None else f" (fault address {status.fault_address:#x})"
    print(f"uprobe: the program was killed by {name}{at}{fault}", file=sys.stderr)
    if callers := [frame.name for frame in status.stack[1:]]:
        more = ", ..." if callers[_CALLERS:] else ""
        print(f"uprobe:   called from {', '.join(callers[:_CALLERS])}{more}", file=sys.stderr)
