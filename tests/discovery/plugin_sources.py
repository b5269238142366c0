"""Sources of small plugins that several tests install, and the type of the fixture that does it."""

from collections.abc import Callable

Install = Callable[[str, str, dict[str, str], dict[str, str]], None]
"""``install(distribution, group, {entry: target}, {module: source})``"""

GOOD_DECODER = """
class D:
    name = "third"

    def decode(self, code, address):
        return None
"""

GOOD_CONSUMER = """
class C:
    name = "third"

    def __init__(self, options):
        self.options = options

    def attach(self, event, context):
        return None

    def report(self):
        return None
"""
