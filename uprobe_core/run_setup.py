"""What one run consists of: the single value that command line, TOML and Python all become.

Each field is also the one row of its option: what it is called on the command
line and in a set-up file, which values it may have, and what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uprobe_core.backend import Bind, Limits
from uprobe_core.option import Option, option
from uprobe_core.setup_words import (
    BINDS,
    CONSUMERS,
    EVENTS,
    EXPECTED,
    FILES,
    FILES_WRITTEN,
    FILTERS,
    FOLDERS,
    PATTERNS,
    TRIGGERS,
    WALLS,
    ConsumerUse,
    EventLine,
    EventsFile,
    FilterUse,
    FunctionOf,
    TriggerUse,
    parse_bind,
    parse_sysroot,
    parse_topic,
)
from uprobe_core.types import Mode, Policy, Returns
from uprobe_core.value_types import (
    BOOL,
    COUNT,
    DURATION,
    ENVIRONMENT,
    NATURAL,
    PATH,
    POLICY,
    SECONDS,
    STRING,
    VARIABLES,
    WORDS,
    ValueType,
    choice,
    listing,
)

__all__ = (
    "DEFAULT_ARCH",
    "ConsumerUse",
    "EventLine",
    "EventsFile",
    "FilterUse",
    "FunctionOf",
    "RunSetup",
    "TriggerUse",
    "parse_bind",
    "parse_sysroot",
)

DEFAULT_ARCH = "arm64"
"""The architecture of a run that names none."""

NAME: ValueType = STRING
"""The name of a plugin."""


def _server(url: str) -> dict[str, tuple[str, ...]]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no address of a server: it starts with http:// or https://")
    return {"debug_folders": (url,)}


_WORLD = "the program's world"
_EVENTS_FILES = Option(
    "events_files",
    (),
    FILES,
    "a file of event lines, - for standard input",
    "events",
    key="events-files",
    flags="-f, --events FILE",
    read=lambda path: {"events": (EventsFile(path),)},
)
_CONFIG = Option(
    "config",
    (),
    ValueType("a list of strings", lambda _: False, {}, parse=lambda text: (text,), adds=True),
    "a set-up file; a later one comes on top of an earlier one, options on top of all",
    "events",
    flags="-c, --config TOML",
)
_VARIABLES = Option(
    "variables", {}, VARIABLES, "a value for ${NAME} in set-up files", "events", flags="--var NAME=VALUE"
)
_DEBUG_SERVER = Option(
    "debuginfod",
    (),
    listing(str, str),
    "a debuginfod server that is asked for debug information that is in no folder",
    "events",
    flags="--debuginfod URL",
    read=_server,
)
_UNSET_ENV = Option(
    "unset_env",
    (),
    listing(str, str),
    "remove an environment variable",
    _WORLD,
    flags="--unset-env K",
    read=lambda name: {"env": {name: None}},
)


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything that decides a run; what a field means stands in its row."""

    argv: tuple[str, ...] = option(
        (), WORDS, "the program and its arguments", _WORLD, table="target", flags="PROGRAM [ARG...]"
    )
    address: str | None = option(
        None,
        STRING,
        "where the program runs already, or what is to run it, for a backend that does not",
        _WORLD,
        table="target",
        flags="--target ADDRESS",
    )
    pid: int | None = option(
        None, COUNT, "the process at that address to attach to", _WORLD, table="target", flags="--pid N"
    )
    maps: tuple[Bind, ...] = option(
        (),
        BINDS,
        "the local file or folder HOST is a copy of what the target has as GUEST",
        _WORLD,
        table="target",
        key="map",
        flags="--map HOST:GUEST",
    )
    events: tuple[EventLine, ...] = option(
        (),
        EVENTS,
        "what is probed: a line as uprobe_events takes it, in a set-up file also a table",
        "events",
        key="events",
        flags="-e, --event SPEC",
        also=(_EVENTS_FILES, _CONFIG, _VARIABLES),
    )
    consumers: tuple[ConsumerUse, ...] = option(
        (),
        CONSUMERS,
        "what to do with hits instead of recording them; event=NAME restricts it to one event",
        "events",
        key="consumers",
        flags="-C, --consumer NAME[:key=value,...]",
    )
    filters: tuple[FilterUse, ...] = option(
        (), FILTERS, "only hits for which EXPR holds", "events", key="filters", flags="--filter EVENT:EXPR"
    )
    triggers: tuple[TriggerUse, ...] = option(
        (),
        TRIGGERS,
        "what else happens at a hit, such as work:hist:keys=a",
        "events",
        key="triggers",
        flags="--trigger EVENT:TEXT",
    )
    functions: tuple[str, ...] = option(
        (),
        PATTERNS,
        "every function that matches: PATH, PATH:GLOB, LIBRARY:GLOB, or GLOB of the program's own",
        "events",
        table="functions",
        key="match",
        flags="-F, --functions PATTERN",
    )
    syscalls: bool = option(
        False,
        BOOL,
        "the program's system calls are events (s:openat)",
        "events",
        table="functions",
        flags="-S, --syscalls",
    )
    exclude: tuple[str, ...] = option(
        (),
        PATTERNS,
        "not the functions whose name matches: GLOB, or LIBRARY:GLOB",
        "events",
        table="functions",
        flags="--exclude GLOB",
    )
    env: Mapping[str, str | None] = option(
        {},
        ENVIRONMENT,
        "set an environment variable",
        _WORLD,
        table="target",
        flags="--env K=V",
        also=(_UNSET_ENV,),
    )
    inherit_env: bool = option(
        True,
        BOOL,
        "start from the caller's environment",
        _WORLD,
        table="target",
        flags="--no-inherit-env",
        flag_help="start from an empty environment",
    )
    cwd: str | None = option(
        None, STRING, "working directory, as the program names it", _WORLD, table="target", flags="--cwd DIR"
    )
    sysroot: str | None = option(
        None,
        PATH,
        "a folder that is the program's /",
        _WORLD,
        table="target",
        flags="--sysroot DIR[:ro]",
        read=parse_sysroot,
    )
    sysroot_read_only: bool = option(
        False, BOOL, "nothing below the sysroot can be written", _WORLD, table="target"
    )
    binds: tuple[Bind, ...] = option(
        (),
        BINDS,
        "let the program see HOST as GUEST",
        _WORLD,
        table="target",
        key="bind",
        flags="--bind HOST:GUEST[:ro]",
    )
    debug_folders: tuple[str, ...] = option(
        (),
        FOLDERS,
        "a folder of this machine with debug information, laid out as /usr/lib/debug is",
        "events",
        table="target",
        key="debug-dirs",
        flags="--debug-dir DIR",
        also=(_DEBUG_SERVER,),
    )
    allow_net: bool = option(
        False, BOOL, "let the program use the network", _WORLD, table="target", flags="--allow-net"
    )
    sandbox: str = option(
        "auto", WALLS, "rights that the emulator gives up first", _WORLD, table="target", flags="--sandbox"
    )
    seed: int = option(
        0, NATURAL, "of everything random in the run", _WORLD, table="target", flags="--seed N"
    )
    clock: str = option(
        "auto",
        choice(("auto", "virtual", "host")),
        "what drives the program's clock; auto: executed work, where the backend can",
        _WORLD,
        table="target",
        flags="--clock",
    )
    follow: bool = option(
        True,
        BOOL,
        "probes follow fork and exec",
        _WORLD,
        table="target",
        flags="--no-follow",
        flag_help="leave forked and executed programs alone",
    )
    output: str | None = option(
        None,
        PATH,
        "where records go, and reports if --format has a place for them (default: standard error)",
        "output",
        table="output",
        key="file",
        flags="-o, --output FILE",
    )
    format: str = option(
        "auto",
        NAME,
        "name of the writer, see 'uprobe plugins'; auto: tree for functions, else tracefs",
        "output",
        table="output",
        flags="--format NAME[:key=value,...]",
    )
    depth: int | None = option(
        None,
        COUNT,
        "of a tree: calls that are nested at most so deep",
        "output",
        table="output",
        flags="--depth N",
    )
    min_time: int | None = option(
        None,
        DURATION,
        "of a tree: only calls that took at least so long, and what they are in",
        "output",
        table="output",
        flags="--min-time TIME",
    )
    tree_of: str | None = option(
        None,
        STRING,
        "of a tree: only this function's calls and what is called in them",
        "output",
        table="output",
        flags="--tree-of FUNC",
    )
    profile: str | None = option(
        None,
        PATH,
        "where hit counts as uprobe_profile has them go, - for standard error",
        "output",
        table="output",
        flags="--profile FILE",
    )
    report: tuple[str, ...] = option(
        (),
        FILES_WRITTEN,
        "a file for the run as one document: a page (.html), Markdown (.md), JSON (.json)",
        "output",
        table="output",
        flags="--report FILE",
    )
    coverage: tuple[str, ...] = option(
        (),
        FILES_WRITTEN,
        "a file for which of the program's code was executed: .info for lcov and genhtml, .drcov",
        "output",
        table="output",
        flags="--coverage FILE",
    )
    interval: float | None = option(
        None,
        SECONDS,
        "every so many seconds show on standard error what consumers have found so far",
        "output",
        table="output",
        flags="--interval SECONDS",
    )
    lossy: int | None = option(
        None,
        COUNT,
        "keep at most N records, count what is dropped",
        "output",
        table="output",
        flags="--lossy N",
    )
    expect: tuple[str, ...] = option(
        (),
        EXPECTED,
        "what must hold of what was found, such as work.hits == 5; else the exit status is 123",
        "expectations",
        table="expect",
        key="that",
        flags="--expect EXPR",
    )
    require_hits: bool = option(
        False, BOOL, "every event must be hit", "expectations", table="expect", flags="--require-hits"
    )
    baseline: str | None = option(
        None,
        PATH,
        "a report whose numbers expectations call baseline",
        "expectations",
        table="expect",
        flags="--baseline FILE",
    )
    junit_xml: str | None = option(
        None,
        PATH,
        "where outcomes go as JUnit XML, - for standard error",
        "expectations",
        table="expect",
        flags="--junit-xml FILE",
    )
    backend: str = option(
        "unicorn", NAME, "what executes the program", "execution", table="run", flags="--backend NAME"
    )
    decoder: str = option(
        "auto",
        NAME,
        "what reads the instructions that uprobe why shows",
        "execution",
        table="run",
        flags="--decoder NAME",
    )
    arch: str = option(DEFAULT_ARCH, NAME, "the architecture", "execution", table="run", flags="--arch NAME")
    mode: Mode = option(
        Mode.AUTO, choice(Mode), "how a probe is executed", "execution", table="run", flags="--mode"
    )
    policy: Policy = option(
        Policy(),
        POLICY,
        "what may be probed: kernel[:VERSION] or anywhere",
        "execution",
        table="run",
        flags="--policy POLICY",
    )
    returns: Returns = option(
        Returns.AUTO, choice(Returns), "how a return is observed", "execution", table="run", flags="--returns"
    )
    engine: str = option(
        "auto", choice(("auto", "c", "py")), "what runs per hit", "execution", table="run", flags="--engine"
    )
    strict: bool = option(
        False, BOOL, "a consumer that raises ends the run", "execution", table="run", flags="--strict"
    )
    debug: bool = option(
        False,
        BOOL,
        "tracebacks, and counts of system calls that are not there",
        "execution",
        table="run",
        flags="--debug",
    )
    explain: tuple[str, ...] = option(
        (),
        listing(parse_topic, str, "^(hits|places|syscalls)$", "a list of hits, places and syscalls"),
        "decisions that are explained on standard error, a line each: hits, places, syscalls",
        "execution",
        table="run",
        flags="--debug WHAT",
    )
    stop_at: str | None = option(
        None,
        STRING,
        "stop at hit N of an event or a place, and wait there for gdb",
        "execution",
        table="run",
        flags="--stop-at EVENT[#N]",
    )
    gdb: str | None = option(
        None,
        STRING,
        "where gdb connects: unix:PATH or tcp:127.0.0.1:PORT; without --stop-at the run stops at its start",
        "execution",
        table="run",
        flags="--gdb ADDRESS",
    )
    control: str | None = option(
        None,
        STRING,
        "a socket over which uprobe attach changes the run's events; auto: only that of its number",
        "execution",
        table="run",
        flags="--control SOCKET",
    )
    repl: bool = option(
        False,
        BOOL,
        "a Python prompt at the stop, instead of gdb",
        "execution",
        table="run",
        flags="--repl",
    )
    handler_timeout: float | None = option(
        None,
        SECONDS,
        "how long one call of a consumer may take; one that takes longer is disabled",
        "limits",
        table="limits",
        key="handler-seconds",
        flags="--handler-timeout SECONDS",
    )
    limits: Limits = Limits()
