"""``uprobe list``: what can be probed in a file."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from uprobe_core.run_setup import DEFAULT_ARCH

if TYPE_CHECKING:
    import argparse

    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import ArchOps

DESCRIPTION = """\
List the functions and USDT markers of an ELF file, with virtual address,
file offset and size. Either name or offset can stand in an event line."""
EPILOG = """\
examples:
  uprobe list ./loop
  uprobe list ./loop 'w*'
  uprobe list ./loop --json

exit status: 0, or 1 if nothing matches, as of grep."""
NOTHING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    parser.add_argument("binary", metavar="BINARY", help="an ELF file")
    parser.add_argument(
        "glob", nargs="?", default="*", metavar="GLOB", help="only names that match, as in 'w*'"
    )
    parser.add_argument(
        "--arch", default=DEFAULT_ARCH, metavar="NAME", help=f"the architecture ({DEFAULT_ARCH})"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """List one file."""
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import bind_arch

    arch = bind_arch(load_arch(args.arch))
    with ElfImage(args.binary, arch.info) as image:
        functions, marked = _functions(image, args.glob), _markers(image, args.glob, arch)
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json({"binary": args.binary, "functions": functions, "markers": marked})
    else:
        _print(functions, marked, args)
    return 0 if functions or marked else NOTHING


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
