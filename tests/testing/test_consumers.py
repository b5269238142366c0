"""Our consumer plugins pass what we ask of everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from uprobe_core.discovery.entries import Kind, entries
from uprobe_core.discovery.importing import import_plugin
from uprobe_core.discovery.load import choose
from uprobe_core.testing.compliance import ConsumerCompliance

OPTIONS: dict[str, dict[str, str]] = {"sum": {"arg": "a"}, "hist": {"arg": "a"}}
"""What the shipped consumers cannot do without."""
REFUSED: dict[str, tuple[str, ...]] = {"coverage": ("p", "r"), "profile": ("p", "r")}
"""Events that a shipped consumer is not for: those that it brings are others."""


def own_consumers() -> list[str]:
    """Names of the consumers that come with uprobe itself."""
    return sorted(entry.name for entry in entries(Kind.CONSUMER) if entry.package == "uprobe")


class TestShipped(ConsumerCompliance):
    """Each of them, through its entry point."""

    @pytest.fixture(params=own_consumers())
    def name(self, request: pytest.FixtureRequest) -> str:
        name: str = request.param
        return name

    @pytest.fixture
    def plugin_class(self, name: str) -> Any:
        return import_plugin(choose(Kind.CONSUMER, name))

    @pytest.fixture
    def options(self, name: str) -> Mapping[str, str]:
        return OPTIONS.get(name, {})

    @pytest.fixture
    def refused(self, name: str) -> tuple[str, ...]:
        return REFUSED.get(name, ())
