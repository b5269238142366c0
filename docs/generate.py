"""The parts of the manual that are made from the code; cog puts them into the pages.

``cog -r -I docs docs/*.md`` renews the pages, ``cog --check -I docs docs/*.md``
complains if one is stale.
"""

from __future__ import annotations

import errno
import inspect
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

WIDTH = "96"


def help_texts() -> str:
    """The help of ``uprobe`` and of every command, as code blocks under headings."""
    os.environ["COLUMNS"] = WIDTH
    from uprobe_core.cli import COMMANDS, build_parser

    parts = [f"## uprobe {name}\n\n```\n{build_parser(name).format_help()}```\n" for name in COMMANDS]
    return "\n".join(["```\n" + build_parser().format_help() + "```\n", *parts])


def hook_pages(spec: type) -> str:
    """Each hook of a specification class: signature as heading, types, documentation."""
    parts = []
    for name, function in vars(spec).items():
        if inspect.isfunction(function):
            signature = inspect.signature(function)
            arguments = [p for p in signature.parameters.values() if p.name != "self"]
            heading = f"### {name}({', '.join(p.name for p in arguments)})"
            types = [f"`{p.name}: {p.annotation}`" for p in arguments]
            returns = f"Returns `{signature.return_annotation}`."
            text = inspect.cleandoc(function.__doc__ or "").replace("``", "`")
            parts.append(
                f"{heading}\n\n{', '.join(types)}{'. ' if types else ''}{returns}\n\n{_roles(text)}\n"
            )
    return "\n".join(parts)


def _roles(text: str) -> str:
    """Sphinx roles as plain code: :class:`~a.b.C` is `C`, :data:`x.y` is `x.y`."""
    import re

    text = re.sub(r":[a-z]+:`~(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r":[a-z]+:`([^`]+)`", r"`\1`", text)


def config_tables() -> str:
    """Every table of a set-up file with its keys."""
    from uprobe_core.option import Option
    from uprobe_core.setup.options import TABLES, TOP
    from uprobe_core.setup.schema import CONSUMER, EVENT, TOP_MAPS, Key

    def table(title: str, keys: Mapping[str, Key] | Mapping[str, Option]) -> str:
        lines = [f"### {title}\n", "| key | value | meaning | option |", "|---|---|---|---|"]
        for name, key in keys.items():
            option = f"`{key.flags}`" if key.flags else ""
            kind = TOP_MAPS[name] if isinstance(key, Option) and name in TOP_MAPS else key.kind
            cells = [f"`{name}`", kind.allowed, key.help + _default(key), option]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines) + "\n"

    parts = [table(f"`[{name}]`", keys) for name, keys in TABLES.items()]
    lists = {name: row for name, row in TOP.items() if name not in TOP_MAPS}
    parts.append(table("At the top level, before the first table", lists))
    parts.append(table("A table of `events`", EVENT))
    parts.append(table("A table of `consumers`", CONSUMER))
    maps = {name: TOP[name] for name in TOP_MAPS}
    parts.append(table("`[filters]` and `[triggers]`, whose keys are names of events", maps))
    return "\n".join(parts)


def _default(row: Any) -> str:
    """What holds when an option is not given, if there is anything to say."""
    default = getattr(row, "default", None)
    if default in (None, (), {}):
        return ""
    return f" (default: {str(getattr(default, 'value', default)).lower()})"


def system_calls() -> str:
    """Every system call of arm64: emulated, passed on with which checks, refused."""
    from uprobe_linux.syscalls import table
    from uprobe_linux.syscalls.doors import EMULATED, Check, Door, door_of

    from uprobe_core.system_call_numbers import NAMES

    there = {entry.name for entry in table.Table().whole().values()}
    shared: dict[Door, list[str]] = {}
    for name in NAMES.values():
        if name in there:
            shared.setdefault(door_of(name), []).append(name)

    def checked(check: Check) -> str:
        allowed = ""
        if check.one_of is not None:
            allowed = f"one of {', '.join(hex(value) for value in sorted(check.one_of))}"
        if check.bits is not None:
            allowed = f"no bits but {check.bits:#x}"
        return f"*{check.name}* {allowed} ({errno.errorcode[check.refusal]})"

    lines = ["| calls | | |", "|---|---|---|"]
    for door in sorted(
        shared, key=lambda door: (("passed", "refused", "emulated").index(door.kind), door != EMULATED)
    ):
        checks = "; ".join(map(checked, door.checks))
        names = ", ".join(f"`{name}`" for name in shared[door])
        lines.append(f"| {names} | {door.kind} | {door.what}{'. ' + checks if checks else ''} |")
    absent = ", ".join(f"`{name}`" for name in NAMES.values() if name not in there)
    lines.append(f"| {absent} | not there | ENOSYS |")
    return "\n".join(lines) + "\n"


def own_calls() -> str:
    """Calls that the CPU makes by itself, and what each is lent for it."""
    from uprobe_linux.syscalls.forms import FORMS, Form, Lent

    said = {
        Lent.FILES: "descriptors of the host's files and streams",
        Lent.PATHS: "paths below folders that were given",
        Lent.CHANGES: "changes in writable mounts",
        Lent.COUNTED: "not with `--max-memory`",
    }
    shared: dict[Form, list[str]] = {}
    for name, form in FORMS.items():
        shared.setdefault(form, []).append(name)

    lines = ["| calls | what they are lent |", "|---|---|"]
    for form, names in shared.items():
        masks = [f"*{mask.name}* without bits but {mask.bits:#o}" for mask in form.masks]
        lent = "; ".join([text for bit, text in said.items() if bit in form.lent] + masks)
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {lent or 'nothing'} |")
    return "\n".join(lines) + "\n"


EVENT = "p:work ./loop:work a=%x0 name=+0(+8(%x1)):string"
CONSUMERS = {
    "trace": ["-C trace"],
    "count": ["-C count", "-C count:by=name", "-C 'count:by=name,when=a >= 4'"],
    "sum": ["-C sum:arg=a,by=name"],
    "hist": ["-C hist:arg=a", "-C hist:arg=a,kind=linear,step=3"],
    "latency": ["-C latency:top=2,stack=1"],
    "stacks": ["-C stacks:depth=2"],
    "returns": ["-C returns"],
    "summary": ["-C summary"],
    "profile": ["-C profile:every=25,top=4"],
    "coverage": ["-C coverage:sort=name,top=3"],
    "graph": ["-C graph"],
    "leaks": [],
}
"""Each of our consumers with what it is to be shown with."""
ACTIONS = {
    "Count": 'up.Count(by="name", when="a >= 4")',
    "Sum": 'up.Sum("a", by="name")',
    "Hist": 'up.Hist("a", kind="linear", step=3)',
    "Latency": 'up.Latency(kind="sub")',
    "Record": 'up.Record("a", "name", limit=2)',
    "Summary": "up.Summary()",
    "Stacks": "up.Stacks(depth=2, max_keys=1000)",
}
"""Each action with a way to make it."""


def consumers() -> str:
    """Our consumers: what they do, their options, and what they print for calls of the example program."""
    from uprobe_core.discovery.entries import Kind
    from uprobe_core.discovery.importing import import_plugin
    from uprobe_core.discovery.load import choose

    parts = []
    for name, examples in CONSUMERS.items():
        cls = import_plugin(choose(Kind.CONSUMER, name))
        about = inspect.cleandoc(cls.__doc__ or "").split("\n")[0].replace("``", "`")
        rows = [f"| `{key}` | {text} |" for key, text in getattr(cls, "allowed", {}).items()]
        options = ["| option | |", "|---|---|", *rows, ""] if rows else []
        runs = "\n".join(_run(f"uprobe run {example} -e '{EVENT}' -- ./loop 6") for example in examples)
        shown = [f"```console\n{runs}```\n"] if runs else []
        parts.append("\n".join([f"### {name}\n", f"{about}\n", *options, *shown]))
    return "\n".join(parts)


