"""What a hit over the GDB remote protocol costs: beside two exchanges of a client that does nothing else.

In wall-clock time, the best of all rounds: it is of two processes that wait for each other.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

import uprobe_core as up
from benchmarks.cases import quietly
from benchmarks.programs import symbols
from benchmarks.report import Section

__all__ = ("measure",)

HITS = 2000
_LR, _PC = 30, 32
EVENTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "count": ("p:w {path}:work", up.Count),
    "count by an argument": ("p:w {path}:work a=%x0", lambda: up.Count(by="a")),
    "count returns": ("r:w {path}:work", up.Count),
}


class Bare:
    """The least that a client can be: packets are sent, acknowledged and not looked into."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._socket.connect(path)
                return
            except OSError:
                time.sleep(0.01)

    def ask(self, payload: bytes) -> bytes:
        """One exchange."""
        self._socket.sendall(b"+$%b#%02x" % (payload, sum(payload) & 0xFF))
        data = self._socket.recv(4096)
        while b"#" not in data[:-2]:
            data += self._socket.recv(4096)
        return data.partition(b"$")[2].partition(b"#")[0]


def _bare(path: str, hits: int) -> float:
    """Seconds of *hits* stops, each with two exchanges: PC written, and on to the next."""
    with tempfile.TemporaryDirectory() as folder:
        where = os.path.join(folder, "gdb")
        words = ["qemu-aarch64", "-g", where, path, str(hits)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as emulator:
            try:
                return _exchanges(Bare(where), symbols(path)["work"], hits)
            finally:
                emulator.kill()


def _exchanges(client: Bare, work: int, hits: int) -> float:
    """Seconds of all but the first of *hits* calls of the function at *work*."""
    client.ask(b"?")
    client.ask(b"qXfer:features:read:target.xml:0,ffb")
    client.ask(b"Z0,%x,4" % work)
    client.ask(b"c")
    back = b"P%x=%b" % (_PC, client.ask(b"p%x" % _LR))
    start = time.perf_counter()
    for _ in range(hits - 1):
        client.ask(back)
        client.ask(b"c")
    return time.perf_counter() - start


def _ours(path: str, hits: int, line: str, action: Any) -> float:
    """Seconds of a run with as many hits, from its second event on."""
    with quietly(), up.Session([path, str(hits)], backend="gdbremote", env={"PATH": "/bin"}) as session:
        session.probe(line.format(path=path), action)
        session.open()
        start = time.perf_counter()
        session.run()
        return time.perf_counter() - start


def measure(path: str, repeat: int) -> list[Section]:
    """Microseconds of a hit, and how many times two bare exchanges that is."""
    if shutil.which("qemu-aarch64") is None:
        return []
    found: dict[str, list[float]] = {name: [] for name in ("two bare exchanges", *EVENTS)}
    for _ in range(repeat):
        found["two bare exchanges"].append(_bare(path, HITS))
        for name, (line, make) in EVENTS.items():
            found[name].append(_ours(path, HITS, line, make()))
    section = Section("over a Unix socket to qemu-user's stub, microseconds of a hit")
    section.rows = {name: min(times) * 1e6 / HITS for name, times in found.items()}
    for name in ("count", "count by an argument"):
        ratio = section.rows[name] / section.rows["two bare exchanges"]
        section.rows[f"{name}, times two bare exchanges"] = ratio
        section.judge(f"{name}, times two bare exchanges", "x", ratio, at_most=1.5)
    return [section]
