"""Run a guest program under the Unicorn backend with nobody probing it; for tests, as a script of its own.

``python run_guest.py SEED LIMIT PROGRAM ARG...``: LIMIT is the number of processes, 0 for the default.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from uprobe_unicorn import UnicornBackend

from uprobe_core.backend import Limits, Target
from uprobe_core.types import TrapResult


class Nobody:
    """A probe handler without probes."""

    def on_trap(self, task: Any, address: int) -> TrapResult:
        """No trap is ours."""
        return TrapResult.NOT_OURS

    def may_deliver_signal(self, task: Any) -> bool:
        """No step is ever under way."""
        return True

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *arguments, **options: None


def main(seed: int, processes: int, *argv: str) -> int:
    """The program's status as a shell shows it."""
    target = Target(argv=argv, seed=seed, limits=Limits(processes=processes or None, seconds=60))
    machine = UnicornBackend().open(target, Nobody())
    try:
        return machine.run().shell_status
    finally:
        machine.close()


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
