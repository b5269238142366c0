"""Where ``list`` and ``doctor`` look for debug information: the options of ``run`` for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

__all__ = ("add_debug_places",)


def add_debug_places(parser: argparse.ArgumentParser) -> None:
    """Declare --debug-dir and --debuginfod; both are in ``args.debug_dir``, in their order."""
    parser.add_argument(
        "--debug-dir",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder with debug information, laid out as /usr/lib/debug is",
    )
    parser.add_argument(
        "--debuginfod",
        action="append",
        dest="debug_dir",
        default=[],
        metavar="URL",
        type=_server,
        help="a debuginfod server that is asked for what is in no folder",
    )


def _server(text: str) -> str:
    from argparse import ArgumentTypeError

    from uprobe_core.image.debug_server import is_server

    if not is_server(text):
        raise ArgumentTypeError(f"{text!r} is no address: write http://HOST:PORT")
    return text