def _run(command: str) -> str:
    """A command and what it writes, with ``./loop`` there; the program's own line is left out."""
    words = [sys.executable, "-m", "uprobe_core.cli", *shlex.split(command)[1:]]
    examples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
    done = subprocess.run(words, cwd=examples, capture_output=True, text=True, check=True, env=_environment())
    return f"$ {command}\n{done.stderr}"


def _environment() -> dict[str, str]:
    """The same everywhere: a program takes longer to start the more variables it is given."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def actions() -> str:
    """The declarative consumers: signature, documentation, and a result each."""
    import uprobe_core as up

    parts = []
    for name, example in ACTIONS.items():
        cls = getattr(up, name)
        text = _roles(inspect.cleandoc(cls.__doc__ or "").replace("``", "`").replace("***", "**\\*"))
        code = f"```python\n>>> run({example})\n{_result(example)}\n```\n"
        parts.append(f"### {name}{_signature(cls)}\n\n{_parameters(text)}\n\n{code}")
    return "\n".join(parts)


def _signature(cls: type) -> str:
    """How it is called, without annotations."""
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(cls).parameters.values()]
    return str(inspect.Signature(parameters))


def _parameters(text: str) -> str:
    """``:param NAME:`` as list items."""
    import re

    return re.sub(r"^:(?:param|ivar) (\w+):", r"* `\1`:", text, flags=re.MULTILINE)


def _result(example: str) -> str:
    """What the action *example* finds in a run of the example program, as the console shows it."""
    code = f"import uprobe_core as up, pprint\nEVENT = {EVENT!r}\n{RUN}\npprint.pprint(run({example}))\n"
    examples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=examples, capture_output=True, text=True, check=True, env=_environment())
    return done.stdout.partition("\n")[2].rstrip("\n")  # the first line is the program's


RUN = """\
def run(action):
    with up.Session(["./loop", "6"]) as s:
        s.probe(EVENT, action)
        s.run()
    return action.result()
"""
"""The function that the examples use."""


_OURS = {"written_to", "forget_helpers", "takes_snapshots"}
"""Methods of a session for us: what a copy of the process is told (session/stopping.py) and triggers ask."""


def session() -> str:
    """The methods of a session that are for everybody."""
    from uprobe_core import Session

    parts = []
    methods = {name: each for cls in reversed(Session.__mro__) for name, each in vars(cls).items()}
    for name, function in methods.items():
        if name.startswith("_") or name in _OURS or not inspect.isfunction(function):
            continue
        parameters = list(inspect.signature(function).parameters.values())[1:]
        signature = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])
        text = _roles(inspect.cleandoc(function.__doc__ or "").replace("``", "`"))
        parts.append(f"### {name}{signature}\n\n{text}\n")
    return "\n".join(parts)


def session_options() -> str:
    """The keyword arguments of a session with their defaults."""
    from uprobe_core.setup.keywords import KEYWORDS

    rows = ["| option | default | meaning |", "|---|---|---|"]
    for name, row in KEYWORDS.items():
        plain = row.default is None or isinstance(row.default, bool | int | str | tuple | dict)
        default = row.default if plain else str(getattr(row.default, "value", row.default))
        rows.append(f"| `{name}` | `{default!r}` | {row.help} |")
    return "\n".join(rows) + "\n"
