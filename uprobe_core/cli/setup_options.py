"""The options that make up a set-up, shared by ``run`` and ``check``; merged over a set-up file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from uprobe_core.backend import Limits
from uprobe_core.errors import UsageError
from uprobe_core.run_setup import EventLine, RunSetup
from uprobe_core.setup.texts import (
    event_lines,
    parse_bind,
    parse_consumer,
    parse_filter,
    parse_policy_text,
    parse_sysroot,
    parse_trigger,
)
from uprobe_core.setup.value_types import parse_size
from uprobe_core.types import Mode, Returns

__all__ = ("add_event_options", "add_run_options", "make_setup", "natural")


def add_event_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what is probed and in which world; ``check`` has only these."""
    group = parser.add_argument_group("events")
    group.add_argument(
        "-e",
        "--event",
        action="append",
        default=[],
        metavar="SPEC",
        help="one uprobe_events line (repeatable)",
    )
    group.add_argument(
        "-f",
        "--events",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of such lines, - for stdin",
    )
    group.add_argument("-c", "--config", metavar="TOML", help="a set-up file; options here come on top of it")
    group.add_argument(
        "-C",
        "--consumer",
        action="append",
        default=[],
        metavar="NAME[:key=value,...]",
        help="what to do with hits instead of recording them; event=NAME restricts it to one event",
    )
    group.add_argument(
        "--filter", action="append", default=[], metavar="EVENT:EXPR", help="only hits for which EXPR holds"
    )
    group.add_argument(
        "--trigger",
        action="append",
        default=[],
        metavar="EVENT:TEXT",
        help="a trigger, such as work:hist:keys=a",
    )
    _add_world_options(parser)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--policy", metavar="POLICY", help="what may be probed: kernel[:VERSION], anywhere (default)"
    )
    how.add_argument("--arch", metavar="NAME", help="the architecture (default: arm64)")


def _add_world_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what the program finds around it."""
    world = parser.add_argument_group("the program's world")
    world.add_argument("--sysroot", metavar="DIR[:ro]", help="a folder that is the program's /")
    world.add_argument("--cwd", metavar="DIR", help="working directory, as the program names it")
    world.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="HOST:GUEST[:ro]",
        help="let the program see HOST as GUEST",
    )
    world.add_argument(
        "--env", action="append", default=[], metavar="K=V", help="set an environment variable"
    )
    world.add_argument("--unset-env", action="append", default=[], metavar="K", help="remove one")
    world.add_argument("--no-inherit-env", action="store_true", help="start from an empty environment")
    world.add_argument("--allow-net", action="store_true", help="let the program use the network")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that only matter when something runs."""
    out = parser.add_argument_group("output")
    out.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="records, and reports if --format has a place for them (default: standard error)",
    )
    out.add_argument(
        "--format", metavar="NAME", help="the writer: tracefs (default), or see 'uprobe plugins'"
    )
    out.add_argument("--profile", metavar="FILE", help="hit counts as uprobe_profile has them, - for stderr")
    out.add_argument(
        "--lossy", type=_positive, metavar="N", help="keep at most N records, count what is dropped"
    )
    how = parser.add_argument_group("execution")
    how.add_argument("--backend", metavar="NAME", help="what executes the program (default: unicorn)")
    how.add_argument("--decoder", metavar="NAME", help="what reads instructions for messages (default: auto)")
    how.add_argument("--mode", choices=[mode.value for mode in Mode], help="how a probe is executed")
    how.add_argument("--returns", choices=[way.value for way in Returns], help="how a return is observed")
    how.add_argument("--engine", choices=["auto", "c", "py"], help="what runs per hit")
    how.add_argument("--no-follow", action="store_true", help="leave forked and executed programs alone")
    how.add_argument("--strict", action="store_true", help="a consumer that raises ends the run")
    how.add_argument("--seed", type=natural, metavar="N", help="of everything random (default: 0)")
    how.add_argument("--clock", choices=["virtual", "host"], help="what drives the program's clock")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end the run after so long")
    limits.add_argument("--max-insns", type=_positive, metavar="N", help="end it after so many instructions")
    limits.add_argument("--max-memory", type=_size, metavar="SIZE", help="memory of a process, such as 512M")
    limits.add_argument("--max-processes", type=_positive, metavar="N", help="processes alive at once")


