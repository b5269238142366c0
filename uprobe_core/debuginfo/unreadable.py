"""What stands for the names of a place where there is debug information, but none that can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from uprobe_core.debuginfo.split import dwo_name
from uprobe_core.debuginfo.unit import Unit
from uprobe_core.errors import TargetError
from uprobe_core.event_model import FetchArg
from uprobe_core.events.variables import NamedError

__all__ = ("Unreadable", "split_off")


class Unreadable:
    """Refuses every name with *error*; what needs none is not concerned."""

    def __init__(self, error: TargetError) -> None:
        self.error = error

    @property
    def results(self) -> list[str]:
        """Nothing is known of them."""
        return []

    def _refuse(self, text: str) -> NoReturn:
        raise NamedError(f"{text}: {self.error}", 0, self.error.hint or "")

    def expanded(self, word: str) -> list[str] | None:
        """Refused."""
        self._refuse(word)

    def argument(self, name: str, text: str, keep: Callable[[FetchArg], int]) -> FetchArg:
        """Refused."""
        self._refuse(text)

    def head(self, text: str, keep: Callable[[FetchArg], int], *, is_text: bool) -> NoReturn:
        """Refused."""
        self._refuse(text)


def split_off(unit: Unit) -> TargetError | None:
    """Why nothing is known of the code of *unit*, if all that is said of it lies in another file (.dwo)."""
    name = "" if unit.is_split else dwo_name(unit)
    if not name:
        return None
    return TargetError(
        f"the debug information is split off, in {name} or a .dwp file, and that of this build is not found",
        hint="keep it where the compiler put it, beside the program, or below a --debug-dir",
        slug="split-debug-info",
    )
