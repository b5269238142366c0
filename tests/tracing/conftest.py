"""Events are tried in the world of the probes: a machine without a CPU."""

from tests.probes.conftest import make_world, world

__all__ = ("make_world", "world")
