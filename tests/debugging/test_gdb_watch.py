"""Watched stores: those that change something stop, once each, and probes see what they see without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.debugging.visits import values, visit
from tests.programs import either

SOURCE = """
#define STORE(name, place, value) \\
  asm volatile(".type " #name ", %%function\\n" #name ": str %1, %0" : "=m"(place) : "r"(value))
static struct { volatile long often, rare; } cell;
int main(void) {
  for (long i = 0; i < 500; i++) {
    STORE(often, cell.often, cell.often + i);
    if (i % 100 == 99)
      STORE(rare, cell.rare, i / 200); /* 0 0 1 1 2 */
  }
  return cell.rare;
}
"""
WAYS = ["", "--engine c --mode trap", "--engine c --mode jump", "--engine py --mode trap", "--engine py"]


@pytest.mark.parametrize("way", WAYS)
def test_changes_stop_both_ways_and_probes_on_the_stores_are_hit_once_each(way: str, tmp_path: Path) -> None:
    (tmp_path / "cells.c").write_text(SOURCE)
    program = either(tmp_path / "cells.c")
    events = [word for name in ("often", "rare") for word in ("-e", f"p:{name} {program}:{name}")]
    steps = ["watch cell.rare", *["continue"] * 2, "reverse-continue", "print cell.often", "delete",
             "continue", "continue"]  # fmt: skip
    words = [*way.split(), *events, "--stop-at", f"{program}:main", str(program)]
    seen, ended = visit(program, words, steps, tmp_path)
    assert [(old, new) for old, new, _ in values(tmp_path)] == [(0, 1), (1, 2), (2, 1)]
    assert seen[4].partition(" = ")[2] == str(sum(range(500)))
    assert [sum(f" {name}: " in line for line in ended.records) for name in ("often", "rare")] == [500, 5]
    assert ended.status == 2
