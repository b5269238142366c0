"""``@dataclass`` for our own classes in two fifths of the time: the same fields, methods that do the same.

A run defines a hundred, and for each ``dataclasses`` matches three regular expressions a field, writes
and executes the sources of six methods, changes the class method by method, and makes it once more for its
slots.  Here only ``__init__`` has code of its own, the others are closures over the names of the fields,
and the class is made once more with all of them.  What is not as plain as nearly all of ours are
(:func:`_rows`), and every class of others, is left to ``dataclasses``.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from threading import get_ident
from types import CellType, CodeType, FunctionType, MemberDescriptorType
from typing import Any

__all__ = ("install",)

Compile = Callable[[str, str], CodeType]
"""Code of the function within the function that a source defines; by the name of a module, and the source."""

_Rows = dict[str, tuple[str, Any]]
"""By the name of a field what it is annotated with, and its ``Field``."""

_Method = Callable[..., Any]

_SPECIAL = ("ClassVar", "InitVar", "KW_ONLY")
_MADE = frozenset(
    (
        *("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"),
        *("__getstate__", "__setstate__", "__match_args__", "__slots__", "__post_init__", "self"),
    )
)
"""What a class that has it by itself is not plain for."""


def install(compiled: Compile) -> None:
    """Whoever imports ``dataclass`` from now on has ours."""
    whole: Any = dataclasses.dataclass

    def dataclass(
        cls: Any = None, /, *, eq: bool = True, frozen: bool = False, slots: bool = False, **others: Any
    ) -> Any:
        """As dataclasses.dataclass."""

        def made(cls: type) -> Any:
            rows = _rows(cls) if slots and not others else None
            if rows is None:
                return whole(eq=eq, frozen=frozen, slots=slots, **others)(cls)
            return _make(cls, rows, compiled, eq=eq, frozen=frozen)

        return made if cls is None else made(cls)

    dataclasses.dataclass = dataclass


def _rows(cls: type) -> _Rows | None:
    """The fields of *cls*, those of its bases first; None: it is left to ``dataclasses``."""
    own = cls.__dict__
    annotations = own.get("__annotations__", {})
    if not (cls.__module__.startswith("uprobe_") and own.get("__doc__") and _MADE.isdisjoint(own)):
        return None
    rows: _Rows = {}
    for base in cls.__mro__[-2:0:-1]:
        held = base.__dict__.get("__dataclass_fields__")
        if held is not None:
            if type(held) is not _OfTwin:
                return None
            rows.update(held.twin.rows)
    for name, words in annotations.items():
        row = getattr(cls, name, MISSING)
        if type(row) is not Field:
            default = MISSING if type(row) is MemberDescriptorType else row
            row = dataclasses.field(default=default)
        elif row.metadata or row.hash is not None or row.kw_only is True:
            return None
        if type(words) is not str or any(special in words for special in _SPECIAL):
            return None
        rows[name] = words, row
    return rows


def _make(cls: type, rows: _Rows, compiled: Compile, *, eq: bool, frozen: bool) -> type:
    twin = _Twin(cls.__name__, rows, {"eq": eq, "frozen": frozen})
    made: dict[str, Any] = {
        "__dataclass_fields__": _OfTwin(twin, "__dataclass_fields__"),
        "__dataclass_params__": _OfTwin(twin, "__dataclass_params__"),
        "__match_args__": tuple(name for name, (_, row) in rows.items() if row.init),
        "__init__": _init(cls, rows, compiled, frozen=frozen),
        "__repr__": _repr(tuple(name for name, (_, row) in rows.items() if row.repr)),
    }
    if sys.version_info >= (3, 13):
        made["__replace__"] = _replace
    if eq:
        compared = tuple(name for name, (_, row) in rows.items() if row.compare)
        made["__eq__"], hashed = _eq_and_hash(compared)
        made["__hash__"] = hashed if frozen else None
    if not frozen:
        return _with_slots(cls, tuple(rows), made)
    owner: list[Any] = []
    made["__setattr__"], made["__delattr__"] = _refusals(owner, frozenset(rows))
    made["__getstate__"], made["__setstate__"] = _states(tuple(rows))
    owner.append(_with_slots(cls, tuple(rows), made))
    made_again: type = owner[0]
    return made_again


def _with_slots(cls: type, names: tuple[str, ...], made: dict[str, Any]) -> type:
    """*cls* once more, with what was *made* for it."""
    inherited: set[str] = set()
    for base in cls.__mro__[1:-1]:
        slots = base.__dict__.get("__slots__", ())
        inherited.update((slots,) if isinstance(slots, str) else slots)
    space = {key: value for key, value in cls.__dict__.items() if key not in names}
    space.pop("__dict__", None)
    space.pop("__weakref__", None)
    space.update(made)
    space["__slots__"] = tuple(name for name in names if name not in inherited)
    space["__qualname__"] = cls.__qualname__
    again: type = type(cls)(cls.__name__, cls.__bases__, space)
    return again


def _init(cls: type, rows: _Rows, compiled: Compile, *, frozen: bool) -> FunctionType:
    words, lines, defaults = ["self"], [], []
    values: dict[str, Any] = {"_set": object.__setattr__, "_absent": _ABSENT}
    for name, (_, row) in rows.items():
        value = name
        if row.default_factory is not MISSING:
            values[f"_make_{name}"] = row.default_factory
            value = f"_make_{name}() if {name} is _absent else {name}" if row.init else f"_make_{name}()"
        elif not row.init:
            if row.default is MISSING:
                continue
            values[f"_value_{name}"] = row.default
            value = f"_value_{name}"
        if row.init:
            has_default = row.default is not MISSING or row.default_factory is not MISSING
            words.append(f"{name}=None" if has_default else name)
            if has_default:
                defaults.append(_ABSENT if row.default is MISSING else row.default)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    source = f"def outer({', '.join(values)}):\n def __init__({', '.join(words)}):\n  " + "\n  ".join(
        lines or ["pass"]
    )
    code = compiled(cls.__module__, source)
    cells = tuple(CellType(values[name]) for name in code.co_freevars)
    space = sys.modules[cls.__module__].__dict__
    function = FunctionType(code, space, "__init__", tuple(defaults), cells)
    function.__qualname__ = f"{cls.__qualname__}.__init__"
    function.__annotations__ = {name: words for name, (words, row) in rows.items() if row.init} | {
        "return": None
    }
    return function


class _Absent:
    """What stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "<factory>"


