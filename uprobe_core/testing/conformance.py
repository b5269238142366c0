"""Does a probed instruction do exactly what it does bare?  For any word, from random states.

Each case runs one instruction bare, trap-probed and inline-probed, with the
real core and a real arch plugin, and compares all registers, flags, vectors,
memory and the fault.  From the command line::

    python -m uprobe_core.testing.conformance --words 250000 --seed 1

and for one case, as the reproduction line of a difference says it::

    python -m uprobe_core.testing.conformance --word 0x58000040 --state 3 --place 12

The exit status is 0 without differences, 1 with some.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from uprobe_core.discovery.load import load_arch, load_backend
from uprobe_core.errors import BackendError, UprobeError
from uprobe_core.run_setup import DEFAULT_ARCH
from uprobe_core.testing.conformance_bench import PLACES, Bench, Case
from uprobe_core.testing.conformance_plan import Tally, check
from uprobe_core.testing.conformance_report import describe, summary_table
from uprobe_core.types import Policy

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ("main", "open_bench", "run_many", "run_one")

CHUNK = 1024
"""Words that a worker gets at a time."""

_bench: Bench | None = None
"""The worker's own bench; opened once per process."""


def open_bench(args: argparse.Namespace, policy: Policy) -> Bench:
    """A bench on the plugins that *args* names; raises PluginError for what is missing."""
    backend, arch = load_backend(args.backend), load_arch(args.arch)
    return Bench(backend, arch, policy, native=not args.core_only)


def _start_worker(args: argparse.Namespace, policy: Policy) -> None:
    global _bench
    # A worker that the emulator aborts must not leave a dump as large as guest memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _bench = open_bench(args, policy)


def _work(words: Sequence[int], states: int, first_seed: int) -> Tally:
    assert _bench is not None
    return check(_bench, words, states, first_seed)


def _chunks(arch: str, count: int, seed: int) -> Iterator[list[int]]:
    encodings = load_arch(arch).encodings()
    words = (word for word, _ in itertools.islice(encodings.words(seed), count))
    while chunk := list(itertools.islice(words, CHUNK)):
        yield chunk


def run_many(args: argparse.Namespace, policy: Policy, advance: Any) -> Tally:
    """Run ``args.words`` words on ``args.jobs`` processes; *advance* is called with each part's Tally."""
    total = Tally()
    start = (args, policy)
    jobs = args.jobs or os.cpu_count() or 1
    if jobs == 1:
        with open_bench(*start) as bench:
            for chunk in _chunks(args.arch, args.words, args.seed):
                part = check(bench, chunk, args.states, args.seed)
                total.add(part)
                advance(part)
        return total
    with ProcessPoolExecutor(jobs, initializer=_start_worker, initargs=start) as pool:
        running: set[Future[Tally]] = set()
        for chunk in _chunks(args.arch, args.words, args.seed):
            running.add(pool.submit(_work, chunk, args.states, args.seed))
            if len(running) >= 2 * jobs:
                running = _collect(running, total, advance)
        while running:
            running = _collect(running, total, advance)
    return total


def _collect(running: set[Future[Tally]], total: Tally, advance: Any) -> set[Future[Tally]]:
    done, left = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        try:
            part = future.result()
        except BrokenProcessPool as error:
            raise BackendError(
                "a worker process ended: the emulator aborted over some word",
                hint="run again with --jobs 1 and ever fewer --words to find it",
            ) from error
        total.add(part)
        advance(part)
    return set(left)


def run_one(args: argparse.Namespace, policy: Policy) -> Tally:
    """Run the one case that ``--word``, ``--state`` and ``--place`` name."""
    tally = Tally()
    with open_bench(args, policy) as bench:
        case = Case(args.word, args.state, args.place)
        if bench.loops(case) or bench.driver.refuses(case.word) or bench.rejects(case):
            tally.skipped["cannot be run"] += 1
            return tally
        name = bench.encodings.class_of(case.word)
        tally.words[name] += 1
        for checked in bench.run([case]):
            tally.note(name, checked)
    return tally


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m uprobe_core.testing.conformance",
        description="Compare probed with bare execution, instruction by instruction.",
    )
    parser.add_argument("--words", type=int, default=10_000, metavar="N", help="how many to run (10000)")
    parser.add_argument("--states", type=int, default=4, metavar="K", help="random states for each word (4)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of words and states (1)")
    parser.add_argument("--jobs", type=int, default=0, metavar="J", help="processes (one per CPU)")
    parser.add_argument("--backend", default="unicorn", help="entry-point name (unicorn)")
    parser.add_argument("--arch", default=DEFAULT_ARCH, help=f"entry-point name ({DEFAULT_ARCH})")
    parser.add_argument(
        "--policy",
        default="anywhere",
        help="anywhere (default), or kernel[:VERSION], whose defects then show",
    )
    parser.add_argument("--core-only", action="store_true", help="without the native engine's probes")
    parser.add_argument("--rows", action="store_true", help="summary by row, not by group")
    parser.add_argument("--word", type=lambda text: int(text, 16), metavar="HEX", help="run this word only")
    parser.add_argument("--state", type=int, default=1, metavar="S", help="with --word: the state's seed (1)")
    parser.add_argument(
        "--place",
        type=int,
        default=0,
        metavar="P",
        choices=range(PLACES),
        help="with --word: where (0)",
    )
    return parser


def _run(args: argparse.Namespace, console: Console) -> Tally:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name, _, version = args.policy.partition(":")
    policy = Policy(name, version or "6.12")
    if args.word is not None:
        return run_one(args, policy)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    started, cases = time.monotonic(), 0
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("words", total=args.words, speed="")

        def advance(part: Tally) -> None:
            nonlocal cases
            cases += part.cases
            speed = f"{cases / (time.monotonic() - started):,.0f} cases/s"
            words = part.words.total() + part.skipped.total()
            progress.update(task, advance=words, speed=speed)

        return run_many(args, policy, advance)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    from rich.console import Console

    args = _parser().parse_args(argv)
    console = Console(stderr=True)
    started = time.monotonic()
    try:
        tally = _run(args, console)
    except UprobeError as error:
        console.print(f"error: {error}", markup=False)
        if error.hint:
            console.print(f"hint: {error.hint}", markup=False)
        return error.exit_status
    for name, difference in sorted(tally.differences, key=lambda kept: kept[0]):
        print(describe(difference, name))
    Console().print(summary_table(tally, by_row=args.rows))
    seconds = time.monotonic() - started
    for reason, count in sorted(tally.skipped.items()):
        print(f"{count} words not run: {reason}")
    print(
        f"{tally.words.total()} words, {tally.cases} cases, {tally.different.total()} with differences, "
        f"{seconds:.1f} s, {tally.cases / seconds:,.0f} cases/s"
    )
    return 1 if tally.different else 0


if __name__ == "__main__":
    sys.exit(main())
