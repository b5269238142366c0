"""``python -m uprobe_core.testing.mutants``: do the compliance suites catch what is broken?"""

from __future__ import annotations

import sys

from uprobe_core.testing.mutants import all_mutants, survivors


def main() -> int:
    """Run all; 1 if one got through."""
    rows, through = all_mutants(), survivors()
    for mutant in through:
        print(f"{mutant.kind}: {mutant.what}: not caught by {mutant.caught_by}")
    print(f"{len(rows) - len(through)} of {len(rows)} mutants are caught")
    return int(bool(through))


if __name__ == "__main__":
    sys.exit(main())
