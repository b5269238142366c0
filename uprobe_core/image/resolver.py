"""Locations by name (extensions).

``PATH:SYMBOL[+OFF]``, ``PATH:GLOB*``, ``PATH:*+0xADDR``, ``PATH:FILE.c:LINE``,
``PATH:sdt:PROVIDER:NAME``; each may end in ``%return`` and ``(REF)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from uprobe_core.errors import SpecError, TargetError
from uprobe_core.events.files import FileCheck, FileStatus, host_file
from uprobe_core.events.hints import nearest
from uprobe_core.events.line import EventLine
from uprobe_core.events.locations import Location
from uprobe_core.events.quoting import quoted_path
from uprobe_core.image.elf_symbols import ElfImage, Symbol
from uprobe_core.image.event_names import apart, identifier
from uprobe_core.source_names import short

if TYPE_CHECKING:
    from uprobe_core.architecture import Architecture
    from uprobe_core.debuginfo.info import DebugInfo
    from uprobe_core.debuginfo.source import Source
    from uprobe_core.events.variables import SourceNames
    from uprobe_core.image.usdt import MarkerArgument, OperandReader
    from uprobe_core.unwinding import FrameRules

__all__ = ("ImageResolver",)


_LOCATION = (
    "write PATH:SYMBOL[+OFF] or PATH:OFFSET; PATH has a /, and quotation marks if it has spaces,"
    " or is the name of a library that the program loads"
)
_QUOTED = (
    "quotation marks go around the path alone, and a name is written without its blanks:"
    ' "/my dir/app":A::operatorint'
)
_LINE = re.compile(r"(?P<file>.+?):(?P<line>[0-9]{1,9})(?::(?P<column>[0-9]{1,9}))?")


class ImageResolver:
    """Finds places in ELF files; the images stay open for the next line.

    :param wanted: what the files must be for
    :param operand: reads the operands of markers: ``marker_operand`` of uprobe_core.arch_hooks
    :param files: finds files that the guest names, for debug information that lies apart
    :param folders: of this machine, where it is looked for as below /usr/lib/debug
    :param rules: how the architecture unwinds: ``frame_rules`` of uprobe_core.arch_hooks
    """

    def __init__(
        self,
        wanted: Architecture,
        operand: OperandReader,
        files: FileCheck = host_file,
        folders: Sequence[str] = (),
        rules: Callable[[], FrameRules | None] = lambda: None,
    ) -> None:
        self._wanted, self._operand = wanted, operand
        self._files, self._folders, self._rules = files, folders, rules
        self._images: dict[str, ElfImage] = {}
        self._sources: dict[str, Source] = {}
        self._with_debug: dict[str, bool] = {}

    def _image(self, line: EventLine, path: str, status: FileStatus) -> ElfImage:
        image = self._images.get(status.host_path)
        if image is None:
            try:
                image = self._images[status.host_path] = ElfImage(status.host_path, self._wanted)
                if image.section(".symtab") is None and self._may_have_names(image, path):
                    image.names_from = self.source(image, path).found.symbols
            except TargetError as error:
                raise _refusal(line, str(error), error.hint) from None
        return image

    def _may_have_names(self, image: ElfImage, path: str) -> bool:
        """Whether a stripped file's names may be elsewhere, before anything that reads them is imported."""
        try:
            return image.section(".gnu_debugdata") is not None or self._has_debug(image, path)
        except TargetError:
            return True  # who reads it says what is wrong

    def source(self, image: ElfImage, path: str) -> Source:
        """What debug information says of *image*, which the guest calls *path*."""
        found = self._sources.get(image.path)
        if found is None:
            from uprobe_core.debuginfo.source import Source

            found = self._sources[image.path] = Source(image, path, self._files, self._folders)
        return found

    def split(self, line: EventLine, check: FileCheck) -> tuple[str, str, bool, int]:
        """Path, target text, whether ``%return`` was there, and the semaphore's file offset."""
        location = line.words[1]
        quoted = quoted_path(location)
        path, colon = quoted or (location, _path_end(location, check))
        target = location[colon + 1 :] if location[colon : colon + 1] == ":" else ""
        file = path if quoted else location[: max(colon, 0)]
        if target.startswith(('"', "'")) or (quoted and not target and ":" in path):
            raise _refusal(line, f"not a uprobe location: {location}", _QUOTED)
        if not target or not ("/" in path or check(file).is_library):
            hint = (check(file).why_no_library if target else "") or _LOCATION
            raise _refusal(line, f"not a uprobe location: {location}", hint)
        target, ref = _reference(target)
        is_return = target.endswith("%return")
        return file, target.removesuffix("%return"), is_return, ref

    def resolve(self, line: EventLine, path: str, status: FileStatus, target: str) -> Sequence[Location]:
        """All places that *target* names in the file, at least one; a damaged file is this line's error."""
        image = self._image(line, path, status)
        try:
            return self._places(line, path, image, target)
        except TargetError as error:
            raise _refusal(line, str(error), error.hint) from None

    def _places(self, line: EventLine, path: str, image: ElfImage, target: str) -> Sequence[Location]:
        if target.startswith("sdt:"):
            return self._marker(line, path, image, target)
        if _LINE.fullmatch(target) or (":" in target and "::" not in target):
            return self._source_line(line, path, image, target)
        if target.startswith("*+"):
            return [self._virtual(line, path, image, target)]
        if any(c in target for c in "*?[") and image.find(target) is None:
            return self._glob(line, path, image, target)
        name, offset = _name_and_offset(image, target)
        found = self._named(image, name)
        is_one_name = len({symbol.name for symbol in found}) < 2
        if not offset and is_one_name:
            places = self._instances(path, image, found, name, target)
            if places:
                return places
        if not found:
            known = [symbol.name for symbol in image.functions()]
            hint = nearest(name, known) or _LIST if known else _STRIPPED
            raise _refusal(line, f"symbol {name!r} is not in {path}", hint)
        try:
            distance = int(offset, 0) if offset else 0
        except ValueError:
            raise _refusal(
                line, f"bad offset {offset!r} after symbol {name!r}", "write a number: +8 or +0x8"
            ) from None
        for symbol in found:
            if symbol.size and distance >= symbol.size and not symbol.indirect:
                text = f"offset {distance:#x} is outside {name!r}, which is {symbol.size} bytes long"
                raise _refusal(line, text, "`uprobe list` shows sizes")
        event = f"{short(name)}_{distance:#x}" if distance else short(name)
        if is_one_name:
            return [_location(path, symbol, distance, identifier(event), target) for symbol in found]
        names = apart([event] * len(found), [s.name for s in found], [s.offset for s in found])
        return [
            _location(path, symbol, distance, each, image.source_name(symbol))
            for symbol, each in zip(found, names, strict=True)
        ]

    @staticmethod
    def _named(image: ElfImage, name: str) -> list[Symbol]:
        """The function of a symbol's name (each static one), or those of a name as the source has it."""
        found = image.named(name) or image.find_source(name)
        return list({each.offset: each for each in found}.values())

    def _instances(
        self, path: str, image: ElfImage, found: Sequence[Symbol], name: str, target: str
    ) -> list[Location]:
        """The function, and where else its code is: inlined, or made for some callers; [] if nowhere."""
        if not self._has_debug(image, path) or any(symbol.indirect for symbol in found):
            return []
        wanted = found[0].name if found else name
        instances = self.source(image, path).instances(wanted)
        event = identifier(short(name))
        places = [_location(path, symbol, 0, event, target) for symbol in found]
        for each in instances:
            offset = image.vaddr_to_offset(each.entry)
            if offset is not None and all(offset != place.offset for place in places):
                text = f"{target}, inlined" if each.inlined else target
                places.append(Location(path, offset, name=event, text=text, inlined=each.inlined))
        return places if len(places) > len(found) else []

    def _source_line(self, line: EventLine, path: str, image: ElfImage, target: str) -> list[Location]:
        """``FILE.c:LINE[:COL]``: every stretch of code that the line has; ``FUNC:LINE``: in a function."""
        match = _LINE.fullmatch(target)
        if match is None:
            text = f"bad source line {target!r} in {path}"
            raise _refusal(line, text, "write PATH:FILE.c:LINE[:COL], or PATH:sdt:PROVIDER:NAME for a marker")
        file, number, column = match["file"], int(match["line"]), int(match["column"] or 0)
        try:
            source = self.source(image, path)
            addresses = source.addresses(file, number, column)
            hint = "" if addresses else source.line_hint(file, number, column)
        except TargetError as error:
            raise _refusal(line, str(error), error.hint) from None
        offsets = [offset for a in addresses if (offset := image.vaddr_to_offset(a)) is not None]
        if not offsets:
            raise _refusal(line, f"no code at {target} in {path}", hint)
        stem = identifier(file.rpartition("/")[2].partition(".")[0])
        return [Location(path, offset, name=f"{stem}_{number}"[:63], text=target) for offset in offsets]

    def _marker(self, line: EventLine, path: str, image: ElfImage, target: str) -> list[Location]:
        """``sdt:PROVIDER:NAME``: every place of the marker, with its semaphore and arguments."""
        from uprobe_core.image.usdt import markers

        provider, colon, name = target.removeprefix("sdt:").partition(":")
        try:
            known = markers(image, self._operand)
        except TargetError as error:
            raise _refusal(line, str(error), error.hint) from None
        found = [m for m in known if (m.provider, m.name) == (provider, name)] if colon else []
        if not found:
            names = {f"{m.provider}:{m.name}" for m in known}
            hint = nearest(f"{provider}:{name}", names) or f"markers: {' '.join(sorted(names)) or 'none'}"
            raise _refusal(line, f"no marker {provider}:{name} in {path}", hint)
        common = identifier(f"{provider}_{name}")
        return [
            Location(path, m.offset, m.semaphore, common, target, _marker_arguments(m.arguments))
            for m in found
        ]

    def _virtual(self, line: EventLine, path: str, image: ElfImage, target: str) -> Location:
        try:
            vaddr = int(target[2:], 0)
        except ValueError:
            raise _refusal(line, f"bad virtual address {target[2:]!r}", "write PATH:*+0xADDR") from None
        offset = image.vaddr_to_offset(vaddr)
        if offset is None:
            raise _refusal(
                line,
                f"no byte of {path} is loaded at {vaddr:#x}",
                "addresses are the file's own, without a load bias",
            )
        return Location(path, offset, text=target)

    def _glob(self, line: EventLine, path: str, image: ElfImage, target: str) -> list[Location]:
        found = [s for s in image.functions() if image.is_match(s, target)]
        if not found:
            raise _refusal(
                line, f"no function of {path} matches {target!r}", "`uprobe list` shows what there is"
            )
        shorts = [short(image.source_name(s)) for s in found]
        names = apart(shorts, [s.name for s in found], [s.offset for s in found])
        return [
            _location(path, symbol, 0, name, image.source_name(symbol))
            for symbol, name in zip(found, names, strict=True)
        ]

    def data_symbol(self, line: EventLine, status: FileStatus, offset: int, symbol: str) -> int:
        """What FOFFS takes to reach data *symbol* from a probe at file *offset*, bytes."""
        image = self._image(line, status.host_path, status)
        found = image.find_object(symbol)
        here = image.offset_to_vaddr(offset)
        if found is None or here is None:
            hint = nearest(symbol, (s.name for s in image.objects()))
            raise _refusal(line, f"data symbol {symbol!r} is not in {status.host_path}", hint)
        return found.vaddr - here + offset

    def source_of(self, path: str) -> tuple[ElfImage, DebugInfo] | None:
        """The file that the guest calls *path*, and its debug information; None without that."""
        status = self._files(path)
        image = self._images.get(status.host_path)
        try:
            if image is None:
                image = self._images[status.host_path] = ElfImage(status.host_path, self._wanted)
            info = self.source(image, path).found.info
            return None if info is None else (image, info)
        except TargetError:
            return None

    def _has_debug(self, image: ElfImage, path: str) -> bool:
        """Whether there is debug information, before anything that reads it is imported."""
        if image.path not in self._with_debug:
            from uprobe_core.image.debug_files import debug_file

            own = any(image.section(name) for name in (".debug_info", ".zdebug_info"))
            apart = None if own else debug_file(image, path, self._files, self._folders)
            self._with_debug[image.path] = own or apart is not None
            if apart is not None:
                apart.close()
        return self._with_debug[image.path]

    def names(
        self, line: EventLine, path: str, status: FileStatus, offset: int, *, is_return: bool
    ) -> SourceNames | None:
        """What the source calls things at file *offset*; None without debug information for it."""
        image = self._image(line, path, status)
        rules = self._rules() if self._has_debug(image, path) else None
        if rules is None:
            return None
        return self.source(image, path).names(offset, rules, self.source_of, at_return=is_return)


