"""System calls: the module of each is imported with the first of its calls."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import uprobe_linux.syscalls as package
from uprobe_linux.syscalls import subjects, table

from uprobe_core.system_call_numbers import NUMBERS


def test_a_call_is_found_in_the_module_that_is_named() -> None:
    handlers = table.Table()
    for name, module in subjects.MODULES.items():
        found = handlers.get(NUMBERS[name])
        assert found is not None
        assert (found.name, found.handler.__module__) == (name, module)


def test_each_call_of_a_module_of_ours_is_named() -> None:
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    assert set(table._registered) == set(subjects.MODULES)


def test_a_call_that_nobody_handles_is_found_nowhere() -> None:
    assert table.Table().get(4095) is None
