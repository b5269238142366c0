"""The cells of a sweep: what each of them runs, and how it is known again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from uprobe_core.errors import ConfigError, UsageError
from uprobe_core.run_setup import ConsumerUse, RunSetup
from uprobe_core.setup.decisive import note
from uprobe_core.setup.file import read_file
from uprobe_core.setup.matrix import Matrix, MatrixValue, given_by_cell
from uprobe_core.setup.options import combine
from uprobe_core.setup.problems import SetupFileError

__all__ = ("SCHEMA", "Cell", "Inputs", "Sweep", "open_sweep", "read_inputs")

SCHEMA = 1
"""Version of the tables that a sweep writes; a column that changes its meaning raises it."""


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    :param index: its place in the sweep, from 0
    :param values: what it is given, by axis
    :param key: the hash of everything that decides its result: inputs, set-up, program, version
    """

    index: int
    values: Mapping[str, MatrixValue]
    setup: RunSetup
    key: str


@dataclass(frozen=True)
class Inputs:
    """What varies.

    :param axes: the names of the columns
    :param count: how many rows there are
    :param rows: gives them from the first on, each time it is called
    """

    axes: tuple[str, ...]
    count: int
    rows: Callable[[], Iterator[Mapping[str, MatrixValue]]]


class Sweep:
    """A set-up file and what it is run with.

    :param path: the set-up file
    :param variables: what ``--var`` said
    :param wants: what else decides the rows, such as whether records are kept
    """

    def __init__(
        self, path: str, inputs: Inputs, variables: Mapping[str, str], wants: Mapping[str, Any]
    ) -> None:
        self.path, self.inputs, self.variables = path, inputs, variables
        self._wants = json.dumps({"schema": SCHEMA, "uprobe": _version(), **wants}, sort_keys=True)
        self._records = bool(wants.get("records"))
        self._programs: dict[tuple[str, int, int], str] = {}

    def cells(self) -> Iterator[Cell]:
        """Every cell in order; raises ConfigError or UsageError for the first that is wrong."""
        for index, values in enumerate(self.inputs.rows()):
            setup = self._setup(values)
            yield Cell(index, values, setup, self._key(values, setup))

    def _setup(self, values: Mapping[str, MatrixValue]) -> RunSetup:
        file = read_file(self.path, {**self.variables, **values})
        if file.problems:
            raise SetupFileError(file.problems)
        setup = combine(file.given)
        try:
            own = given_by_cell(values, setup.argv)
        except ValueError as error:
            raise UsageError(
                f"a cell of {self.path}: {error}", hint="an axis has the name of an option"
            ) from None
        argv = own.get("argv", setup.argv)
        special = file.for_program(argv[0]) if argv else ()
        setup = combine(file.given, *special, own)
        if not setup.argv:
            raise UsageError(f"{self.path} names no program", hint="[target] argv, or an axis program")
        # Nobody reads the trace of a thousand runs: what is not asked for is counted.
        consumers = setup.consumers or (() if self._records else (ConsumerUse("count"),))
        if self._records and all(use.name != "trace" for use in consumers):
            consumers += (ConsumerUse("trace"),)
        return replace(setup, consumers=consumers, output=None, report=(), profile=None, junit_xml=None)

    def _key(self, values: Mapping[str, MatrixValue], setup: RunSetup) -> str:
        told = (self._wants, json.dumps(dict(values), sort_keys=True), repr(setup), self._program(setup))
        return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()

    def _program(self, setup: RunSetup) -> str:
        """The hash of the program's file, "" if it cannot be read: the run says why."""
        path = Path(setup.argv[0])
        if setup.sysroot is not None and path.is_absolute():
            path = Path(setup.sysroot, path.relative_to("/"))
        try:
            stat = path.stat()
            known = (str(path), stat.st_size, stat.st_mtime_ns)
            if known not in self._programs:
                if len(self._programs) > 10_000:
                    self._programs.clear()
                with path.open("rb") as file:
                    self._programs[known] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""
        return self._programs[known]


def _version() -> str:
    try:
        return version("uprobe")
    except PackageNotFoundError:
        return ""


def open_sweep(path: str, table: str | None, variables: Mapping[str, str], wants: Mapping[str, Any]) -> Sweep:
    """The sweep of the set-up file *path* over its matrix, or over the rows of the file *table*.

    Raises ConfigError, UsageError.
    """
    found = read_file(path, variables)
    if table is None and found.problems:
        raise SetupFileError(found.problems)
    if table is None and not found.matrix:
        raise UsageError(
            f"{path} has no [matrix]", hint="give it one, or a table of inputs with --inputs FILE"
        )
    if table is not None and found.matrix:
        raise UsageError(f"both {path} has a [matrix] and there is --inputs {table}", hint="use one of them")
    inputs = _of_matrix(found.matrix) if table is None else read_inputs(table)
    return Sweep(path, inputs, variables, wants)


def _of_matrix(matrix: Matrix) -> Inputs:
    return Inputs(tuple(matrix.axes), len(matrix), lambda: map(matrix.cell, range(len(matrix))))


# --- tables of inputs -------------------------------------------------------------------------------------


def read_inputs(path: str) -> Inputs:
    """The rows of a table: CSV with a header, or JSON lines; raises ConfigError.

    They are read anew for each pass, never kept.
    """
    read = {".csv": _csv, ".jsonl": _json_lines}.get(Path(path).suffix)
    if read is None:
        raise UsageError(
            f"inputs {path!r} are neither .csv nor .jsonl", hint="a CSV file with a header, or JSON lines"
        )
    note(path)
    axes: dict[str, None] = {}
    count = 0
    for row in read(path):
        axes |= dict.fromkeys(row)
        count += 1
    if not count:
        raise ConfigError(f"inputs {path!r} have no rows")
    return Inputs(tuple(axes), count, lambda: read(path))


def _csv(path: str) -> Iterator[Mapping[str, MatrixValue]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                if None in row or None in row.values():
                    raise ConfigError(f"{path}:{number}: it has not as many columns as the header")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _json_lines(path: str) -> Iterator[Mapping[str, MatrixValue]]:
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield _json_row(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _json_row(line: str, where: str) -> dict[str, MatrixValue]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: not a JSON object")
    return {name: _json_value(value, f"{where}: {name}") for name, value in row.items()}


def _json_value(value: Any, where: str) -> MatrixValue:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if not isinstance(value, str | int | float):
        raise ConfigError(f"{where} is not a string, a number or a list of strings")
    return value