_ABSENT = _Absent()
_shown: set[tuple[int, int]] = set()
"""Objects whose repr is being made, and in which thread."""


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:  # noqa: N807
        key = id(self), get_ident()
        if key in _shown:
            return "..."
        _shown.add(key)
        try:
            values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        finally:
            _shown.discard(key)
        return f"{self.__class__.__qualname__}({values})"

    return __repr__


def _eq_and_hash(names: tuple[str, ...]) -> tuple[Callable[[Any, Any], bool], Callable[[Any], int]]:
    values: Callable[[Any], Any]
    if len(names) > 1:
        values = attrgetter(*names)
    else:

        def values(each: Any) -> Any:
            return tuple([getattr(each, name) for name in names])

    def __eq__(self: Any, other: Any) -> bool:  # noqa: N807
        if other.__class__ is self.__class__:
            return bool(values(self) == values(other))
        return NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __eq__, __hash__


def _refusals(owner: list[Any], names: frozenset[str]) -> tuple[Callable[..., None], Callable[..., None]]:
    """The methods of a frozen class; *owner* will hold it."""

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if type(self) is owner[0] or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(owner[0], self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        if type(self) is owner[0] or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(owner[0], self).__delattr__(name)

    return __setattr__, __delattr__


def _replace(self: Any, /, **changes: Any) -> Any:
    return dataclasses.replace(self, **changes)


def _states(names: tuple[str, ...]) -> tuple[Callable[[Any], list[Any]], Callable[[Any, list[Any]], None]]:
    """For pickle, which sets no attribute of a frozen object."""

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return __getstate__, __setstate__


class _Twin:
    """The dataclass of the same fields that ``dataclasses`` makes, when something of it is asked for."""

    def __init__(self, name: str, rows: _Rows, options: dict[str, Any]) -> None:
        self.rows = rows
        self._name, self._options = name, options
        self._made: type | None = None

    def made(self) -> type:
        if self._made is None:
            rows = [(name, words, row) for name, (words, row) in self.rows.items()]
            self._made = dataclasses.make_dataclass(self._name, rows, **self._options)
        return self._made


class _OfTwin:
    """An attribute of the class, as its twin has it."""

    def __init__(self, twin: _Twin, name: str) -> None:
        self.twin, self._name = twin, name

    def __get__(self, instance: object, owner: type) -> Any:
        return getattr(self.twin.made(), self._name)
