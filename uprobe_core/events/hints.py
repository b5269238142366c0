"""What a user probably meant: nearest names and the usual slips."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("in_words", "nearest", "nearest_names", "register_hint", "type_hint")


def nearest_names(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Up to *limit* of *known* that look like *word*, best first."""
    import difflib  # only errors need it, and it costs milliseconds

    return difflib.get_close_matches(word, list(known), n=limit, cutoff=0.6)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names what looks like *word*, or "" when nothing does."""
    names = nearest_names(word, known)
    return "did you mean " + " or ".join(names) + "?" if names else ""


_C_TYPES = {
    **dict.fromkeys(("int", "int32", "int32_t", "i32", "long32"), "s32"),
    **dict.fromkeys(("unsigned", "uint", "uint32", "uint32_t", "unsigned_int"), "u32"),
    **dict.fromkeys(("long", "int64", "int64_t", "i64", "ssize_t", "ptrdiff_t"), "s64"),
    **dict.fromkeys(("ulong", "uint64", "uint64_t", "size_t", "unsigned_long"), "u64"),
    **dict.fromkeys(("short", "int16", "int16_t", "i16"), "s16"),
    **dict.fromkeys(("ushort", "uint16", "uint16_t"), "u16"),
    **dict.fromkeys(("int8", "int8_t", "i8"), "s8"),
    **dict.fromkeys(("uint8", "uint8_t", "byte", "bool"), "u8"),
    **dict.fromkeys(("ptr", "pointer", "void*", "hex", "addr"), "x64"),
    **dict.fromkeys(("str", "char*", "cstring", "text"), "string"),
}


def type_hint(name: str, known: Iterable[str]) -> str:
    """What to write instead of the type *name* that does not exist."""
    known = list(known)
    if name.lower() in _C_TYPES:
        return f"that is {_C_TYPES[name.lower()]} here"
    if name.startswith("b"):
        return "a bit field is bWIDTH@OFFSET/CONTAINER, CONTAINER 8, 16, 32 or 64"
    return nearest(name, known) or f"types: {' '.join(known)}, bW@O/C"


def register_hint(known: Iterable[str]) -> str:
    """What to write instead of a register that does not exist, *known* being all there are."""
    return f"registers are {in_words(f'%{each}' for each in known)}"


def in_words(names: Iterable[str]) -> str:
    """*names* in one phrase, numbered ones as a range: ``%x0 to %x30, %lr and %sp``."""
    runs: list[list[str]] = []
    for name in names:
        stem = name.rstrip("0123456789")
        last = runs[-1][-1] if runs else ""
        if name != stem and last == f"{stem}{int(name[len(stem) :]) - 1}":
            runs[-1].append(name)
        else:
            runs.append([name])
    shown = [each for run in runs for each in (run if len(run) < 3 else [f"{run[0]} to {run[-1]}"])]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
