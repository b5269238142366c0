"""The writer contract: how a run's records become a file of some format.

A writer is chosen by name (``--format NAME``, group ``uprobe.writers``).  The
format ``tracefs`` is built in, since it needs no writer: it is one line a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

from uprobe_core.event_model import FAULT, GONE, EventSpec, Record, Value

__all__ = ("FAULT", "GONE", "EventSpec", "Record", "RunHeader", "Value", "Writer", "escaped", "escaped_value")

_NOT_UTF_8 = re.compile(r"[\udc80-\udcff]|\\(?=x[0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is known of a run before its first record.

    :param argv: the guest's argument vector
    :param events: every probed location, in the order of definition
    :param options: ``--format NAME:key=value,...``: those that the writer's class attribute ``options`` names
    """

    argv: Sequence[str]
    events: Sequence[EventSpec]
    options: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Writer(Protocol):
    """A writer plugin: a class taking ``(stream, header)``.

    A class attribute ``wants_stacks = True`` asks for the user stack of every
    record (:attr:`~uprobe_core.event_model.Record.stack`), ``wants_frames = True`` for the stack pointer, the
    return address and a number that longjmps move in the entries of ``-F``, their last three arguments,
    ``_sp``, ``_lr`` and ``_jumps``: they tell :class:`~uprobe_core.call_pairs.CallPairs` what a longjmp has
    left.  A class attribute ``options``
    names the options that it takes, with what each means; a bad value is a
    :class:`~uprobe_core.errors.UsageError` of its constructor.  A method ``lost(count)``,
    if there is one, is called before the first record of a bounded run that
    dropped *count* earlier ones.  A method ``known()``, if there is one, is called when the program waits
    and the stream is a terminal: what the writer has not written yet, though it could, is to be seen.
    A class attribute ``appends = True`` says that each record is
    whole in the stream when ``write`` returns and depends on none before it: forked processes
    then write to the file as they go, so that who kills the run has their records too; at the
    end the file is written once more, in order.  A class attribute ``until_closed = NAME`` says that
    nobody can read the stream before ``close``: until then all processes write their records to
    ``FILE.part`` too, in the format NAME, one that ``appends`` (``"jsonl"``).
    """

    def __init__(self, stream: BinaryIO, header: RunHeader) -> None: ...

    def write(self, record: Record) -> None:
        """Add one record.  Called in the order of hits, in the session's own process only,
        unless the class says ``appends``.
        """
        ...

    def close(self) -> None:
        """Finish the format; the stream itself is closed by the caller.  Called once."""
        ...


def escaped(text: str) -> str:
    r"""*text* of a guest for a format that holds UTF-8 only; reversible.

    Bytes that are not UTF-8, which the strings of a record carry as lone
    surrogates (PEP 383), become ``\xNN`` with two lower-case hexadecimal digits;
    a backslash in front of what would look so is ``\x5c``; all else is itself.
    Each ``\xNN`` turned back into its byte gives the guest's bytes.
    """
    return _NOT_UTF_8.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", text)


def escaped_value(value: Value) -> Value:
    """A fetched value with its text, or the texts of an array, :func:`escaped`."""
    if isinstance(value, tuple):
        return tuple(escaped(each) if isinstance(each, str) else each for each in value)
    return escaped(value) if isinstance(value, str) else value
