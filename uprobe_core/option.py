"""An option of a run: one row, which stands at the field of the set-up that holds its value.

Set-up file, JSON Schema, command line, keywords of a session and the manual
are made from these rows (:mod:`uprobe_core.setup.options` collects them), so
an option is added by adding a field with :func:`option` to
:class:`~uprobe_core.run_setup.RunSetup` and using it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from uprobe_core.value_types import ValueType

__all__ = ("PARTS", "Option", "flags_of", "option")

T = TypeVar("T")

PARTS = ("events", "the program's world", "output", "expectations", "execution", "limits")
"""Whom options are for, in the order of the command line's help."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row.

    :param name: the keyword in Python; for most the name of the field
    :param default: what holds when nobody says anything
    :param kind: which values there are, and how they are read
    :param help: one sentence without a full stop, for the command line, the schema and the manual
    :param part: whom it is for, one of PARTS
    :param table: the table of the set-up file, "" for the top level
    :param key: the key in that table, "" if a file cannot say it
    :param flags: as on the command line, ``"-o, --output FILE"``; "" if it has none
    :param flag_help: what the flag does, where the sentence of *help* is about its opposite
    :param field: the field of the set-up that holds the value, "" if none of its own does
    :param owner: the field of the set-up whose value has that field, "limits" for a limit
    :param read: what a text of the flag gives, by field, where that is not the one value of this row
    :param also: other ways to the same value
    """

    name: str
    default: Any
    kind: ValueType
    help: str
    part: str
    table: str = ""
    key: str = ""
    flags: str = ""
    flag_help: str = ""
    field: str = ""
    owner: str = ""
    read: Callable[[str], Mapping[str, Any]] | None = None
    also: tuple[Option, ...] = ()

    @property
    def is_switch(self) -> bool:
        """Whether the flag takes no value: it says the opposite of the default."""
        return isinstance(self.default, bool)

    def given(self, text: str) -> Mapping[str, Any]:
        """What *text* of the command line gives, by option; raises ValueError or UsageError."""
        return {self.name: self.kind.parse(text)} if self.read is None else self.read(text)


def flags_of(row: Option) -> tuple[list[str], str]:
    """The words of a row's flags, and what stands for the value after them ("" for a switch)."""
    words = row.flags.replace(",", " ").split(" ")
    flags = [word for word in words if word.startswith("-")]
    return flags, row.flags.rpartition(flags[-1])[2].strip() if flags else row.flags


def option(
    default: T,
    kind: ValueType,
    text: str,
    part: str,
    *,
    name: str = "",
    table: str = "",
    key: str = "",
    flags: str = "",
    flag_help: str = "",
    read: Callable[[str], Mapping[str, Any]] | None = None,
    also: tuple[Option, ...] = (),
) -> T:
    """A field of a set-up with its row; see :class:`Option` for the parameters.

    The name is the field's unless given, the key the name with dashes.
    """
    row = {"name": name, "kind": kind, "help": text, "part": part, "table": table}
    row |= {"key": key, "flags": flags, "flag_help": flag_help, "read": read, "also": also}
    metadata = {"option": row}
    if isinstance(default, dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
