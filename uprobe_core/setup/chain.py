"""Set-up files as they are written: what they extend, and the variables and paths in them.

Only ``${NAME}`` and ``${NAME:-text}`` are expanded, in every string of a
document; a path that begins with ``./`` is relative to the file that it stands in.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from uprobe_core.setup.matrix import MATRIX_VALUES, MatrixValue, matrix_axis
from uprobe_core.setup.paths import beside, found, has_world_of_its_own, placed
from uprobe_core.setup.problems import ConfigProblem
from uprobe_core.setup.texts import read_text

__all__ = ("CHAIN_KEYS", "Document", "read_chain")

CHAIN_KEYS = ("extends", "variables", "matrix", "programs")
"""What a file says of itself at the top level, beside the options."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_DEEPEST = 16


@dataclass(frozen=True)
class Document:
    """One file, its variables expanded and its paths made those of the working directory.

    :param path: as it was named
    """

    path: str
    data: Mapping[str, Any]


class Chain:
    """Reads a file and what it extends, bases first.

    :param given: variables from outside, which beat the environment and every file
    """

    def __init__(self, given: Mapping[str, MatrixValue], environment: Mapping[str, str]) -> None:
        self.given, self.environment = given, environment
        self.problems: list[ConfigProblem] = []
        self.axes: dict[str, Any] = {}
        self._folder = ""
        """Of the file whose programs are varied."""
        self._defaults: dict[str, str] = {}

    def bad(self, path: str, key: str, message: str, allowed: str = "", hint: str = "") -> None:
        """Note one problem of the file *path*."""
        self.problems.append(ConfigProblem(path, "", key, "", message, allowed, hint))

    def read(self, path: str) -> list[Document]:
        """The documents in the order in which they count."""
        raw = list(self._raw(path, ()))
        for name, data in raw:
            self._note(name, data)
        inside = any(has_world_of_its_own(data) for _, data in raw)
        if "program" in self.axes and not inside:
            self.axes["program"] = tuple(found(self._folder, str(each)) for each in self.axes["program"])
        return [Document(name, self._expanded(name, data, inside)) for name, data in raw]

    def _raw(self, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path and content of each file, bases first; raises ConfigError for one that cannot be read."""
        text = read_text(path)
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            self.bad(path, "", f"not valid TOML: {_lower(str(error))}")
            return
        bases = data.get("extends", [])
        bases = [bases] if isinstance(bases, str) else bases
        if not isinstance(bases, list) or not all(isinstance(each, str) for each in bases):
            self.bad(path, "extends", "must be a path or a list of paths", "a string or a list of strings")
            bases = []
        identity = os.path.realpath(path)
        if len(above) >= _DEEPEST or identity in above:
            self.bad(path, "extends", "extends itself" if identity in above else "extends too many files")
            return
        for base in bases:
            yield from self._raw(beside(os.path.dirname(path), base), (*above, identity))
        yield path, data

    def _note(self, path: str, data: Mapping[str, Any]) -> None:
        """The variables and axes of one file; a later file replaces an earlier one's."""
        variables = data.get("variables", {})
        if not isinstance(variables, dict) or not all(
            isinstance(value, str | int | float) for value in variables.values()
        ):
            self.bad(
                path, "variables", "must be a table of strings or numbers", "a table of strings or numbers"
            )
            variables = {}
        self._defaults |= {name: _text(value) for name, value in variables.items()}
        matrix = data.get("matrix", {})
        if not isinstance(matrix, dict):
            self.bad(path, "matrix", "must be a table", "a table")
            matrix = {}
        for name, value in matrix.items():
            axis = matrix_axis(value)
            if axis is None:
                self.bad(path, f"matrix.{name}", f"must be {MATRIX_VALUES}", MATRIX_VALUES)
                continue
            self.axes[name] = axis
            if name == "program":
                self._folder = os.path.dirname(path)

    def _value(self, path: str, found: re.Match[str]) -> MatrixValue:
        name, default = found[1], found[2]
        if name in self.given:
            return self.given[name]
        if name in self.axes:  # outside of a sweep the first cell is looked at
            first: MatrixValue = self.axes[name][0]
            return first
        for values in (self.environment, self._defaults):
            if name in values:
                return values[name]
        if default is None:
            hint = f"--var {name}=VALUE, {name} in the environment or in [variables], or ${{{name}:-DEFAULT}}"
            self.bad(path, "", f"variable {name!r} has no value", hint=hint)
        return default or ""

    def _expanded(self, path: str, data: Mapping[str, Any], inside: bool) -> dict[str, Any]:
        """All of a document but what it says of itself."""

        def expand(value: Any) -> Any:
            if isinstance(value, str):
                return _VARIABLE.sub(lambda found: _text(self._value(path, found)), value)
            if isinstance(value, dict):
                return {key: expand(item) for key, item in value.items()}
            if isinstance(value, list):
                return [each for item in value for each in items(item)]
            return value

        def items(item: Any) -> list[Any]:
            alone = _VARIABLE.fullmatch(item) if isinstance(item, str) else None
            value = None if alone is None else self._value(path, alone)
            return list(value) if isinstance(value, tuple) else [expand(item)]

        kept = {
            key: expand(value) for key, value in data.items() if key not in CHAIN_KEYS or key == "programs"
        }
        folder = os.path.dirname(path)
        return placed(kept, folder, inside) if folder else kept


def read_chain(
    path: str, given: Mapping[str, MatrixValue], environment: Mapping[str, str]
) -> tuple[list[Document], dict[str, Any], list[ConfigProblem]]:
    """The documents of *path* and what it extends, the axes of its matrix, and what is wrong.

    Raises ConfigError for a file that cannot be read.
    """
    chain = Chain(given, environment)
    documents = chain.read(path)
    return documents, chain.axes, chain.problems


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _text(value: MatrixValue) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
