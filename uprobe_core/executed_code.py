"""What of a program's files was executed: functions, lines and blocks, as consumers are given it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ("CodeFile", "CodeFunction")


@dataclass(frozen=True, slots=True)
class CodeFunction:
    """A function of a file.

    :param start: address of its first instruction, in the file's own numbering
    :param size: bytes
    :param executed: bytes of its instructions that were executed
    :param blocks: blocks that begin in it and were executed
    :param entered: how often its first instruction was executed
    :param source: the file that it was compiled from, "" if nobody knows
    :param line: where it begins there, 0 if nobody knows
    :param lines: by line of *source*, how often its code was executed: the instruction that was executed most
    """

    name: str
    start: int
    size: int
    executed: int
    blocks: int
    entered: int
    source: str
    line: int
    lines: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file with code that was executed.

    :param path: as the program names it
    :param host_path: on this machine, "" if it is not there any more
    :param base: the lowest address that the file is loaded at, in its own numbering
    :param end: the first address behind all that is loaded
    :param blocks: address and size in bytes of each block that was executed, sorted; they may overlap
    :param functions: all that it has, by address
    :param lines: by source file as compiled, by line, how often its code was executed: the instruction that
        was executed most, and of code in several functions (templates, inlined calls) all of them together
    """

    path: str
    host_path: str
    base: int
    end: int
    blocks: Sequence[tuple[int, int]]
    functions: Sequence[CodeFunction]
    lines: Mapping[str, Mapping[int, int]]
