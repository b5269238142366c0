"""The decode table as data: it covers every word, and each row earns its place."""

from __future__ import annotations

from uprobe_arm64.decode import find_row
from uprobe_arm64.decode_table import KERNEL_VERSIONS, ROWS
from uprobe_arm64.rows import Row
from uprobe_arm64.simulate import BUILDERS

WHOLE = 0xFFFF_FFFF


def reached(mask: int, value: int, rows: tuple[Row, ...], seen: set[int]) -> None:
    """Note the rows that some word with ``word & mask == value`` reaches; fail on an uncovered word.

    The set of words is halved along bits of the first row that meets it, until
    a row holds all of it: a proof over the whole space, not a sample.
    """
    meeting = tuple(row for row in rows if not (row.value ^ value) & row.mask & mask)
    assert meeting, f"no row covers mask {mask:#010x} value {value:#010x}"
    undecided = meeting[0].mask & ~mask
    if not undecided:
        seen.add(id(meeting[0]))
        return
    bit = 1 << undecided.bit_length() - 1
    reached(mask | bit, value, meeting, seen)
    reached(mask | bit, value | bit, meeting, seen)


def test_every_word_has_a_row_and_every_row_has_a_word() -> None:
    seen: set[int] = set()
    reached(0, 0, ROWS, seen)
    dead = [(f"{row.mask:08x}", f"{row.value:08x}", row.name) for row in ROWS if id(row) not in seen]
    assert dead == []


def test_the_index_finds_the_same_row_as_a_search_through_the_table() -> None:
    for row in ROWS:
        for word in (row.value, row.value | ~row.mask & WHOLE):
            assert find_row(word) is next(r for r in ROWS if word & r.mask == r.value)


def test_rows_are_well_formed() -> None:
    for row in ROWS:
        assert row.value & ~row.mask == 0, row.name
        assert row.kernel[0][0] == KERNEL_VERSIONS[0], row.name
        assert [since for since, _ in row.kernel] == sorted({since for since, _ in row.kernel}), row.name
        for ruling in (row.anywhere, *(ruling for _, ruling in row.kernel)):
            assert ruling.simulator in {"", *BUILDERS}


def test_policy_anywhere_steps_nothing_that_reads_or_writes_the_pc() -> None:
    """PC = vaddr + 4 after a step is right only because of this."""
    unsafe = [
        row.name
        for row in ROWS
        if (row.branches or row.reads_pc) and not (row.anywhere.simulator or row.anywhere.special)
    ]
    assert unsafe == []


def test_where_a_kernel_steps_something_that_uses_the_pc_the_defect_is_named() -> None:
    for row in ROWS:
        for since, ruling in row.kernel:
            stepped = ruling.verdict.value == "step"
            if stepped and row.reads_pc:
                assert ruling.defect, (row.name, since)
