"""Plugins that are broken in one way each: what shows that the compliance suites bite.

Each mutant names the test that has to catch it.  ``python -m uprobe_core.testing.mutants``
breaks backends, decoders, architectures, consumers and writers one way at a
time, runs the test, and lists those that got through.
"""

from uprobe_core.testing.mutants.mutant import Mutant
from uprobe_core.testing.mutants.survey import all_mutants, survivors

__all__ = ("Mutant", "all_mutants", "survivors")
