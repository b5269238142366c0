"""``uprobe new-plugin``: a project to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Write the project of a new plugin: it installs, does something, and passes the tests
that every plugin of its kind has to pass."""
EPILOG = """\
examples:
  uprobe new-plugin consumer callers
  uprobe new-plugin writer table --into ~/src/table

exit status: 0, 2 if the name is none or the folder is not empty."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from uprobe_core.kit.project import KINDS

    parser.add_argument("kind", choices=sorted(KINDS), help="what it is")
    parser.add_argument("name", metavar="NAME", help="the name that it is chosen by")
    parser.add_argument("--into", metavar="DIR", help="the folder of the project (default: uprobe-NAME)")


def run(args: argparse.Namespace) -> int:
    """Write it, and say what to do next."""
    from uprobe_core.kit.project import new_project

    made = new_project(args.kind, args.name, args.into)
    for path in made.files:
        print(made.folder / path)
    print(f"next: cd {made.folder} && pip install -e . --group test && pytest")
    return 0
