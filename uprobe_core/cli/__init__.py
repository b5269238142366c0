"""The command line: ``uprobe`` and its sub-commands, one module each.

Only the module of the sub-command that was named is imported, so that
``uprobe --help`` costs no more than argparse does.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # whatever is imported here the command cannot find in its own way
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Command(Protocol):
        """What a module of this package offers for its sub-command."""

        DESCRIPTION: str
        EPILOG: str

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            """Declare options and arguments."""
            ...

        def run(self, args: argparse.Namespace) -> int:
            """Do it; returns the exit status, raises UprobeError."""
            ...


__all__ = ("COMMANDS", "build_parser", "main")

COMMANDS = {
    "run": "run a program with probes; exit with the program's status",
    "attach": "add probes to a run that runs already, and show their records",
    "events": "the events of a run that runs: list, enable, disable, remove",
    "check": "validate a set-up without running anything",
    "classify": "verdicts for instruction words from standard input",
    "why": "can this place be probed, and why (not)",
    "list": "what can be probed in a program: functions and USDT markers",
    "compare": "what two runs do not have in common",
    "sweep": "many runs of one set-up, as tables",
    "query": "SQL over what a sweep found",
    "new-plugin": "a project to start a plugin from",
    "plugins": "what is installed, what failed to load, and why",
    "doctor": "whether everything is in order, and which engine runs and why",
}
"""Sub-commands and what they do in one line."""

_EPILOG = """\
examples:
  uprobe run -e 'p:work ./loop:work a=%x0' -e 'r:ret ./loop:work rv=$retval' -- ./loop 3
  uprobe run -C latency -e 'p:work ./loop:work' -- ./loop 1000
  uprobe run -F 'w*' -F main -S -- ./loop 3
  uprobe list ./loop 'w*'
  uprobe why ./loop work+4

exit status: the program's own, 128+N if signal N killed it, 124 if a limit ended
the run, 125 if uprobe itself failed, 126 if the program cannot be executed, 127
if it is not there, 2 for wrong usage.
'uprobe COMMAND --help' tells more about a command."""


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of one sub-command, or of ``uprobe`` without one."""
    from functools import partial

    from uprobe_core.cli.parsing import HelpText, Parser

    # Without a width argparse imports shutil for each argument, and that compression libraries.
    formatter = partial(HelpText, width=_width())
    if command is not None:
        module = _module(command)
        parser = Parser(
            f"uprobe {command}",
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=formatter,
            allow_abbrev=False,
        )
        module.add_arguments(parser)
        parser.add_argument(
            "--debug",
            action="append",
            nargs="?",
            default=[],
            metavar="WHAT,...",
            help="show tracebacks and more detail; of a run, explain hits, places, syscalls",
        )
        return parser
    parser = Parser(
        "uprobe",
        usage="uprobe COMMAND [options]",
        description="Linux-style user-space probes for arm64 programs, on any machine.",
        epilog=_EPILOG,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_argument_group("commands")
    for name, summary in COMMANDS.items():
        commands.add_argument(name, nargs="?", help=summary, metavar=name)
    return parser


def _width() -> int:
    """Columns of help text, as argparse has them: those of the environment or the terminal, less 2; 78."""
    try:
        return int(os.environ["COLUMNS"]) - 2
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns - 2  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 78


def _module(command: str) -> Command:
    """The module of a sub-command; ``list`` and ``run`` are fine module names."""
    from importlib import import_module

    module: Any = import_module(f"uprobe_core.cli.{command.replace('-', '_')}")
    found: Command = module
    return found


def _version() -> str:
    from uprobe_core import __version__

    return f"uprobe {__version__}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``uprobe`` with *argv* (default: the process's); returns the exit status.

    No exception comes out but SystemExit, which argparse raises for --help
    and for wrong usage.
    """
    arguments = [*(sys.argv[1:] if argv is None else argv)]  # "list" is a command of ours
    if arguments and arguments[0] in COMMANDS:
        command = arguments.pop(0)
    else:
        return _without_command(arguments)
    from uprobe_core.cli.failures import guarded

    args = _read(command, arguments)
    if argv is None and command == "run" and "" not in args.debug:
        _plugins_raise_in_a_line()
    return guarded(lambda: _module(command).run(args), debug="" in args.debug)


def _plugins_raise_in_a_line() -> None:
    """Once there is a plugin of somebody else's: what Python ignores of it is no traceback."""
    from uprobe_core.discovery.staying import arrivals

    def quietly() -> None:
        from uprobe_core.cli.ignored import in_a_line_each

        in_a_line_each()

    arrivals.append(quietly)


def _read(command: str, arguments: list[str]) -> argparse.Namespace:
    """What *arguments* of *command* say; ends as argparse does."""
    if command == "run":
        from uprobe_core.cli.plain_words import read_plainly

        plain: Any = read_plainly(arguments, lambda text: build_parser(command).error(text))
        if plain is not None:
            given: argparse.Namespace = plain
            return given
    parser = build_parser(command)
    args = parser.parse_args(_joined(arguments, parser))
    args.usage_error = parser.error
    return args


def _joined(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """*arguments* with ``-e -:work`` as one word: argparse takes such a line for an option.

    What comes after ``--`` or the program is the program's and stays as it is.
    """
    valued = {o for action in parser._actions for o in action.option_strings if action.nargs is None}
    found: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word == "--" or not word.startswith("-"):
            return [*found, word, *rest]
        if word == "--debug":
            word = "--debug="  # noqa: PLW2901  # what follows is no value of it
        value = next(rest, None) if word in valued else None
        if value is not None and value.startswith("-:") and word in {"-e", "--event"}:
            found.append(f"--event={value}")
        else:
            found += [word] if value is None else [word, value]
    return found


def _without_command(arguments: list[str]) -> int:
    """``uprobe --help``, ``--version``, nothing at all, or a command that does not exist."""
    parser = build_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return 2
    if not arguments[0].startswith("-"):
        from difflib import get_close_matches

        from uprobe_core.cli.habits import of_command

        close = get_close_matches(arguments[0], COMMANDS, n=1)
        habit = of_command(arguments[0])
        hint = f"{habit}; " if habit else f"did you mean {close[0]!r}? " if close else ""
        parser.exit(
            2,
            f"uprobe: error: no command is called {arguments[0]!r}\n"
            f"hint: {hint}commands: {', '.join(COMMANDS)}; to run a program: uprobe run -- PROGRAM\n",
        )
    parser.parse_args(arguments)
    parser.print_help(sys.stderr)
    return 2
