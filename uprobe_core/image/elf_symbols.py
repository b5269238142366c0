"""Functions and addresses of an ELF file.

Symbol tables are unpacked in one sweep, because ``uprobe run`` resolves a
symbol before the program starts and users wait for it.  Source: the System V
ABI (gABI chapter 4).
"""

from __future__ import annotations

import bisect
import fnmatch
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from uprobe_core.errors import TargetError
from uprobe_core.image.elf import ElfFile, Section
from uprobe_core.source_names import of_type, short, without_blanks, without_result

__all__ = ("RESOLVER", "ElfImage", "Symbol")

RESOLVER = "@resolver"
"""What an indirect function's resolver is called by, after the function's name."""

_SYM = struct.Struct("<IBBHQQ")
SHT_SYMTAB, SHT_DYNSYM = 2, 11
SHF_EXECINSTR = 4
STT_OBJECT, STT_FUNC, STT_TLS, STT_IFUNC = 1, 2, 6, 10
_PLACED = frozenset((0, STT_OBJECT, STT_FUNC, STT_IFUNC))


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol with a place in the file.

    :param vaddr: virtual address in the file's own numbering (no load bias)
    :param offset: file offset, bytes
    :param size: bytes, 0 when the file does not say
    :param indirect: the program calls what is there once, to be told where the function is (STT_GNU_IFUNC)
    :param local: only its own source file knows it (STB_LOCAL), so another file may have one of that name
    """

    name: str
    vaddr: int
    offset: int
    size: int
    indirect: bool = False
    local: bool = False


class ElfImage(ElfFile):
    """An ELF file with its symbols; raises TargetError as :class:`~uprobe_core.image.elf.ElfFile` does.

    :ivar names_from: the file that has the names which a stripped one has not; set before any is asked for
    """

    names_from: ElfImage | None = None

    def _tables(self) -> list[Section]:
        kinds = {s.kind: s for s in self.sections if s.kind in (SHT_SYMTAB, SHT_DYNSYM)}
        return [kinds[k] for k in (SHT_SYMTAB, SHT_DYNSYM) if k in kinds]

    def _raw_symbols(self) -> Iterator[tuple[str, int, int, int, int]]:
        """(name, binding and type, value, size, section) of the defined symbols of all tables."""
        yield from self._own_symbols()
        if self.names_from is not None:
            yield from self.names_from._own_symbols()

    def has_thread_local(self, name: str) -> bool:
        """Whether a variable called *name* is each thread's own."""
        files = [self] if self.names_from is None else [self, self.names_from]
        found = (each for file in files for each in file._symbols_of(frozenset((STT_TLS,))))
        return any(symbol[0] == name for symbol in found)

    def _own_symbols(self) -> Iterator[tuple[str, int, int, int, int]]:
        return self._symbols_of(_PLACED)

    def _symbols_of(self, kinds: frozenset[int]) -> Iterator[tuple[str, int, int, int, int]]:
        for table in self._tables():
            symbols = self.bytes_of(table)
            strings = self.bytes_of(self.sections[table.link]) if table.link < len(self.sections) else b""
            for name, info, _, index, value, size in _SYM.iter_unpack(symbols[: len(symbols) // 24 * 24]):
                if not index or not name or info & 15 not in kinds:
                    continue
                end = strings.find(b"\0", name)
                yield strings[name:end].decode("utf-8", "surrogateescape"), info, value, size, index

    @cached_property
    def _functions(self) -> dict[str, Symbol]:
        """The first of each name; one that all source files know goes before those that one knows."""
        found: dict[str, Symbol] = {}
        for symbol in sorted(self._code, key=lambda each: each.local):
            found.setdefault(symbol.name, symbol)
        return found

    @cached_property
    def _objects(self) -> dict[str, Symbol]:
        found: dict[str, Symbol] = {}
        for name, info, value, size, _ in self._raw_symbols():
            if info & 15 in (0, STT_OBJECT) and name not in found:
                found[name] = Symbol(name, value, self.vaddr_to_offset(value) or 0, size)
        return found

    @cached_property
    def _code(self) -> list[Symbol]:
        """Functions and untyped labels in code, in the order of the tables.

        A separate debug file has the names of code whose bytes it has not; their offset is 0.
        """
        found: list[Symbol] = []
        for name, info, value, size, section in self._raw_symbols():
            kind = info & 15
            if kind not in (STT_FUNC, STT_IFUNC) and (kind or not self._is_label(name, value, section)):
                continue
            offset = self.vaddr_to_offset(value)
            if offset is not None or self._is_code(value):
                found.append(Symbol(name, value, offset or 0, size, kind == STT_IFUNC, info < 16))
        return found

    def _is_label(self, name: str, vaddr: int, section: int) -> bool:
        """Whether an untyped symbol is a place in code: no mapping symbol ($x), no section's end."""
        if name[:1] == "$" or section >= len(self.sections):
            return False
        of = self.sections[section]
        return bool(of.flags & SHF_EXECINSTR) and of.vaddr <= vaddr < of.vaddr + of.size

    def _is_code(self, vaddr: int) -> bool:
        return any(s.flags & 1 and s.vaddr <= vaddr < s.vaddr + s.memory_size for s in self.segments)

    def functions(self) -> list[Symbol]:
        """The functions (and untyped labels in code), by address, then name; several may share a name."""
        places: dict[tuple[str, int], Symbol] = {}
        for symbol in self._code:
            places.setdefault((symbol.name, symbol.vaddr), symbol)
        return sorted(places.values(), key=lambda s: (s.vaddr, s.name))

    def objects(self) -> list[Symbol]:
        """The data symbols by address; *offset* is 0 for what the file has no bytes of (.bss)."""
        return sorted(self._objects.values(), key=lambda s: (s.vaddr, s.name))

    def find(self, name: str) -> Symbol | None:
        """The function called *name*, None if there is none; ``NAME@resolver`` is that of an indirect one."""
        found = self._functions.get(name)
        if found is None and name.endswith(RESOLVER):
            function = self._functions.get(name.removesuffix(RESOLVER))
            if function is not None and function.indirect:
                return replace(function, name=name, indirect=False)
        return found

    def named(self, name: str) -> list[Symbol]:
        """The function called *name*; every one of that name where only their own source files know them."""
        found = self.find(name)
        if found is None or not found.local:
            return [] if found is None else [found]
        return [symbol for symbol in self.functions() if symbol.name == found.name] or [found]

    def source_name(self, symbol: Symbol) -> str:
        """What the source calls *symbol*: ``app::add(int, int)``; its own name where there is no other."""
        if symbol.name[:2] not in ("_Z", "_R"):
            return symbol.name
        from uprobe_core.image.demangling import demangle

        return demangle(symbol.name)

    @cached_property
    def _by_source(self) -> dict[str, list[Symbol]]:
        """Functions by the name in the source without blanks, with and without its parameters."""
        found: dict[str, list[Symbol]] = {}
        for symbol in self.functions():
            name = self.source_name(symbol)
            if name != symbol.name:
                for each in {
                    without_blanks(way) for way in (name, without_result(name), short(name), of_type(name))
                }:
                    found.setdefault(each, []).append(symbol)
            elif "[" in name:  # Go, made for some types: main.Total[go.shape.int]
                found.setdefault(name.partition("[")[0], []).append(symbol)
        return found

    def find_source(self, name: str) -> list[Symbol]:
        """The functions that the source calls *name*; without parameters those of every overload."""
        return self._by_source.get(without_blanks(name), [])

    def is_match(self, symbol: Symbol, glob: str) -> bool:
        """Whether *glob* matches a function's name, or what the source calls it, parameters or not."""
        if fnmatch.fnmatchcase(symbol.name, glob):
            return True
        name = self.source_name(symbol)
        if name == symbol.name:
            return False
        wanted = without_blanks(glob)
        names = [name, without_result(name)] if "(" in glob else [name, short(name), of_type(name)]
        return any(fnmatch.fnmatchcase(without_blanks(each), wanted) for each in names)

    def find_object(self, name: str) -> Symbol | None:
        """The data symbol called *name*, else the function of that name, else None."""
        return self._objects.get(name) or self._functions.get(name)

    def offset_of(self, name: str) -> int:
        """The file offset of the function called *name*; raises TargetError that suggests near names."""
        symbol = self.find(name)
        if symbol is None:
            near = self.nearest(name)
            hint = "did you mean " + " or ".join(near) + "?" if near else self._without_symbols()
            raise TargetError(f"no function {name} in {self.path}", hint=hint, slug="no-symbol")
        return symbol.offset

    def _without_symbols(self) -> str:
        if self._functions:
            return f"uprobe list {self.path} shows what can be probed"
        return "the file has no symbols (it was stripped); give a file offset, or *+0xADDRESS"

    @cached_property
    def _by_address(self) -> tuple[list[int], list[Symbol]]:
        functions = sorted(set(self._code), key=lambda s: (s.vaddr, s.name, s.size))
        return [s.vaddr for s in functions], functions

    def symbol_at(self, vaddr: int) -> tuple[Symbol, int] | None:
        """The function around *vaddr* and the distance from its start in bytes; None outside of all.

        A function without a size reaches to the next one.
        """
        addresses, functions = self._by_address
        at = bisect.bisect_right(addresses, vaddr) - 1
        while at >= 0:
            symbol = functions[at]
            distance = vaddr - symbol.vaddr
            if distance < symbol.size or (symbol.size == 0 and self._is_code(vaddr)):
                return symbol, distance
            if at == 0 or functions[at - 1].vaddr != symbol.vaddr:
                return None
            at -= 1
        return None

    def nearest(self, name: str, limit: int = 3) -> list[str]:
        """Up to *limit* function names that look like *name*, best first."""
        import difflib  # only error messages need it

        return difflib.get_close_matches(name, list(self._functions), n=limit, cutoff=0.6)
