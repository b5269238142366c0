"""``uprobe doctor``: is everything in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Look at everything that a run depends on: Python, libraries, plugins, which decoder
and which engine are used and why, and one real run of a tiny program with a probe.
With FILE, look at that program instead: its symbols, and what debug information there is."""
EPILOG = """\
examples:
  uprobe doctor
  uprobe doctor --json
  uprobe doctor ./app --debug-dir ./debug

exit status: 0 if runs work, 125 if something that they need is broken."""

BROKEN = 125


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options."""
    from uprobe_core.cli.debug_places import add_debug_places

    parser.add_argument("file", nargs="?", metavar="FILE", help="a program to look at")
    add_debug_places(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Examine and tell."""
    from uprobe_core.doctor.checks import examine

    if args.file is None:
        found = list(examine())
    else:
        from uprobe_core.doctor.files import examine_file
        from uprobe_core.image.debug_folders import require_folders

        require_folders(args.debug_dir)
        found = list(examine_file(args.file, args.debug_dir))
    status = BROKEN if any(finding.state == "fail" for finding in found) else 0
    if args.json:
        from uprobe_core.cli.output import print_json

        checks = [{"name": f.name, "state": f.state, "detail": f.detail, "hint": f.hint} for f in found]
        print_json({"ok": status == 0, "checks": checks})
        return status
    width = max(len(finding.name) for finding in found)
    for finding in found:
        print(f"{finding.state:<4}  {finding.name:<{width}}  {finding.detail}")
        if finding.hint:
            print(f"{'':<4}  {'':<{width}}  hint: {finding.hint}")
    return status