def _reference(target: str) -> tuple[str, int]:
    """*target* without the ``(REF)`` that ends it, and the number; parameters are no number."""
    head, brace, rest = target.rpartition("(")
    number = rest.removesuffix(")")
    if brace and head and number[:1].isdigit():
        try:
            return head, int(number, 0)
        except ValueError:
            pass
    return target, 0


def _path_end(location: str, check: FileCheck) -> int:
    """Index of the colon that ends the path: the first after an existing file, else the first; -1."""
    first = colon = location.find(":", location.rfind("/") + 1)
    at = location.find(":")
    while at >= 0:
        path = location[:at]
        if "/" in path and not (status := check(path)).errno_name and status.regular:
            return at
        colon = at if colon < 0 else colon
        at = location.find(":", at + 1)
    return first if first >= 0 else colon


_LIST = "`uprobe list` shows what there is"
_STRIPPED = "the file has no symbols; `uprobe doctor FILE` says where debug information was found"


def _refusal(line: EventLine, text: str, hint: str) -> SpecError:
    error = line.refusal(text, hint=hint)
    error.caret = line.column(1)
    return error


def _marker_arguments(arguments: Sequence[MarkerArgument]) -> tuple[str, ...]:
    """``argN=...`` for each argument that can be fetched; the others are left out, their numbers kept."""
    return tuple(f"arg{n}={each.text}" for n, each in enumerate(arguments, start=1) if each.text)


def _location(path: str, symbol: Symbol, distance: int, name: str, text: str) -> Location:
    resolver = symbol.offset if symbol.indirect else None
    return Location(path, symbol.offset + distance, name=name, text=text, resolver=resolver)


def _name_and_offset(image: ElfImage, target: str) -> tuple[str, str]:
    """*target* at its last plus, if a number follows it: ``operator+`` is a name."""
    name, plus, offset = target.rpartition("+")
    if plus and name and (offset[:1].isdigit() or image.find(name) is not None):
        return name, offset or "+"
    return target, ""
