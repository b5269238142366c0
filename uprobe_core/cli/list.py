"""``uprobe list``: what can be probed in a file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from uprobe_core.run_setup import DEFAULT_ARCH

if TYPE_CHECKING:
    import argparse

    from uprobe_core.debuginfo.functions import Instance
    from uprobe_core.debuginfo.source import Source
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import ArchOps

DESCRIPTION = """\
List the functions and USDT markers of an ELF file, with virtual address,
file offset and size. Either name or offset can stand in an event line.
With debug information, -v says what the source says of each function, and shows
where functions are inlined into others; --vars what can be named at a place."""
EPILOG = """\
examples:
  uprobe list ./loop
  uprobe list ./loop 'w*'
  uprobe list -v ./loop work
  uprobe list --vars ./loop:work               or ./loop:loop.c:12, ./loop:work+8
  uprobe list ./loop --json

exit status: 0, or 1 if nothing matches, as of grep."""
NOTHING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from uprobe_core.cli.debug_places import add_debug_places

    parser.add_argument("binary", metavar="BINARY", help="an ELF file")
    parser.add_argument(
        "glob", nargs="?", default="*", metavar="GLOB", help="only names that match, as in 'w*'"
    )
    parser.add_argument(
        "--arch", default=DEFAULT_ARCH, metavar="NAME", help=f"the architecture ({DEFAULT_ARCH})"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="signatures, source lines, inlined code")
    parser.add_argument("--vars", action="store_true", help="BINARY is PATH:PLACE; what has a name there")
    add_debug_places(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """List one file."""
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.image.debug_folders import require_folders
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import bind_arch

    require_folders(args.debug_dir)
    arch = bind_arch(load_arch(args.arch))
    if args.vars:
        from uprobe_core.cli.list_variables import list_variables

        return list_variables(args, arch)
    with ElfImage(args.binary, arch.info) as image:
        source = _source(image, args)
        functions, marked = _functions(image, args.glob), _markers(image, args.glob, arch)
        if args.verbose:
            functions = _with_source(image, source, functions, args.glob)
        elif source is not None and not set(args.glob) & set("*?["):
            functions += [
                _inlined(image, each, args.glob) for each in source.instances(args.glob) if each.inlined
            ]
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json({"binary": args.binary, "functions": functions, "markers": marked})
    else:
        _print(functions, marked, args)
    return 0 if functions or marked else NOTHING


def _source(image: ElfImage, args: argparse.Namespace) -> Source | None:
    """Debug information of a file, if it is asked for or names may be there alone."""
    is_name = not set(args.glob) & set("*?[") and image.section(".debug_info") is not None
    if not args.verbose and not is_name and image.section(".symtab") is not None:
        return None
    from os.path import abspath

    from uprobe_core.debuginfo.source import Source
    from uprobe_core.events.files import host_file

    source = Source(image, abspath(args.binary), host_file, args.debug_dir)
    if image.section(".symtab") is None:
        image.names_from = source.found.symbols
    return source


def _with_source(
    image: ElfImage, source: Source | None, functions: list[dict[str, Any]], glob: str
) -> list[dict[str, Any]]:
    """*functions* with what the source says of them, and those inlined into others behind them."""
    from uprobe_core.debuginfo.listing import describe, described, inlined_functions

    info = None if source is None else source.found.info
    if source is not None and source.found.error is not None:
        import sys

        print(f"uprobe: warning: {source.found.error}", file=sys.stderr)
    if info is None:
        return functions
    for function in functions:
        found = describe(info, function["address"])
        function.update({} if found is None else found._asdict())
    for instance, name in inlined_functions(info, glob):
        found = described(instance.die)
        functions.append(_inlined(image, instance, name) | ({} if found is None else found._asdict()))
    return functions


def _inlined(image: ElfImage, instance: Instance, name: str) -> dict[str, Any]:
    """A function where it is inlined into another."""
    around = image.symbol_at(instance.entry)
    return {
        "name": name,
        "source_name": name,
        "address": instance.entry,
        "offset": image.vaddr_to_offset(instance.entry) or 0,
        "size": sum(end - start for start, end in instance.ranges),
        "indirect": False,
        "inlined_into": around[0].name if around is not None else "",
    }


def _functions(image: ElfImage, glob: str) -> list[dict[str, Any]]:
    """The functions whose name matches *glob*, by address."""
    return [
        {
            "name": symbol.name,
            "source_name": image.source_name(symbol),
            "address": symbol.vaddr,
            "offset": symbol.offset,
            "size": symbol.size,
            "indirect": symbol.indirect,
        }
        for symbol in image.functions()
        if image.is_match(symbol, glob)
    ]


def _markers(image: ElfImage, glob: str, arch: ArchOps) -> list[dict[str, Any]]:
    """The markers whose PROVIDER:NAME, or NAME alone, matches *glob*, in the order of the file."""
    from uprobe_core.image.usdt import markers

    return [
        {
            "provider": marker.provider,
            "name": marker.name,
            "address": marker.vaddr,
            "offset": marker.offset,
            "semaphore": marker.semaphore,
            "operands": marker.operands,
        }
        for marker in markers(image, arch.marker_operand)
        if fnmatchcase(marker.name, glob) or fnmatchcase(f"{marker.provider}:{marker.name}", glob)
    ]


def _shown(function: dict[str, Any]) -> str:
    """A function's name, beside it what else is to be known of it."""
    if function["indirect"]:
        return f"{function['name']}  indirect: what {function['name']}@resolver, which is here, returns"
    if "signature" in function:
        where = f"  {function['file']}:{function['line']}" if function["file"] else ""
        into = f"  inlined into {function['inlined_into']}" if function.get("inlined_into") else ""
        return f"{function['name']}  {function['signature']}{where}{into}"
    if "inlined_into" in function:
        return f"{function['name']}  inlined into {function['inlined_into']}"
    same = function["source_name"] == function["name"]
    return function["name"] if same else f"{function['name']}  {function['source_name']}"


def _print(functions: list[dict[str, Any]], marked: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """The same for people; what stands under NAME can stand after PATH: in an event line."""
    from uprobe_core.cli.output import print_table

    rows = [(f"{f['address']:#x}", f"{f['offset']:#x}", str(f["size"]), _shown(f)) for f in functions]
    rows += [
        (f"{m['address']:#x}", f"{m['offset']:#x}", "-", f"sdt:{m['provider']}:{m['name']}  {m['operands']}")
        for m in marked
    ]
    if not rows:
        import sys

        stripped = "" if args.glob != "*" else ": it has no symbols, but offsets can be probed"
        print(f"uprobe: nothing in {args.binary} matches {args.glob!r}{stripped}", file=sys.stderr)
        return
    print_table(rows, ("ADDRESS", "OFFSET", "SIZE", "NAME"))
