"""``python -m benchmarks [--rounds N] [--repeat N] [--json FILE] [--svg FILE]``."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

from benchmarks.cases import BARE, CASES, ENTRY, measure_bare, measure_session
from benchmarks.programs import build, symbols
from benchmarks.report import as_svg, as_table, write_json

MODES = ("inline", "jump", "trap")


def _median_added(repeat: int, base: Callable[[], float], case: Callable[[], float]) -> float:
    """Median over pairs of what *case* costs more than *base*."""
    return statistics.median(case() - base() for _ in range(repeat))


def _bare(path: str, rounds: int, repeat: int) -> dict[str, float]:
    def run(name: str, count: int = rounds) -> float:
        return measure_bare(path, BARE[name], count)

    found = {"raw loop": statistics.median(run("raw loop") for _ in range(repeat))}
    for name in list(BARE)[1:]:
        count = rounds // 20 if "Python" in name else rounds
        found[name] = _median_added(repeat, lambda: run("raw loop"), lambda: run(name, count))  # noqa: B023
    return found


def _ours(path: str, rounds: int, repeat: int, mode: str) -> dict[str, float]:
    found = {}
    for name, (line, make) in CASES.items():
        count = rounds // 20 if name == "Python handler" else rounds
        found[f"{mode}: {name}"] = _median_added(
            repeat,
            lambda: measure_session(path, [], mode, count),  # noqa: B023
            lambda: measure_session(path, [(line, make())], mode, count),  # noqa: B023
        )
    return found


def _many(path: str, rounds: int, repeat: int) -> dict[str, float]:
    """One hot probe among K."""
    import uprobe_core as up

    start = symbols(path)["places"]
    base = _file_offset(path, start)
    found = {}
    for k in (1, 10, 100, 1000, 10000):
        lines = [(f"p:x{i} {{path}}:{base + 4 * i:#x}", up.Count()) for i in range(k - 1)]
        found[f"{k} probes, one hot"] = _median_added(
            max(repeat // 2, 1),
            lambda: measure_session(path, [], "jump", rounds),
            lambda: measure_session(path, [*lines, (ENTRY, up.Count())], "jump", rounds),  # noqa: B023
        )
    cold = [(f"p:x{i} {{path}}:{base + 4 * i:#x}", up.Count()) for i in range(10000)]
    plain = statistics.median(measure_session(path, [], "jump", rounds) for _ in range(repeat))
    found["unprobed code, no probes (ns per call)"] = plain
    found["unprobed code, 10000 probes elsewhere"] = measure_session(path, cold, "jump", rounds)
    return found


def _file_offset(path: str, address: int) -> int:
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            if segment["p_vaddr"] <= address < segment["p_vaddr"] + segment["p_filesz"]:
                return int(address - segment["p_vaddr"] + segment["p_offset"])
    raise SystemExit(f"no segment of {path} has {address:#x}")


def _other(path: str, rounds: int) -> dict[str, float]:
    """Start-up in milliseconds, memory in bytes per record."""
    import uprobe_core as up

    start = time.process_time()
    measure_session(path, [], "inline", 10)
    startup = (time.process_time() - start) * 1e3
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with up.Session([path, str(rounds)], output="/dev/null") as session:
        record = session.probe(ENTRY.format(path=path), up.Record("a", "b"))
        session.run()
        count = len(record.result())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"start-up of a warm session (ms)": startup, "kept record (bytes)": grown * 1024 / max(count, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000_000, help="calls of the probed function")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of runs; the median counts")
    parser.add_argument("--json", help="write all numbers there")
    parser.add_argument("--svg", help="draw the cost of a hit there")
    options = parser.parse_args()
    path = build("loops")
    results: dict[str, dict[str, float]] = {}

    def add(section: str, rows: dict[str, float]) -> None:
        results[section] = rows
        print(as_table({section: rows}), flush=True)

    add("bare libunicorn, ns per call added", _bare(path, options.rounds, options.repeat))
    for mode in MODES:
        add(f"{mode}, ns per hit added", _ours(path, options.rounds, options.repeat, mode))
    add("many probes (jump), ns per hit added", _many(path, options.rounds, options.repeat))
    add("other", _other(path, 200_000))
    if options.json:
        write_json(options.json, results)
    if options.svg:
        bars = {name: value for section in list(results)[:4] for name, value in results[section].items()}
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(as_svg(bars, "nanoseconds that a hit adds (logarithmic)"))


if __name__ == "__main__":
    main()
