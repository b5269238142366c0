"""Whatever a program calls, a file holds or a line says: no crash, no hang, nobody left.

By hand, as an ordinary user in a container or the like, since programs try everything::

    python -m tests.sandbox.hostile calls --seeds 50 --batches 150       # about 1,000,000 system calls
    python -m tests.sandbox.hostile words --seeds 50
    python -m tests.sandbox.hostile programs --seeds 20000               # read by everything that reads them
    python -m tests.sandbox.hostile runs --seeds 4000                    # and executed
    python -m tests.sandbox.hostile texts --seeds 1000000

One seed gives one case; what goes wrong is printed with its seed, and ``--first SEED --seeds 1`` repeats it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.sandbox import mutations
from tests.sandbox.attacks import attack, left_behind, program

__all__ = ("calls", "programs", "runs", "texts", "words")

ROOT = Path(__file__).parents[2]
LIMITS = ("--timeout", "100", "--max-memory", "1G", "--max-processes", "32")
WALL = ("--sandbox", "require") if os.geteuid() == 0 else ()
"""Nobody runs such programs as root without the outer wall."""


def calls(folder: Path, seed: int, first: int, last: int) -> tuple[int, list[str]]:
    """How many calls a program has made of *seed*'s batches *first* to *last*, and what goes wrong then."""
    words = (str(program("any_call")), str(seed), str(first), str(last))
    ended = attack(folder, *LIMITS, *WALL, "--", *words, timeout=150)
    found = ended.complaints + left_behind(folder)
    if ended.status not in (0, 124):
        found.append(f"status {ended.status}: {ended.err[-200:]}")
    batches = [line.split(" ") for line in ended.out.splitlines()]
    return sum(int(words[1]) for words in batches if words[0] == "made"), found


def words(folder: Path, seed: int, count: int) -> list[str]:
    """What goes wrong when a program runs any words, returns to any frames and clones as it likes."""
    arguments = (str(program("words")), str(seed), str(count))
    ended = attack(folder, *LIMITS, *WALL, "--", *arguments, timeout=150)
    found = ended.complaints + left_behind(folder)
    if not ended.out.endswith(f"{count} done\n"):
        found.append(f"status {ended.status}: {ended.err[-200:]}")
    return found


def programs(folder: Path, seed: int, good: bytes) -> list[str]:
    """What goes wrong when we are given *good*, damaged by *seed*."""
    path = folder / "damaged"
    path.write_bytes(mutations.damaged_program(good, random.Random(seed)))
    path.chmod(0o755)
    return mutations.look_at(path)


def runs(folder: Path, seed: int, good: bytes) -> list[str]:
    """What goes wrong when *good*, damaged by *seed*, is executed."""
    path = folder / "damaged"
    path.write_bytes(mutations.damaged_program(good, random.Random(seed)))
    path.chmod(0o755)
    probes = ("-e", f"p:g/a {path}:main", "-e", f"r:g/b {path}:w*") if seed % 2 else ()
    limits = ("--timeout", "5", "--max-memory", "256M", "--max-processes", "8")
    ended = attack(folder, *limits, *WALL, *probes, "--", str(path), "3")
    return ended.complaints + left_behind(folder) + ([f"{ended.seconds:.0f} s"] if ended.seconds > 20 else [])


def texts(folder: Path, seed: int) -> list[str]:
    """What goes wrong when we are given a text damaged by *seed*."""
    chance = random.Random(seed)
    try:
        with mutations.within(mutations.PATIENCE):
            if seed % 20:
                mutations.read_text(chance)
            else:
                mutations.read_setup(folder / "setup.toml", chance)
    except Exception as error:  # anything but a refusal
        return [f"{type(error).__name__}: {error}"]
    return []


def main() -> int:
    """Print what goes wrong; the status says whether anything did."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("calls", "words", "programs", "runs", "texts"))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--batches", type=int, default=150)
    parser.add_argument("--program", type=Path, default=ROOT / "examples" / "loop")
    chosen, bad, made = parser.parse_args(), 0, 0
    good = chosen.program.read_bytes()
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve() / "work"
            folder.mkdir()
            if chosen.what == "calls":
                count, found = calls(folder, seed, 0, chosen.batches - 1)
                made += count
            elif chosen.what == "words":
                found = words(folder, seed, 2 * chosen.batches)
            elif chosen.what == "texts":
                found = texts(folder, seed)
            else:
                found = {"programs": programs, "runs": runs}[chosen.what](folder, seed, good)
        bad += bool(found)
        if found:
            print(f"seed {seed}: {found}", flush=True)
    counted = f", {made} calls were made" if chosen.what == "calls" else ""
    print(f"{chosen.seeds} seeds of {chosen.what}, {bad} of them bad{counted}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
