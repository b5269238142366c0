"""``uprobe list --vars``: what can be named at a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uprobe_core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from uprobe_core.probes.arch_ops import ArchOps

__all__ = ("list_variables",)


def list_variables(args: argparse.Namespace, arch: ArchOps) -> int:
    """Print what has a name at ``PATH:PLACE``; raises SpecError for a place that is none."""
    places = _places(args, arch)
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json({"places": places})
    else:
        _print(places)
    return 0 if any(place["variables"] for place in places) else 1


def _places(args: argparse.Namespace, arch: ArchOps) -> list[dict[str, Any]]:
    from uprobe_core.debuginfo.encoding import DAMAGED, damage
    from uprobe_core.debuginfo.listing import variables
    from uprobe_core.debuginfo.names import Names
    from uprobe_core.debuginfo.unreadable import Unreadable
    from uprobe_core.events.line import EventLine
    from uprobe_core.image.guest_files import GuestFiles
    from uprobe_core.image.resolver import ImageResolver

    files = GuestFiles(debug_folders=args.debug_dir)
    resolver = ImageResolver(arch.info, arch.marker_operand, files, args.debug_dir, arch.frame_rules)
    line = EventLine(("p", args.binary))
    path, target, is_return, _ = resolver.split(line, files)
    status, found = files(path), []
    for place in resolver.resolve(line, path, status, target):
        names = resolver.names(line, path, status, place.offset, is_return=is_return)
        if isinstance(names, Unreadable):
            raise names.error
        if not isinstance(names, Names):
            raise UsageError(
                f"no debug information for {args.binary}",
                hint="compile with -g, or say with --debug-dir where debug files are",
                slug="no-debug-info",
            )
        try:
            known = [each._asdict() for each in variables(names)]
        except DAMAGED as error:
            raise damage(path, error) from None
        found.append({"place": place.text or target, "offset": place.offset, "variables": known})
    return found


def _print(places: list[dict[str, Any]]) -> None:
    from uprobe_core.cli.output import print_table

    for place in places:
        print(f"{place['place']} at file offset {place['offset']:#x}")
        rows = [(each["kind"], each["type"], each["name"], each["program"]) for each in place["variables"]]
        print_table(rows, ("KIND", "TYPE", "NAME", "FETCHED BY"))