def natural(text: str) -> int:
    """A number from 0."""
    return _number(text, 0)


def _positive(text: str) -> int:
    """A number from 1."""
    return _number(text, 1)


def _number(text: str, least: int) -> int:
    """A number, decimal or with 0x; argparse would name our function in its own message."""
    try:
        number = int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not at least {least}")
    return number


def _seconds(text: str) -> float:
    """A time greater than 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds greater than 0")
    return seconds


def _size(text: str) -> int:
    """A size in bytes."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def make_setup(args: argparse.Namespace) -> RunSetup:
    """The set-up that options mean, on top of the set-up file if one is named.

    Single values replace the file's, lists are added to it.  Raises
    UsageError, ConfigError.
    """
    setup = _from_file(args.config)
    setup = replace(
        setup,
        events=(*setup.events, *_events(args, setup)),
        consumers=(*setup.consumers, *map(parse_consumer, args.consumer)),
        filters=(*setup.filters, *map(parse_filter, args.filter)),
        triggers=(*setup.triggers, *map(parse_trigger, args.trigger)),
        binds=(*setup.binds, *map(parse_bind, args.bind)),
        env={**setup.env, **_environment(args)},
        limits=_limits(setup.limits, args),
        debug=setup.debug or args.debug,
        **_switches(args),
        **_values(args),
    )
    if args.sysroot is not None:
        folder, read_only = parse_sysroot(args.sysroot)
        setup = replace(setup, sysroot=folder, sysroot_read_only=read_only)
    return setup


def _from_file(path: str | None) -> RunSetup:
    if path is None:
        return RunSetup()
    from uprobe_core.setup.file import load

    return load(path)


def _events(args: argparse.Namespace, setup: RunSetup) -> list[EventLine]:
    """Lines of -e, then of the files."""
    policy = setup.policy if args.policy is None else parse_policy_text(args.policy)
    lines = [EventLine(_not_blank(text)) for text in args.event]
    for path in args.events:
        source = "standard input" if path == "-" else path
        lines += event_lines(_file_text(path), source, continued=not policy.is_kernel)
    return lines


def _not_blank(text: str) -> str:
    """*text*, unless it is blank: a variable of a script was empty."""
    if not text.strip():
        raise UsageError(f"-e {text!r} names no event", hint="is the variable that it comes from set?")
    return text


def _file_text(path: str) -> str:
    """The text of an event file; ``-`` is standard input."""
    if path == "-":
        import sys

        return sys.stdin.read()
    from uprobe_core.setup.file import read_text

    return read_text(path)


def _environment(args: argparse.Namespace) -> dict[str, str | None]:
    """Changes to the environment; a None removes."""
    changes: dict[str, str | None] = dict.fromkeys(args.unset_env)
    for text in args.env:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--env {text!r} is not NAME=VALUE", hint="--unset-env NAME removes a variable")
        changes[name] = value
    return changes


_CONVERTERS: dict[str, Any] = {"mode": Mode, "returns": Returns, "policy": parse_policy_text}
_SINGLE = (
    "cwd",
    "output",
    "format",
    "profile",
    "lossy",
    "backend",
    "decoder",
    "arch",
    "mode",
    "policy",
    "returns",
    "engine",
    "seed",
    "clock",
)


def _values(args: argparse.Namespace) -> dict[str, Any]:
    """The single values that were given."""
    given = {name: getattr(args, name, None) for name in _SINGLE}
    return {
        name: _CONVERTERS[name](value) if name in _CONVERTERS else value
        for name, value in given.items()
        if value is not None
    }


def _switches(args: argparse.Namespace) -> dict[str, Any]:
    """The switches that were given; one that was not leaves the file's value."""
    switches = {
        "inherit_env": (args.no_inherit_env, False),
        "allow_net": (args.allow_net, True),
        "follow": (getattr(args, "no_follow", False), False),
        "strict": (getattr(args, "strict", False), True),
    }
    return {name: value for name, (given, value) in switches.items() if given}


def _limits(limits: Limits, args: argparse.Namespace) -> Limits:
    """The limits that were given, on top of the file's."""
    options = {
        "seconds": "timeout",
        "instructions": "max_insns",
        "memory": "max_memory",
        "processes": "max_processes",
    }
    given = {name: getattr(args, option, None) for name, option in options.items()}
    return replace(limits, **{name: value for name, value in given.items() if value is not None})
