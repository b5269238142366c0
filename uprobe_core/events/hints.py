"""What a user probably meant: nearest names and the usual slips."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("nearest", "nearest_names", "register_hint")


def nearest_names(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Up to *limit* of *known* that look like *word*, best first."""
    import difflib  # only errors need it, and it costs milliseconds

    return difflib.get_close_matches(word, list(known), n=limit, cutoff=0.6)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names what looks like *word*, or "" when nothing does."""
    names = nearest_names(word, known)
    return "did you mean " + " or ".join(names) + "?" if names else ""


def register_hint(name: str) -> str:
    """What to write instead of the register *name* that does not exist."""
    number = name[1:]
    if name == "fp":
        return "the frame pointer is %x29"
    if name in ("xzr", "wzr", "x31"):
        return "register 31 is %sp; the zero register has no name here"
    if name[:1] == "w" and number.isdecimal() and int(number[:3]) < 31:
        return f"the low half of a register is a cast: %x{int(number)}:x32"
    if name[:1] in ("d", "s", "v", "q") and number.isdecimal():
        return "floating point registers need policy=anywhere: %d0:f64, %s0:f32"
    return "registers are %x0 to %x30, %lr, %sp, %pc and %pstate"
