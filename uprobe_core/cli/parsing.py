"""An argument parser whose mistakes have hints, and whose help fits the terminal."""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from typing import NoReturn

__all__ = ("HelpText", "Parser")


class Parser(argparse.ArgumentParser):
    """As argparse's, with a line of what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Say it as argparse does, and end with status 2."""
        from uprobe_core.cli.habits import of_option

        flags = [flag for action in self._actions for flag in action.option_strings]
        hint = of_option(message, flags, of_run=self.prog == "uprobe")
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n{f'hint: {hint}' if hint else ''}".rstrip() + "\n")


class HelpText(argparse.RawDescriptionHelpFormatter):
    """Lines stay as they are written where they fit; else prose is filled anew, and examples stay."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.splitlines()
        if max(map(len, lines), default=0) <= width:
            return super()._fill_text(text, width, indent)
        import textwrap  # what is written fits most terminals

        filled: list[str] = []
        for is_prose, found in groupby(lines, lambda line: bool(line) and not line.startswith(" ")):
            block = list(found)
            filled += textwrap.wrap(" ".join(block), width) if is_prose else block
        return super()._fill_text("\n".join(filled), width, indent)
