"""Names as a demangler writes them: what is around the name itself, and blanks that do not matter."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ("of_type", "short", "without_blanks", "without_parameters", "without_result")

_NO_PARAMETERS = ("(anonymous ", "(*")
"""What stands in brackets within a name: a namespace of C++, the type of a method of Go."""
_COPY = re.compile(r" \[clone (\.[^\]]+)\]")


def short(name: str) -> str:
    """A name without parameters and the type of its result: ``int add<int>(int)`` is ``add<int>``."""
    start, end = _bounds(name)
    return name[start:end] or name


@lru_cache(1 << 14)
def without_parameters(name: str) -> str:
    """A name, or a place in it, without parameters: ``each<f(int)::{lambda(int)#1}>(long)`` ends at ``>``.

    Copies that a compiler made have their endings: ``both(int) [clone .actor]`` is ``both.actor``.
    """
    return (name[: _bounds(name)[1]] or name) + "".join(_COPY.findall(name))


def without_result(name: str) -> str:
    """A name without the type of its result, which functions that are made of a template begin with."""
    return name[_bounds(name)[0] :]


def of_type(name: str) -> str:
    """A method of a trait of Rust, as of its type: ``<app::Dog as Animal>::speak`` is ``app::Dog::speak``."""
    depth = 0
    for at, letter in enumerate(name if name.startswith("<") else ""):
        if depth == 1 and name.startswith(" as ", at):
            return name[1:at] + name[_closed(name, at) :]
        depth += (letter in "<([") - (letter in ">)]" and name[at - 1] != "-")
    return name


def _closed(name: str, at: int) -> int:
    """Behind the bracket that closes the one around *at*."""
    depth = 1
    while depth and at < len(name):
        depth += (name[at] in "<([") - (name[at] in ">)]" and name[at - 1] != "-")
        at += 1
    return at


def without_blanks(name: str) -> str:
    """A name as two people who write blanks differently would both have it."""
    return name.replace(" ", "")


def _bounds(name: str) -> tuple[int, int]:
    """Where the name begins, behind the type of its result, and where its parameters begin."""
    if " " not in name and "(" not in name:
        return 0, len(name)
    start, depth = 0, 0
    for at, letter in enumerate(name):
        if not depth and letter == " ":
            start = at + 1
        if (
            not depth
            and letter == "o"
            and name.startswith("operator", at)
            and not name[at - 1 : at].isalnum()
        ):
            end = name.find("(", at + len("operator") + (2 if name.startswith("operator()", at) else 1))
            return start, len(name) if end < 0 else end
        if not depth and letter == "(" and not name.startswith(_NO_PARAMETERS, at) and not _goes_on(name, at):
            return start, at
        depth += (letter in "<([{") - (letter in ">)]}" and not name.startswith("->", at - 1))
    return start, len(name)


def _goes_on(name: str, at: int) -> bool:
    """Whether the parameters that begin at *at* are those of a function around the one that is named."""
    depth = 0
    for end in range(at, len(name)):
        depth += (name[end] == "(") - (name[end] == ")")
        if not depth:
            return name.startswith(("::", " const::"), end + 1)
    return False
