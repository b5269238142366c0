"""The decode table: every word of the 32-bit A64 space, in one ordered list of rows.

The first row that matches a word is the one that counts, so an exception to a
rule stands before the rule.  The last row of each part catches what the part
does not name, and together the parts leave no word uncovered (a test proves
it).  The parts are kept apart by the manual's main table:

* :mod:`uprobe_arm64.table_system`: exceptions, hints, barriers, system registers
* :mod:`uprobe_arm64.table_branch`: branches
* :mod:`uprobe_arm64.table_load_store`: loads and stores
* :mod:`uprobe_arm64.table_data`: integer data processing
* :mod:`uprobe_arm64.table_simd`: SIMD&FP, SVE, SME, reserved
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uprobe_arm64 import table_branch, table_data, table_load_store, table_simd, table_system

if TYPE_CHECKING:
    from uprobe_arm64.rows import Row, Version

__all__ = ("KERNEL_VERSIONS", "ROWS")

KERNEL_VERSIONS: Final[tuple[Version, ...]] = ((6, 1), (6, 12), (6, 13), (6, 18), (7, 3))
"""The kernels whose rulings the table knows.  6.1, 6.12 and 7.3 are checked against recordings (the
Debian kernels 6.1, 6.12.117 and 7.3.4); 6.13 and 6.18 follow their sources."""

ROWS: Final[tuple[Row, ...]] = (
    *table_system.ROWS,
    *table_branch.ROWS,
    *table_load_store.ROWS,
    *table_data.ROWS,
    *table_simd.ROWS,
)
