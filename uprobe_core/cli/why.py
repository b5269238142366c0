"""``uprobe why``: the verdict for one place, with the instructions around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from uprobe_core.errors import ProbeError, TargetError, UsageError
from uprobe_core.run_setup import DEFAULT_ARCH

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from uprobe_core.discovery.decoder import DecoderChoice
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import ArchOps
    from uprobe_core.types import Analysis, Policy

DESCRIPTION = """\
Say whether a place in a program can be probed, and why (not), under each
policy. PLACE is SYMBOL[+OFF], where SYMBOL may be a name of the source such as
'app::add(int)', or a virtual address; off:0x6d4 is a file offset."""
EPILOG = """\
examples:
  uprobe why ./loop work
  uprobe why ./loop work+8 --policy kernel:6.1
  uprobe why ./loop 0x400754 --json"""

POLICIES = ("kernel:7.3", "kernel:6.12", "kernel:6.1", "anywhere")
"""What is asked when no policy is named."""
_PLACE = re.compile(r"(?:(?P<form>sym|va|off):)?(?P<base>\S.*?)(?:\+(?P<plus>0[xX][0-9a-fA-F]+|[0-9]+))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare options and arguments."""
    from uprobe_core.cli.setup_options import natural

    parser.add_argument("binary", metavar="BINARY", help="an ELF file")
    parser.add_argument("place", metavar="PLACE", help="SYMBOL[+OFF], ADDRESS, or off:OFFSET")
    parser.add_argument("--policy", metavar="POLICY", help="only this policy: kernel[:VERSION] or anywhere")
    parser.add_argument("--decoder", default="auto", metavar="NAME", help="what disassembles (default: auto)")
    parser.add_argument(
        "--arch", default=DEFAULT_ARCH, metavar="NAME", help=f"the architecture ({DEFAULT_ARCH})"
    )
    parser.add_argument(
        "-n", "--context", type=natural, default=4, metavar="N", help="instructions around it (4)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Explain one place."""
    from uprobe_core.discovery.decoder import choose_decoder
    from uprobe_core.discovery.load import load_arch
    from uprobe_core.image.elf_symbols import ElfImage
    from uprobe_core.probes.arch_ops import bind_arch

    arch = bind_arch(load_arch(args.arch))
    with ElfImage(args.binary, arch.info) as image:
        vaddr = _resolve(image, args.place)
        document = explain(image, vaddr, args, arch, choose_decoder(args.decoder))
    if args.json:
        from uprobe_core.cli.output import print_json

        print_json(document)
    else:
        _print(document)
    return 0


def _resolve(image: ElfImage, place: str) -> int:
    """The virtual address that *place* names; raises UsageError, TargetError or ProbeError."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError(f"place {place!r} is not SYMBOL[+OFF], ADDRESS or off:OFFSET", slug="bad-place")
    base, plus = match["base"], _number(match["plus"] or "0")
    if plus is None:
        raise UsageError(f"{match['plus'][:40]!r} in place {place[:80]!r} is not a number", slug="bad-place")
    number = _number(base)
    if match["form"] == "sym" or (match["form"] is None and number is None):
        return _loaded(image, _offset_of(image, base)) + plus
    if number is None:
        raise UsageError(f"{base!r} in place {place!r} is not a number", slug="bad-place")
    if match["form"] == "off":
        return _loaded(image, number + plus)
    return _checked_address(image, number + plus)


def _loaded(image: ElfImage, offset: int) -> int:
    """The virtual address that shows *offset*; in a damaged file also a symbol's may have none."""
    vaddr = image.offset_to_vaddr(offset)
    if vaddr is None:
        raise ProbeError(
            f"file offset {offset:#x} of {image.path} is not loaded by any segment",
            address=offset,
            where="file offset",
        )
    return vaddr


def _offset_of(image: ElfImage, name: str) -> int:
    """The file offset of a function; an unknown one is a place that cannot be probed."""
    found = image.named(name) or image.find_source(name)
    if len(found) > 1:
        names = dict.fromkeys(image.source_name(symbol) for symbol in found)
        ways = map(repr, names) if len(names) > 1 else (hex(symbol.vaddr) for symbol in found)
        hint = f"say which: {' or '.join(list(ways)[:3])}"
        raise UsageError(f"{name!r} is {len(found)} functions", hint=hint, slug="bad-place")
    if found:
        return found[0].offset
    try:
        return image.offset_of(name)
    except TargetError as error:
        raise ProbeError(error.message, where=image.path, hint=error.hint, slug=error.slug) from None


def _number(text: str) -> int | None:
    """A number as C writes it, None if *text* is none."""
    try:
        return int(text, 0)
    except ValueError:
        return None


def _checked_address(image: ElfImage, vaddr: int) -> int:
    """*vaddr* if the file has a byte there; raises ProbeError, with a hint if it looks like an offset."""
    if image.vaddr_to_offset(vaddr) is not None:
        return vaddr
    shown = image.offset_to_vaddr(vaddr)
    hint = f"as a file offset it is loaded at {shown:#x}: write off:{vaddr:#x}" if shown is not None else ""
    raise ProbeError(
        f"virtual address {vaddr:#x} is not in {image.path}",
        address=vaddr,
        where="virtual address",
        hint=hint,
    )


def explain(
    image: ElfImage, vaddr: int, args: argparse.Namespace, arch: ArchOps, choice: DecoderChoice
) -> dict[str, Any]:
    """Everything about the place at *vaddr* as plain JSON data."""
    from uprobe_core.events.quoting import path_as_written

    found = _instruction(image, vaddr, arch)
    if found is None:
        raise ProbeError(
            f"fewer than {arch.info.alignment} bytes are left at {vaddr:#x} of {image.path}",
            address=vaddr,
            where="virtual address",
        )
    around = image.symbol_at(vaddr)
    offset = image.vaddr_to_offset(vaddr)
    return {
        "binary": image.path,
        "address": vaddr,
        "offset": offset,
        "symbol": None if around is None else around[0].name,
        "symbol_offset": None if around is None else around[1],
        "indirect": around is not None and around[0].indirect,
        "word": arch.encoding_of(found),
        "text": choice.text(image.read(vaddr, arch.info.slot_bytes), vaddr),
        "decoder": choice.name,
        "verdicts": [_verdict(policy, image, vaddr, arch) for policy in _policies(args.policy)],
        "around": _around(image, vaddr, args.context, arch, choice),
        "event": f"p {path_as_written(image.path if '/' in image.path else './' + image.path)}:{offset:#x}",
    }


def _policies(wanted: str | None) -> list[Policy]:
    from uprobe_core.value_types import parse_policy

    return [parse_policy(text) for text in ([wanted] if wanted else POLICIES)]


def _verdict(policy: Policy, image: ElfImage, vaddr: int, arch: ArchOps) -> dict[str, Any]:
    """The verdict under one policy."""
    from uprobe_core.cli.classify import as_json

    found = arch.analyze_insn(image.read(vaddr, arch.info.slot_bytes), vaddr, policy)
    return {"policy": str(policy), **as_json(found, arch)}


def _instruction(image: ElfImage, vaddr: int, arch: ArchOps) -> Analysis | None:
    """The instruction at *vaddr*, None if the file ends within it."""
    from uprobe_core.types import Policy

    code = image.read(vaddr, arch.info.slot_bytes)
    if len(code) < arch.info.alignment:
        return None
    found = arch.analyze_insn(code, vaddr, Policy())
    return found if arch.size_of(found) <= len(code) else None


def _around(
    image: ElfImage, vaddr: int, context: int, arch: ArchOps, choice: DecoderChoice
) -> list[dict[str, Any]]:
    """The instructions within *context* of *vaddr*, as far as the segment has them."""
    lines: list[dict[str, Any]] = []
    for address, found in _instructions(image, vaddr, context, arch):
        text = choice.text(image.read(address, arch.info.slot_bytes), address)
        lines.append({"address": address, "word": arch.encoding_of(found), "text": text})
    here = next((n for n, line in enumerate(lines) if line["address"] == vaddr), 0)
    return lines[max(here - context, 0) : here + context + 1]


def _instructions(image: ElfImage, vaddr: int, context: int, arch: ArchOps) -> Iterator[tuple[int, Analysis]]:
    """Instructions one after the other from somewhere before *vaddr* to *context* behind it.

    Where they have different lengths only a function's start is known to be one's.
    """
    sizes = arch.info.insn_sizes
    around = image.symbol_at(vaddr)
    address = max(vaddr - sizes[0] * context, 0)
    if len(sizes) > 1:
        address = vaddr - around[1] if around is not None else vaddr
    end = vaddr + sizes[-1] * context
    while address <= end:
        found = _instruction(image, address, arch)
        if found is not None:
            yield address, found
        address += arch.size_of(found) if found is not None else sizes[0]


def _print(found: dict[str, Any]) -> None:
    """The same for people."""
    symbol = f"{found['symbol']}+{found['symbol_offset']:#x}" if found["symbol"] else "no symbol"
    print(f"{symbol}  address {found['address']:#x}  file offset {found['offset']:#x}  {found['binary']}\n")
    if found["indirect"]:
        name = found["symbol"]
        print(f"{name} is an indirect function; this is {name}@resolver, which returns where it is\n")
    for line in found["around"]:
        mark = ">" if line["address"] == found["address"] else " "
        print(f"{mark} {line['address']:#x}  {line['word']}  {line['text']}")
    print()
    for verdict in found["verdicts"]:
        errno = f" ({verdict['errno']})" if verdict["errno"] else ""
        print(f"{verdict['policy']:<12} {verdict['verdict']}{errno}: {verdict['reason']}")
        if verdict["defect"]:
            print(f"{'':<12} defect of this kernel: {verdict['defect']}")
    print(f"\nevent line: {found['event']}")
