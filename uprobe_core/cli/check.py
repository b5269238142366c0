"""``uprobe check``: is this set-up good, all problems at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import ConfigError, SpecError, UprobeError
from uprobe_core.events.listing import listing_of

if TYPE_CHECKING:
    import argparse

    from uprobe_core.run_setup import EventLine
    from uprobe_core.session.check import CheckResult, LineResult, Problem
    from uprobe_core.setup.problems import ConfigProblem

DESCRIPTION = """\
Validate event lines and everything that belongs to them without running a program.
Every problem is reported, each with the kernel's message and a caret, and what to do."""
EPILOG = """\
examples:
  uprobe check -e 'p:work ./loop:work a=%x0'
  uprobe check -f probes.txt --list            as the kernel would list them
  uprobe check -e 'p:w ./loop:work s=+8(%x1):string' --explain
  uprobe check -c loop.toml --json

exit status: 0 if the set-up is good, else what 'uprobe run' would fail with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    from uprobe_core.cli.setup_options import add_options

    parser.usage = "uprobe check [options] [[--] PROGRAM [ARG...]]"
    add_options(parser)
    show = parser.add_argument_group("what is shown")
    show.add_argument("--list", action="store_true", help="print the events as uprobe_events lists them")
    show.add_argument("--explain", action="store_true", help="print each argument's compiled fetch program")
    show.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Check a set-up."""
    from uprobe_core.cli.gathering import gather
    from uprobe_core.session.check import check_setup

    if not args.given and not args.program:
        args.usage_error("nothing to check: give -e SPEC, -f FILE or -c TOML")
    gathered = gather(args)
    # Event lines may be checked by themselves; a set-up file, or a program, makes it a run.
    whole = any(row.name == "config" for row, *_ in args.given)
    whole = whole and all(problem.key != "argv" for problem in gathered.problems)
    result = check_setup(gathered.setup, whole=whole)
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json(_as_json(result, gathered.problems, explain=args.explain))
    else:
        _print(result, gathered.problems, args)
    if gathered.problems:
        return ConfigError.exit_status
    error = result.first_error
    return 0 if error is None else error.exit_status


def where_of(line: EventLine, error: UprobeError | None = None) -> str:
    """``FILE:LINE:COLUMN: `` of an error, ``FILE:LINE: `` of a line, or ``-e: ``."""
    from uprobe_core.events.reading import SourceLine

    if not line.number:
        return f"{line.source}: "
    if not isinstance(error, SpecError) or error.caret is None:
        return f"{line.source}:{line.number}: "
    row, column = SourceLine(line.text, line.source, line.number).position(error.caret)
    return f"{line.source}:{row}:{column}: "


def _print(result: CheckResult, problems: list[ConfigProblem], args: argparse.Namespace) -> None:
    """The same for people: problems to standard error, the rest to standard output."""
    from uprobe_core.cli.failures import print_error

    if problems:
        from uprobe_core.setup.problems import SetupFileError

        print_error(SetupFileError(problems))
    for found in result.lines:
        if found.error is not None:
            print_error(found.error, where=where_of(found.line, found.error))
        for warning in found.warnings:
            print(f"{where_of(found.line)}warning: {warning}", file=sys.stderr)
        for note in found.notes:
            print(f"{where_of(found.line)}note: {note}", file=sys.stderr)
        if args.explain:
            _print_programs(found)
    for problem in result.others:
        print_error(problem.error, where=f"{problem.what}: ")
    if args.list:
        print("".join(f"{line}\n" for line in result.listing), end="")
    elif result.first_error is None and not problems and not args.explain:
        count = len(result.listing)
        print(f"ok: {count} location{'s' if count != 1 else ''}")


def _print_programs(found: LineResult) -> None:
    """What runs at a hit, for each location of a line."""
    from uprobe_core.events.explain import explain

    for spec in found.specs:
        print("\n".join(explain(spec)))


def _as_json(
    result: CheckResult, problems: list[ConfigProblem] | None = None, *, explain: bool
) -> dict[str, Any]:
    """Everything as plain JSON data."""
    wrong_files = [
        {"what": each.where, "slug": ConfigError.slug, "message": each.message, "hint": each.hint}
        for each in problems or ()
    ]
    return {
        "ok": result.first_error is None and not wrong_files,
        "lines": [_line_as_json(found, explain=explain) for found in result.lines],
        "others": [*wrong_files, *(_problem_as_json(each) for each in result.others)],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    error = problem.error
    told = {"what": problem.what, "slug": error.slug, "message": error.message, "hint": error.hint}
    return told | _position(error)


def _position(error: object) -> dict[str, Any]:
    """Where in its text a malformed filter or trigger is wrong."""
    return {"caret": error.caret, "errname": error.errno_name} if isinstance(error, SpecError) else {}


def _line_as_json(found: LineResult, *, explain: bool) -> dict[str, Any]:
    """One line: a kernel's answer (errno 0 for success, "" where it logs no message), then ours.

    A kernel takes a line whose place cannot be probed; that shows when the event is enabled.
    """
    from uprobe_core.events.kernel_messages import ERRNO

    ours = found.error
    error = ours if isinstance(ours, SpecError) else None
    document: dict[str, Any] = {
        "line": found.line.text,
        "source": found.line.source,
        "number": found.line.number,
        "errno": 0 if error is None else ERRNO.get(error.errno_name, 22),
        "errname": "0" if error is None else error.errno_name,
        "message": error.message if error is not None and error.logged else "",
        "caret": None if error is None else error.caret,
        "listing": [listing_of(spec) for spec in found.specs],
        "slug": "" if ours is None else ours.slug,
        "detail": "" if ours is None else ours.message,
        "hint": "" if ours is None else ours.hint,
        "warnings": found.warnings,
    }
    if explain:
        from uprobe_core.events.explain import explain as explain_spec

        document["programs"] = [explain_spec(spec) for spec in found.specs]
    return document
