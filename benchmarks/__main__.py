"""``python -m benchmarks [--quick] [--only SECTION] [--json FILE] [--svg FILE]``.

Medians over interleaved rounds in one process, in processor time.  Next to a row
that something is promised of stand the ratio and whether it is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

from benchmarks import (
    calls,
    everyday,
    functions,
    hits,
    many,
    processes,
    remote,
    stacks,
    startup,
    whole_programs,
)
from benchmarks.programs import build
from benchmarks.report import Section, as_svg, as_table, write_json

SECTIONS = (
    "hits",
    "stacks",
    "many",
    "crossover",
    "functions",
    "start",
    "calls",
    "records",
    "processes",
    "remote",
    "programs",
    "everyday",
)


def _programs(repeat: int, sysroot: str | None) -> Section:
    section = Section("whole programs")
    section.rows = whole_programs.measure(repeat, sysroot)
    for row, value in section.rows.items():
        if "times qemu-user" in row:
            section.judge(row, "x", value, at_most=1.3)
        elif "default memory mode" in row or "entered executable" in row:
            section.judge(row, "x", value, at_least=2.5)
        elif "malloc counted" in row:
            section.judge(row, "x", value, at_most=1.05)
    return section


def _measured(options: argparse.Namespace) -> Iterator[Section]:
    """The chosen sections, as they are measured."""
    path = build("loops")
    rounds, repeat = options.rounds, options.repeat
    most = 100 if options.quick else many.KS[-1]
    counts = (1, 2, 4, 8) if options.quick else many.CROSSOVER
    steps: dict[str, Callable[[], Sequence[Section]]] = {
        "hits": lambda: hits.measure(path, rounds, repeat),
        "stacks": lambda: stacks.measure(build("deep"), rounds, repeat),
        "many": lambda: many.measure(path, rounds, repeat, most),
        "crossover": lambda: many.measure_crossover(path, rounds, repeat, counts),
        "functions": lambda: [] if options.quick else [functions.measure(repeat, options.sysroot)],
        "start": lambda: [startup.measure_start(path, repeat)],
        "calls": lambda: [calls.measure(repeat)],
        "processes": lambda: [processes.measure(repeat)],
        "remote": lambda: remote.measure(path, repeat),
        "records": lambda: [startup.measure_records(path)],
        "programs": lambda: [] if options.quick else [_programs(repeat, options.sysroot)],
        "everyday": lambda: [] if options.quick else [everyday.measure(repeat, options.sysroot)],
    }
    for name in options.only or SECTIONS:
        yield from steps[name]()


def _judgement(sections: Sequence[Section]) -> str:
    judged = [(section, each) for section in sections for each in section.judged]
    missed = [f"  {section.title}: {each.row}: {each}" for section, each in judged if not each.met]
    return "\n".join([f"{len(judged) - len(missed)} of {len(judged)} promises kept", *missed])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: fewer rounds, no whole programs")
    parser.add_argument(
        "--rounds", type=int, help="calls of the probed function; 1,000,000 (--quick: 200,000)"
    )
    parser.add_argument("--repeat", type=int, help="rounds of which the median counts; 5 (--quick: 3)")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="only this section; repeatable")
    parser.add_argument("--sysroot", help="arm64 programs, for functions, programs and everyday")
    parser.add_argument("--json", help="write all numbers there")
    parser.add_argument("--svg", help="draw the cost of a hit there")
    options = parser.parse_args()
    options.rounds = options.rounds or (200_000 if options.quick else 1_000_000)
    options.repeat = options.repeat or (3 if options.quick else 5)
    sections: list[Section] = []
    for section in _measured(options):
        sections.append(section)
        print(as_table(section), flush=True)
        _write(sections, options)  # what is measured is kept, whatever comes
    print(_judgement(sections))


def _write(sections: Sequence[Section], options: argparse.Namespace) -> None:
    if options.json:
        write_json(options.json, sections)
    if options.svg:
        bars: dict[str, float] = {}
        for section in sections:
            bars |= section.rows if section.title.endswith(", ns that a hit adds") else {}
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(as_svg(bars, "nanoseconds that a hit adds (logarithmic)"))


if __name__ == "__main__":
    main()
