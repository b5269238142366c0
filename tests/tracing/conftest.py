"""Events stand on probes, and so do their tests."""

from __future__ import annotations

from tests.probes.conftest import world

__all__ = ("world",)
