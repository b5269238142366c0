"""Run a program with probes and look at its whole state at its end: ``python observe.py JOB.json``.

The program ends in a function that is probed too, in every run alike; there
all registers and all writable memory are hashed.  What was found is written
to the file that the job names; standard output is the program's.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import uprobe_core as up


class Observer:
    """Hashes the state at a hit."""

    name = "observer"

    def __init__(self) -> None:
        self.state: dict[str, str] = {}

    def handler(self, hit: Any) -> None:
        task = hit.task
        registers = [task.get_reg(index) for index in range(34)]
        vectors = [task.get_vec(index) for index in range(32)]
        memory = hashlib.sha256()
        for mapping in task.process.mappings():
            if mapping.writable and mapping.readable:
                data = task.process.read(mapping.start, mapping.end - mapping.start)
                memory.update(f"{mapping.start:x}-{mapping.end:x} {mapping.path}".encode() + data)
        self.state = {
            "registers": " ".join(f"{value:x}" for value in registers),
            "vectors": " ".join(f"{value:x}" for value in vectors),
            "memory": memory.hexdigest(),
        }


def observe(job: dict[str, Any]) -> int:
    """Run the job; returns what the program's exit looks like to a shell."""
    observer = Observer()
    path = job["argv"][0]
    with up.Session(job["argv"], env={}, inherit_env=False, output="/dev/null", **job["options"]) as session:
        session.probe(f"p:end/end {path}:{job['end']}", observer)
        counts = {}
        for number, place in enumerate(job["places"]):
            counts[f"p{place}"] = session.probe(f"p:at/p{number} {path}:{place}", up.Count())
        for number, place in enumerate(job["functions"]):
            counts[f"r{place}"] = session.probe(f"r:of/r{number} {path}:{place}", up.Count())
        status = session.run()
    found = {"state": observer.state, "counts": {place: count.result() for place, count in counts.items()}}
    with open(job["result"], "w", encoding="utf-8") as file:
        json.dump(found, file)
    return status.shell_status


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.exit(observe(json.load(file)))
