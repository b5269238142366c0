"""Samples of a program: against qemu's count of each instruction, over engines and modes, through forks."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from uprobe_counter.profile import ProfileReport

import uprobe_core as up
from tests.programs import ROOT, zig
from uprobe_core.capabilities import Capabilities
from uprobe_core.errors import BackendError, UsageError
from uprobe_core.frame import Frame
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.session.abilities import refuse_lacking
from uprobe_core.tracing.samples import sample_spec
from uprobe_core.types import Mode, Returns

LOOP = ROOT / "examples" / "loop"


def profile(argv: tuple[str, ...], folder: Path, every: int, **options: Any) -> dict[str, Any]:
    """What ``-C profile`` finds, as the report has it."""
    report = folder / "report.json"
    use = ConsumerUse("profile", {"every": str(every), "top": "0"})
    consumers = (use, *options.pop("consumers", ()))
    setup = RunSetup(
        argv=argv,
        consumers=consumers,
        report=(str(report),),
        inherit_env=False,
        **{"output": str(folder / "out"), **options},
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    found: dict[str, Any] = json.loads(report.read_text())["consumers"][0]["found"]
    return found


def own(found: dict[str, Any]) -> dict[str, int]:
    return {row["name"]: row["self"] for row in found["functions"] if row["self"]}


def functions_of(program: Path) -> list[tuple[int, int, str]]:
    """Start, end and name of each, as pyelftools reads them."""
    with program.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        rows = [(s["st_value"], s["st_size"], s.name) for s in table.iter_symbols()]
    return [(start, start + size, name) for start, size, name in rows if size and not name.startswith("$")]


def counted_by_qemu(program: Path, folder: Path, *args: str) -> Counter[str]:
    """Executed instructions of each function, by a log of every one of them."""
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("needs qemu-aarch64")
    log = folder / "qemu.log"
    command = ["qemu-aarch64", "-singlestep", "-d", "nochain,exec", "-D", str(log), str(program), *args]
    subprocess.run(command, env={}, stdout=subprocess.DEVNULL, check=False)
    places = functions_of(program)
    names: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for match in re.finditer(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", log.read_text(), re.MULTILINE):
        pc = int(match[1], 16)
        if pc not in names:
            names[pc] = next((name for start, end, name in places if start <= pc < end), "")
        counts[names[pc]] += 1
    return counts


class TestAgainstTheTruth:
    def test_with_a_sample_of_every_instruction_the_numbers_are_qemus(self, tmp_path: Path) -> None:
        # What is left out looks at what its kernel has given it: the auxiliary vector, random numbers.
        found = own(profile((str(LOOP), "20"), tmp_path, 1))
        truth = counted_by_qemu(LOOP, tmp_path, "20")
        for name in ("main", "work", "printf_core", "vfprintf", "pad", "__stdio_write", "exit"):
            assert found[name] == truth[name], name
        assert abs(sum(found.values()) - truth.total()) < 200

    def test_shares_are_those_of_all_instructions(self, tmp_path: Path) -> None:
        truth = counted_by_qemu(LOOP, tmp_path, "3000")
        found = profile((str(LOOP), "3000"), tmp_path, 37)
        for name in ("main", "work"):
            assert own(found)[name] / found["samples"] == pytest.approx(truth[name] / truth.total(), abs=0.02)

    def test_samples_come_at_multiples_of_the_distance(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        setup = RunSetup(argv=(str(LOOP), "5"), events=(EventLine("i:100"),), format="jsonl", output=str(out))
        with up.Session.from_setup(setup) as session:
            session.run()
            executed = session.open().statistics()["instructions"]
        times = [json.loads(line)["timestamp_ns"] for line in out.read_text().splitlines()]
        assert len(times) == executed // 100
        calls = [b - a - 100 for a, b in itertools.pairwise(times)]
        assert {spent % 1000 for spent in calls} == {0}  # a microsecond for each system call between two


class TestTheSameEverywhere:
    @pytest.mark.parametrize("engine", ["c", "py"])
    @pytest.mark.parametrize("mode", [Mode.INLINE, Mode.TRAP])
    def test_engines_and_modes_take_the_same_samples(self, tmp_path: Path, engine: str, mode: Mode) -> None:
        plain = profile((str(LOOP), "200"), tmp_path, 7)
        probes = tuple(EventLine(f"{kind} {LOOP}:work") for kind in ("p:a", "r:b"))
        more = (ConsumerUse("count", event="a"), ConsumerUse("latency", event="b"))
        options = {"engine": engine, "mode": mode, "events": probes, "consumers": more}
        assert profile((str(LOOP), "200"), tmp_path, 7, **options) == plain

    def test_calls_stand_around_what_they_call(self, tmp_path: Path) -> None:
        found = profile((str(LOOP), "300"), tmp_path, 11)
        stacks = {tuple(each["names"][:2]) for each in found["events"]["profile/sample"]}
        assert ("work", "main") in stacks
        rows = {row["name"]: row for row in found["functions"]}
        assert rows["main"]["total"] == sum(
            each["count"] for each in found["events"]["profile/sample"] if "main" in each["names"]
        )

    def test_forked_processes_are_sampled_too(self, tmp_path: Path) -> None:
        program = zig("family.c")
        with up.Session([str(program)]) as session:
            by_process = session.probe("i:50", up.Count(by="common_pid"))
            session.run()
        assert len(by_process.result()) > 1


class TestFormatsAndRefusals:
    def test_a_format_that_is_named_gets_the_samples(self, tmp_path: Path) -> None:
        found = profile((str(LOOP), "50"), tmp_path, 100, format="folded")
        lines = (tmp_path / "out").read_text().splitlines()
        assert sum(int(line.rpartition(" ")[2]) for line in lines) == found["samples"]
        assert any(line.rpartition(" ")[0].endswith("main;work") for line in lines)

    def test_other_consumers_keep_to_their_events(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        profile(
            (str(LOOP), "5"),
            tmp_path,
            100,
            events=(EventLine(f"p:work {LOOP}:work"),),
            consumers=(ConsumerUse("count"),),
        )
        assert "uprobes/work: count" in out.read_text()
        assert "profile/sample: count" not in out.read_text()

    @pytest.mark.parametrize("options", [{"every": "0"}, {"sort": "size"}, {"top": "-1"}, {"evry": "1"}])
    def test_wrong_options_are_refused(self, options: dict[str, str]) -> None:
        setup = RunSetup(argv=(str(LOOP),), consumers=(ConsumerUse("profile", options),))
        with pytest.raises(UsageError), up.Session.from_setup(setup) as session:
            session.open()

    def test_one_run_has_one_distance(self) -> None:
        setup = RunSetup(
            argv=(str(LOOP),), events=(EventLine("i:5"),), consumers=(ConsumerUse("profile", {"every": "6"}),)
        )
        with pytest.raises(UsageError, match="i:5 already"), up.Session.from_setup(setup) as session:
            session.open()

    def test_a_backend_that_cannot_says_so(self) -> None:
        with pytest.raises(BackendError, match="takes no samples"):
            refuse_lacking(Capabilities(frozenset(Mode), frozenset(Returns)), RunSetup(), [sample_spec("10")])


@pytest.mark.parametrize(
    ("frame", "label"),
    [
        (Frame(0x401234, "work", 4, "/usr/bin/app"), "work"),
        (Frame(0x401234, "", 0x1234, "/usr/lib/libm.so.6"), "[libm.so.6]"),
        (Frame(0x401234, "", 0x10, "[vdso]"), "[vdso]"),
        (Frame(0x401234), "0x401234"),
    ],
)
def test_a_frame_is_called_by_its_function_its_file_or_its_address(frame: Frame, label: str) -> None:
    found = ProfileReport({(frame,): 3}, 10, top=0, sort="self", lost=0).as_json()
    assert [row["name"] for row in found["functions"]] == [label]
