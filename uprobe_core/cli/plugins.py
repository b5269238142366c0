"""``uprobe plugins``: everything that is installed, imported and held against its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from uprobe_core.discovery.entries import PluginStatus

DESCRIPTION = """\
List every installed plugin with the package it comes from, and whether it can be
imported and fits its contract. A plugin that fails is shown with its own error."""
EPILOG = """\
examples:
  uprobe plugins
  uprobe plugins --debug          with the tracebacks of those that failed
  uprobe plugins --json

UPROBE_LOAD_PLUGINS=a,b restricts which plugins of the group uprobe.plugins are
loaded by a run (empty: none); UPROBE_TRACE_PLUGINS=1 prints each of their calls."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """List plugins; the status is 0 even if one failed, since listing did not."""
    from uprobe_core.discovery.survey import survey

    found = survey()
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json({"plugins": [_as_json(status) for status in found]})
        return 0
    from uprobe_core.cli.output import print_table

    rows = [(s.entry.kind.word, s.entry.name, _state(s), s.entry.target, s.entry.distribution) for s in found]
    print_table(rows, ("KIND", "NAME", "STATE", "TARGET", "PACKAGE"))
    for status in found:
        if status.error:
            print(f"\n{_state(status)}: {status.error}")
            if status.hint:
                print(f"hint: {status.hint}")
            if "" in args.debug:
                print(status.traceback.rstrip())
    return 0


def _state(status: PluginStatus) -> str:
    """One word: "optional" needs an optional package that is not there, "warning" works all the same."""
    if not status.error:
        return "ok"
    if status.usable:
        return "warning"
    return "optional" if status.optional else "failed"


def _as_json(status: PluginStatus) -> dict[str, Any]:
    """One plugin as plain JSON data."""
    entry = status.entry
    return {
        "kind": entry.kind.word,
        "group": entry.kind.value,
        "name": entry.name,
        "target": entry.target,
        "package": entry.distribution,
        "ok": not status.error or status.usable,
        "state": _state(status),
        "error": status.error,
        "hint": status.hint,
    }
