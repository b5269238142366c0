"""Build the optional native engine; everything else is declared in pyproject.toml.

UPROBE_DISABLE_NATIVE=1 builds without it, UPROBE_REQUIRE_NATIVE=1 makes a
failed build an error.  Both at once is a contradiction and refused.
"""

import os

from setuptools import setup

DISABLE = os.environ.get("UPROBE_DISABLE_NATIVE") == "1"
REQUIRE = os.environ.get("UPROBE_REQUIRE_NATIVE") == "1"
if DISABLE and REQUIRE:
    raise SystemExit("UPROBE_DISABLE_NATIVE and UPROBE_REQUIRE_NATIVE are both set; pick one")

setup()
