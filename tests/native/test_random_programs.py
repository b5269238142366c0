"""Random probe set-ups over random programs: every engine, mode and way to follow returns finds the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import uprobe_core as up
from tests.native.random_programs import RandomProgram, programs
from uprobe_core.discovery.load import load_consumer

pytest.importorskip("uprobe_core.native._engine")
pytest.importorskip("uprobe_unicorn.native._glue")

pytestmark = pytest.mark.thorough

KERNEL_ARGS = [
    "%x1:u8", "%x2:x32", "%x3:s16", "%sp", "$stack0:u64", "$stack3:s32", "+0(%sp):u64", "+8(%sp):s16",
    "+16(%sp):u8[4]", "%x3:b4@2/32", "+0(%x29):x64", "+0(+0(%x29)):u32", "+0(%x5):u64", "\\5:u8", "$comm",
    "+16(%sp):string", "+0(%x6):string", "%x4:char",
]  # fmt: skip
ARGS = [*KERNEL_ARGS, "%pc:x64", "%d0:f64", "%x7:f32", "+16(%sp):f64"]
RETURN_ARGS = ["%x1:u8", "%sp", "+0(%sp):u64", "$comm", "+16(%sp):string", "$stack1:s32"]
ENTRY_ARGS = ["$arg1:s64", "$arg2:u8", "$arg3:x32"]
FILTERS = ["", "", "", "a > 100", "a & 1", "a != 0 && a < 40000", 'a == 3 || comm ~ "*p*"', "!(a >= 1000)"]


class Handler:
    """Python at each hit."""

    name = "handler"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def handler(self, hit: Any) -> None:
        self.seen.append((hit.reg(0), hit.sp, hit.address, *hit.args.values()))


class ReturnHandler:
    """Python at each return."""

    name = "handler"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def ret_handler(self, hit: Any) -> None:
        self.seen.append((hit.reg(0), hit.sp, hit.latency_ns, *hit.args.values()))


class Pair:
    """Python at both, with a cookie; misses as well."""

    name = "pair"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def handler(self, hit: Any) -> Any:
        hit.cookie = hit.reg(0)
        return up.HandlerVote.IGNORE if hit.reg(1) & 1 else None

    def ret_handler(self, hit: Any) -> None:
        self.seen.append((hit.cookie, hit.reg(0), hit.sp))


ACTIONS: dict[str, Callable[[], Any]] = {
    "count": up.Count,
    "by": lambda: up.Count(by=("a", "tid")),
    "few": lambda: up.Count(by="a", max_keys=3),
    "sum": lambda: up.Sum("a", by="comm"),
    "hist": lambda: up.Hist("a"),
    "linear": lambda: up.Hist("a", kind="linear", step=3, by="tid"),
    "sub": lambda: up.Hist("a", kind="sub", bits=3),
    "record": up.Record,
    "stacks": lambda: up.Stacks(8),
    "when": lambda: up.Count(by="a", when="a > 2 && a != 5"),
    "latency": up.Latency,
    "handler": Handler,
    "pair": Pair,
    "trace": lambda: None,
}
AT_FUNCTIONS = ("latency", "pair")


@dataclass(frozen=True)
class Probe:
    """One event.

    :param where: chooses a place or a function
    """

    is_return: bool
    where: int
    args: tuple[str, ...]
    action: str
    filter: str


def probes(entry_args: list[str], return_args: list[str]) -> st.SearchStrategy[list[Probe]]:
    entry = st.builds(
        Probe,
        st.just(False),
        st.integers(0, 1000),
        st.lists(st.sampled_from(entry_args), max_size=4).map(tuple),
        st.sampled_from(sorted(ACTIONS)),
        st.sampled_from(FILTERS),
    )
    leave = st.builds(
        Probe,
        st.just(True),
        st.integers(0, 1000),
        st.lists(st.sampled_from(return_args), max_size=4).map(tuple),
        st.sampled_from(sorted(set(ACTIONS) - {"pair"})),
        st.sampled_from(FILTERS),
    )
    return st.lists(st.one_of(entry, entry, leave), min_size=1, max_size=6)


def line_of(number: int, probe: Probe, program: RandomProgram, path: str) -> str:
    at_function = probe.is_return or probe.action in AT_FUNCTIONS
    places = program.functions if at_function else program.places
    args = [f"a={'$retval' if probe.is_return else '%x0'}:s64"]
    args += [f"b{i}={arg}" for i, arg in enumerate(probe.args)]
    kind = "r" if probe.is_return else "p"
    return f"{kind}:e{number} {path}:{places[probe.where % len(places)]:#x} {' '.join(args)}"


@contextmanager
def caught_output() -> Iterator[list[bytes]]:
    """What is written to standard output, in a list that is filled at the end."""
    found: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield found
        finally:
            os.dup2(before, 1)
            os.close(before)
            file.seek(0)
            found.append(file.read())


def consumer_of(session: up.Session, event: Any, probe: Probe) -> Any:
    if probe.action == "trace":
        session.attach(event, load_consumer("trace", {}).attach(event, session))
        return None
    consumer = (
        ReturnHandler() if (probe.action, probe.is_return) == ("handler", True) else ACTIONS[probe.action]()
    )
    session.attach(event, consumer)
    return consumer


def run(
    path: str, program: RandomProgram, chosen: list[Probe], engine: str, mode: str, **options: Any
) -> Any:
    """Everything that can be observed of a run."""
    text = Path(path + ".trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPROBE_ENGINE", engine)
        with (
            caught_output() as output,
            up.Session([path], mode=mode, output=str(text), seed=7, **options) as session,
        ):
            consumers = []
            for number, probe in enumerate(chosen):
                event = session.probe(line_of(number, probe, program, path))
                if probe.filter:
                    session.events.set_filter(f"e{number}", probe.filter)
                consumers.append(consumer_of(session, event, probe))
            status = session.run()
            results = [c.result() if hasattr(c, "result") else getattr(c, "seen", None) for c in consumers]
            lost = [getattr(c, "lost", 0) for c in consumers]
            tallies = [dict(+p.tallies) for event in session.events.events for p in event.probes]
        return {
            "status": status.code,
            "output": output[0],
            "results": [repr(result) for result in results],
            "lost": lost,
            "tallies": tallies,
            "trace": text.read_text().splitlines(),
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


def write(folder: Path, program: RandomProgram) -> str:
    path = folder / "program"
    path.write_bytes(program.elf)
    path.chmod(0o755)
    return str(path)


def output_without_probes(path: str) -> bytes:
    """From qemu-user if it is there, else from a run of ours without probes."""
    if shutil.which("qemu-aarch64"):
        return subprocess.run(["qemu-aarch64", path], check=True, capture_output=True, timeout=20).stdout
    with caught_output() as output, up.Session([path], output=os.devnull) as session:
        session.run()
    return output[0]


examples = settings(
    deadline=None,
    max_examples=15,
    phases=(Phase.explicit, Phase.generate),  # each example is many runs: shrinking takes for ever
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def compare(
    folder: Path, program: RandomProgram, chosen: list[Probe], ways: list[tuple[str, str]], **options: Any
) -> None:
    """The first of *ways*, (engine, mode), is the reference."""
    path = write(folder, program)
    reference = run(path, program, chosen, *ways[0], **options)
    assert (reference["status"], reference["output"]) == (0, output_without_probes(path))
    for engine, mode in ways[1:]:
        assert run(path, program, chosen, engine, mode, **options) == reference, (engine, mode)


@examples
@given(program=programs, chosen=probes(ARGS, RETURN_ARGS + ENTRY_ARGS))
def test_watched_returns(folder: Path, program: RandomProgram, chosen: list[Probe]) -> None:
    ways = [("py", "inline"), ("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump"), ("c", "auto")]
    compare(folder, program, chosen, ways)


@pytest.mark.slow
@examples
@given(program=programs, chosen=probes(ARGS, RETURN_ARGS + ENTRY_ARGS))
def test_hijacked_returns(folder: Path, program: RandomProgram, chosen: list[Probe]) -> None:
    ways = [("py", "trap"), ("c", "inline"), ("c", "trap"), ("c", "jump"), ("c", "auto")]
    compare(folder, program, chosen, ways, returns="hijack")


@pytest.mark.slow
@examples
@given(program=programs, chosen=probes(KERNEL_ARGS, RETURN_ARGS))
def test_what_a_kernel_does(folder: Path, program: RandomProgram, chosen: list[Probe]) -> None:
    compare(folder, program, chosen, [("py", "auto"), ("c", "auto")], policy="kernel")
