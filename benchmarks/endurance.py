"""Whether memory grows with hits: ``python -m benchmarks.endurance [--hits N] [--json FILE]``.

Each case is one session.  The guest calls ``mark`` sixteen times, after equal
numbers of hits; a handler there notes how much memory this process has in use.
What grows from the eighth mark to the last, when everything has been seen and
every bounded map is full, is a leak.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uprobe_core as up
from benchmarks.cases import Discard, Increment, discard_records, quietly
from benchmarks.programs import build

__all__ = ("CASES", "Case", "Outcome", "run_case")

MARKS = 16
WORK = "p:work {path}:work a=%x0 b=%x1 c=%x2 d=%x3"
STRING = "p:work {path}:work s=+0(%x2):string"
RETURN = "r:work {path}:work r=$retval"


@dataclass(frozen=True)
class Case:
    """What is probed.

    :param share: of all hits, in percent
    :param program: what the guest does: calls, jumps or threads
    :param unread: whether records are dropped from the ring as a whole, without Python for each
    """

    share: float
    mode: str
    line: str
    consumer: Callable[[], Any]
    program: str = "calls"
    unread: bool = False


CASES: dict[str, Case] = {
    "count, inline": Case(22.5, "inline", WORK, up.Count),
    "count, jump": Case(10, "jump", WORK, up.Count),
    "count, trap": Case(5, "trap", WORK, up.Count),
    "count by 65,536 keys": Case(10, "auto", WORK, lambda: up.Count(by="b")),
    "count by ever new keys": Case(5, "auto", WORK, lambda: up.Count(by="a")),
    "sum by text": Case(3, "auto", "p:work {path}:work b=%x1 s=+0(%x2):string", lambda: up.Sum("b", by="s")),
    "histogram": Case(8, "auto", WORK, lambda: up.Hist("a")),
    "stacks": Case(2, "auto", WORK, up.Stacks),
    "4 registers, drained unread": Case(14, "auto", WORK, Discard, unread=True),
    "string, drained unread": Case(6, "auto", STRING, Discard, unread=True),
    "trace text": Case(0.5, "auto", WORK, lambda: None),
    "latency": Case(8, "auto", RETURN, up.Latency),
    "latency, half left by longjmp": Case(1.5, "auto", "r:leave {path}:leave", up.Latency, "jumps"),
    "Python handler": Case(3, "auto", WORK, Increment),
    "records of short-lived threads": Case(0.5, "auto", WORK, Discard, "threads"),
    "latency on short-lived threads": Case(1, "auto", RETURN, up.Latency, "threads"),
}


@dataclass
class Outcome:
    """Memory in use, in bytes, at each mark, and the hits that were seen."""

    hits: int = 0
    lost: int = 0
    memory: list[int] = field(default_factory=list)

    @property
    def grown(self) -> int:
        """Bytes from the middle to the end."""
        return self.memory[-1] - self.memory[MARKS // 2 - 1]


def memory_in_use() -> int:
    """Bytes of this process in memory that belong to it alone."""
    with open("/proc/self/statm", encoding="ascii") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


class _Mark:
    """The handler at ``mark``."""

    name = "mark"

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def handler(self, hit: Any) -> None:
        """Note the memory."""
        self._outcome.memory.append(memory_in_use())


def run_case(path: str, case: Case, hits: int, engine: str = "auto") -> Outcome:
    """One session with so many *hits*; *path*: programs/endurance.c, compiled."""
    outcome = Outcome()
    argv = [path, case.program, str(hits)]
    with quietly(), up.Session(argv, mode=case.mode, output=os.devnull, engine=engine) as session:
        consumer = case.consumer()
        event = session.probe(case.line.format(path=path), *([] if consumer is None else [consumer]))
        if consumer is None:
            _trace(session, event)
        session.probe(f"p:mark {path}:mark", _Mark(outcome))
        session.open()
        if case.unread:
            discard_records(session)
        session.run()
        outcome.hits = sum(p.tallies["hits"] for p in next(iter(session.events.events)).probes)
        outcome.lost = getattr(consumer, "lost", 0)
    return outcome


def _trace(session: up.Session, event: Any) -> None:
    from uprobe_core.discovery.load import load_consumer

    session.attach(event, load_consumer("trace", {}).attach(event, session))


def _row(name: str, outcome: Outcome) -> str:
    mib = [size / (1 << 20) for size in outcome.memory]
    at = [mib[0], mib[MARKS // 4 - 1], mib[MARKS // 2 - 1], mib[-1]]
    lost = f"  ({outcome.lost:,} lost)" if outcome.lost else ""
    numbers = "".join(f"{size:9.1f}" for size in at)
    return f"{name:<36}{outcome.hits:>13,}{numbers}{outcome.grown / 1024:10.0f}{lost}"


def main() -> None:
    """Run all cases and print a row for each."""
    parser = argparse.ArgumentParser(prog="benchmarks.endurance", description=__doc__)
    parser.add_argument("--hits", type=int, default=100_000_000, help="of all cases together")
    parser.add_argument("--engine", default="auto", choices=("auto", "c", "py"))
    parser.add_argument("--json", help="write all numbers there")
    options = parser.parse_args()
    path = build("endurance")
    print(f"{'MiB in use at the mark':<49}{'1':>9}{'4':>9}{'8':>9}{'16':>9}{'KiB 8-16':>10}", flush=True)
    outcomes = {}
    for name, case in CASES.items():
        outcomes[name] = run_case(path, case, int(options.hits * case.share / 100), options.engine)
        print(_row(name, outcomes[name]), flush=True)
    print(f"{'all':<36}{sum(outcome.hits for outcome in outcomes.values()):>13,}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({name: outcome.__dict__ for name, outcome in outcomes.items()}, file, indent=2)


if __name__ == "__main__":
    main()
