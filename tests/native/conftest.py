"""Guest programs for these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import either

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def build() -> Callable[[str], str]:
    """``build(name)``: the path of programs/NAME.c, compiled."""
    return lambda name: str(either(PROGRAMS / f"{name}.c"))
