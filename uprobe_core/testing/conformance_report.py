"""What the conformance harness prints: one paragraph per difference, one table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from uprobe_core.testing.conformance_program import LAYOUT, PRISTINE
from uprobe_core.testing.conformance_state import differences

if TYPE_CHECKING:
    from rich.table import Table

    from uprobe_core.testing.conformance_bench import Difference, Outcome
    from uprobe_core.testing.conformance_driver import Ending
    from uprobe_core.testing.conformance_plan import Tally

__all__ = ("describe", "reproduction", "summary_table")

SHOWN_BYTES = 8


def reproduction(difference: Difference) -> str:
    """The command that runs this one case again."""
    case = difference.case
    command = "python -m uprobe_core.testing.conformance"
    return f"{command} --word 0x{case.word:08x} --state {case.seed} --place {case.place}"


def describe(difference: Difference, name: str) -> str:
    """What differs, as lines of text; *name* is the class of the word."""
    case, bare, probed = difference.case, difference.bare, difference.probed
    lines = [f"{difference.way} differs from bare: {case.word:08x} ({name}) at {case.address:#x}"]
    if difference.hits:
        lines.append(f"  {difference.hits}")
    if bare.ending != probed.ending:
        lines += [
            f"  bare ends with   {_ending(bare.ending)}",
            f"  probed ends with {_ending(probed.ending)}",
        ]
    before = {name: old for name, old, _ in differences(difference.before, bare.state)}
    for register, expected, got in differences(bare.state, probed.state):
        was = f", was {before[register]:#x}" if register in before else ", was the same"
        lines.append(f"  {register}: bare {expected:#x}, probed {got:#x}{was}")
    lines += _memory(bare, probed)
    lines.append(f"  {reproduction(difference)}")
    return "\n".join(lines)


def _ending(ending: Ending) -> str:
    return f"{ending.what}, code {ending.code}, address {ending.address:#x}, pc {ending.pc:#x}"


def _memory(bare: Outcome, probed: Outcome) -> Iterator[str]:
    """The first bytes of memory that differ."""
    expected, got = bare.memory or PRISTINE, probed.memory or PRISTINE
    places = [at for at in range(len(PRISTINE)) if expected[at] != got[at]]
    for at in places[:SHOWN_BYTES]:
        yield f"  byte at {LAYOUT.data[0] + at:#x}: bare {expected[at]:#04x}, probed {got[at]:#04x}"
    if len(places) > SHOWN_BYTES:
        yield f"  and {len(places) - SHOWN_BYTES} more bytes"


def summary_table(tally: Tally, *, by_row: bool = False) -> Table:
    """Counts by class: by its group (the part before the colon), or by each row of the decode table."""
    from rich.table import Table

    def key(name: str) -> str:
        return name if by_row else name.partition(":")[0]

    words: Counter[str] = Counter()
    for name, count in tally.words.items():
        words[key(name)] += count
    kinds: Counter[tuple[str, str]] = Counter()
    for (name, what), count in tally.endings.items():
        kinds[key(name), what if what in {"ran", "undefined"} else "fault or trap"] += count
    different: Counter[str] = Counter()
    for name, count in tally.different.items():
        different[key(name)] += count
    table = Table("class", title="cases by class")
    for heading in ("words", "cases", "ran", "fault or trap", "undefined", "different"):
        table.add_column(heading, justify="right")
    for name in sorted(words):
        counts = [kinds[name, what] for what in ("ran", "fault or trap", "undefined")]
        row = (words[name], sum(counts), *counts, different[name])
        table.add_row(name, *map(str, row), style="red" if different[name] else None)
    return table
