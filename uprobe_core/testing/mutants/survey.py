"""Runs the suites against every mutant, and says which got through."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from uprobe_core.testing.mutants.backend_rows import backend_mutants
from uprobe_core.testing.mutants.manner_rows import manner_mutants
from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.testing.mutants.other_rows import (
    arch_mutants,
    consumer_mutants,
    decoder_mutants,
    writer_mutants,
)
from uprobe_core.testing.mutants.proxies import BrokenBackend

__all__ = ("all_mutants", "intact", "survivors")

_MODULE = """
from dataclasses import replace
from uprobe_core.testing.mutants.suites import suite_of
from uprobe_core.testing.mutants.survey import all_mutants, intact

ROWS = all_mutants()
for NUMBER in {numbers}:
    ROW = replace(ROWS[NUMBER], broken=intact(ROWS[NUMBER])) if {intact} else ROWS[NUMBER]
    globals()[f"Test{{NUMBER}}"] = suite_of(ROW, f"Test{{NUMBER}}")
"""


def all_mutants() -> list[Mutant]:
    """Every mutant of every kind, always in the same order."""
    return [
        *backend_mutants(),
        *decoder_mutants(),
        *arch_mutants(),
        *consumer_mutants(),
        *writer_mutants(),
        *manner_mutants(),
    ]


def intact(mutant: Mutant) -> Callable[[Any], Any]:
    """What *mutant* would be if nothing were wrong with it: of a backend one behind proxies."""
    if mutant.kind == "backend":
        return lambda good: BrokenBackend(good, {})
    return (lambda good: good()) if mutant.kind == "hooks" else lambda good: good


def survivors(chosen: Sequence[int] | None = None, *, intact: bool = False) -> list[Mutant]:
    """Those of the mutants (all, or some by number) that the test that is to catch them does not catch.

    A test that is skipped, or is not there, catches nothing.

    :param intact: run the tests on what is not broken, which they have to let through
    """
    rows = all_mutants()
    numbers = range(len(rows)) if chosen is None else chosen
    caught = _caught(list(numbers), intact)
    return [rows[number] for number in numbers if number not in caught]


def _caught(numbers: list[int], intact: bool) -> set[int]:
    with tempfile.TemporaryDirectory(prefix="uprobe-mutants-") as folder:
        module, report = Path(folder, "test_mutants.py"), Path(folder, "report.xml")
        module.write_text(_MODULE.format(numbers=numbers, intact=intact))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder]
        subprocess.run(
            [*command, "-c", "/dev/null", f"--junitxml={report}", str(module)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return set(_failed(report)) if report.exists() else set()


def _failed(report: Path) -> Iterator[int]:
    for case in ET.parse(report).iter("testcase"):  # pytest's own
        number = re.search(r"Test([0-9]+)$", case.get("classname", ""))
        failed = case.find("failure") is not None or case.find("error") is not None  # in its teardown
        if number is not None and failed:
            yield int(number[1])
