"""An argument parser whose mistakes have hints."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

__all__ = ("Parser",)


class Parser(argparse.ArgumentParser):
    """As argparse's, with a line of what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Say it as argparse does, and end with status 2."""
        from uprobe_core.cli.habits import of_option

        flags = [flag for action in self._actions for flag in action.option_strings]
        hint = of_option(message, flags, of_run=self.prog == "uprobe")
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n{f'hint: {hint}' if hint else ''}".rstrip() + "\n")
