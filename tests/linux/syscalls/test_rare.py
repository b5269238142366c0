"""System calls whose module is imported with the first of them."""

from __future__ import annotations

import subprocess
import sys

from uprobe_linux.syscalls import rare, table

from uprobe_core.system_call_numbers import NUMBERS


def test_a_rare_call_is_found_in_the_module_that_is_named() -> None:
    handlers = table.load()
    for name, module in rare.RARE.items():
        found = handlers.get(NUMBERS[name])
        assert found is not None
        assert (found.name, found.handler.__module__) == (name, f"uprobe_linux.syscalls.{module}")


def test_each_call_of_a_rare_module_is_named() -> None:
    table.load().whole()
    modules = {f"uprobe_linux.syscalls.{module}" for module in rare.RARE.values()}
    there = {entry.name for entry in table._registered.values() if entry.handler.__module__ in modules}
    assert there == set(rare.RARE)


def test_every_module_of_calls_is_common_or_rare() -> None:
    script = """
import pkgutil, uprobe_linux.syscalls as package
from importlib import import_module
from uprobe_linux.syscalls import rare, table
known = table.load()
before = set(table._registered)
for module in pkgutil.iter_modules(package.__path__):
    import_module(f"{package.__name__}.{module.name}")
assert set(table._registered) - before <= set(rare.RARE), set(table._registered) - before
"""
    subprocess.run([sys.executable, "-c", script], check=True)
