"""What people who know other tools type first, and what it is here: only wrong usage asks."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ("of_command", "of_option")

_RUN = "uprobe run"
_COMMANDS = {
    **dict.fromkeys(("trace", "live", "replay", "ltrace", "ftrace", "funcgraph"), "-F PATTERN"),
    **dict.fromkeys(("strace", "syscalls"), "-S"),
    **dict.fromkeys(("stat", "count"), "-F PATTERN -C count"),
    **dict.fromkeys(("report", "top", "summary"), "-F PATTERN -C summary"),
    "graph": "-F PATTERN -C graph",
    **dict.fromkeys(("record", "profile", "flamegraph"), "-C profile --report run.html"),
    "annotate": "-C coverage",
    **dict.fromkeys(("dump", "script"), "-F PATTERN --format jsonl -o FILE"),
    **dict.fromkeys(("coverage", "gcov", "cov"), "--coverage FILE.info"),
    **dict.fromkeys(("debug", "gdb"), "--gdb unix:PATH"),
    **dict.fromkeys(("probe", "add"), "-e 'p:NAME FILE:FUNCTION'"),
}
"""Commands of uftrace, perf and others: the options of ``uprobe run`` that do it."""
_OTHER_COMMANDS = {
    **dict.fromkeys(("info", "version"), "uprobe --version, uprobe doctor"),
    **dict.fromkeys(("funcs", "functions", "symbols"), "uprobe list PROGRAM"),
    "diff": "uprobe compare ONE OTHER",
    "help": "uprobe --help, uprobe COMMAND --help",
}

_ATTACH = "uprobe attach PID enters a run that was started with --control auto"
_ALL = "every function can be probed as it is: -F './app:*'"
_OPTIONS = {
    ("-p", "--pid", "--attach", "--attach-pid"): _ATTACH,
    ("-f", "--follow-forks", "-ff", "--children", "--child"): (
        "forked processes are followed without being asked; --no-follow leaves them"
    ),
    ("-t", "-tt", "-ttt", "-T", "-r"): "lines and the tree have times; those of the host with --clock host",
    ("-c", "--summary-only"): "calls and errors as a table: -S -C count",
    ("-P", "--patch", "--no-libcall", "--force"): _ALL,
    ("-A", "--argument", "-R", "--retval", "-a", "--auto-args"): (
        "what is known is shown by itself; else -e 'p:NAME FILE:FUNCTION n=%x0:u32' names arguments"
    ),
    ("-D", "--max-stack"): "--depth N",
    ("-N", "--notrace"): "--exclude GLOB leaves functions out",
    ("-i", "--include", "-I"): "-F PATTERN chooses functions: './app:parse*', 'libc:str*'",
    ("-g", "--call-graph", "-k", "--stack-trace"): "-C stacks, -C graph, or -C profile for samples",
    ("-l", "--list"): "uprobe list PROGRAM shows what there is",
    ("-v", "--verbose", "-d"): "--debug explains hits, places and system calls",
    ("--tree", "--graph", "--flat"): "--format tree, -C graph, -C summary",
    ("--trace", "--syscall"): "-e s:NAME, or -S for all system calls",
    ("-b", "--break", "--args"): "--stop-at FILE:FUNCTION#N stops there for gdb",
}
"""Options of strace, ltrace, uftrace, perf, bpftrace, frida-trace and gdb."""
_BY_FLAG = {flag: hint for flags, hint in _OPTIONS.items() for flag in flags}


def of_command(word: str) -> str:
    """What does here what a command of that name does elsewhere, "" if nobody has one."""
    if word in _COMMANDS:
        return f"{_RUN} {_COMMANDS[word]} -- PROGRAM"
    return _OTHER_COMMANDS.get(word, "")


def of_option(message: str, known: Iterable[str], *, of_run: bool = False) -> str:
    """A hint for argparse's *message* about an option, "" if there is none.

    :param known: the options that there are
    :param of_run: whether no command was given: it would be one of ``run``
    """
    found = re.search(r"(?:unrecognized arguments: |^argument )(-[^\s/=:]+)", message)
    if found is None:
        return ""
    flag = found[1]
    if of_run and flag not in _BY_FLAG:
        return f"no command is given: {_RUN} {flag} ... -- PROGRAM"
    if flag in _BY_FLAG:
        return _BY_FLAG[flag]
    from difflib import get_close_matches

    close = get_close_matches(flag, known, n=1, cutoff=0.7) if flag.startswith("--") else []
    return f"did you mean {close[0]}?" if close and close[0] != flag else ""
