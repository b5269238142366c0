"""Executed lines and how often against gcov's; formats read back; engines, modes and processes."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uprobe_counter.coverage import CoverageReport

import uprobe_core as up
from tests.programs import DEBIAN_GCC, GUEST
from uprobe_core.capabilities import Capabilities
from uprobe_core.covering.drcov import drcov_bytes
from uprobe_core.covering.files import Covered
from uprobe_core.errors import BackendError, UsageError
from uprobe_core.executed_code import CodeFile, CodeFunction
from uprobe_core.run_setup import ConsumerUse, EventLine, RunSetup
from uprobe_core.session.abilities import refuse_lacking
from uprobe_core.types import Mode, Returns

SOURCE = GUEST / "paths.c"
PUNCTUATION = re.compile(r"^\s*(\{|\}|case .*:|default:|\w+:|(static )?\w+ \**\w+\(.*\))\s*$")
"""Lines that one of the two tools gives no code: braces, labels, heads of functions."""

TWICE = re.compile(r"setjmp\(|fork\(\)|&&$")
"""Lines with another count: of a call that returns twice (gcov counts it once), of half a condition."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, without optimisation and with debug information, beside its gcov twin's counts."""
    for tool in (DEBIAN_GCC, "aarch64-linux-gnu-gcov", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    folder = tmp_path_factory.mktemp("covered")
    for name, flags in (("plain", []), ("counted", ["--coverage"])):
        command = [DEBIAN_GCC, "-O0", "-g", "-static", *flags, str(SOURCE), "-o", name]
        subprocess.run(command, cwd=folder, check=True)
    return folder / "plain"


def starter(folder: Path, program: Path) -> Path:
    """A program without debug information that executes *program*, as make does with tests."""
    path = folder / "starter"
    source = (
        f'#include <unistd.h>\nint main(void) {{ execl("{program}", "{program}", (char *)0); return 1; }}'
    )
    command = [DEBIAN_GCC, "-g0", "-O1", "-static", "-xc", "-", "-o", str(path)]
    subprocess.run(command, input=source, text=True, check=True)
    return path


def gcov(folder: Path) -> dict[int, int]:
    """By line, how often gcov saw it executed, when qemu ran the instrumented program."""
    subprocess.run(["qemu-aarch64", "./counted"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command = ["aarch64-linux-gnu-gcov", "-o", ".", "counted-paths.gcda"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    rows = (line.split(":", 2) for line in (folder / "paths.c.gcov").read_text().splitlines())
    counts = {int(number): count.strip().rstrip("*") for count, number, _ in rows}
    return {n: 0 if count[0] == "#" else int(count) for n, count in counts.items() if n and count != "-"}


def run(program: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """What ``-C coverage`` found, as the report has it."""
    report = folder / "report.json"
    setup = RunSetup(
        argv=(str(program),),
        output=str(folder / "out"),
        report=(str(report),),
        **{"consumers": (ConsumerUse("coverage"),), **options},
    )
    with up.Session.from_setup(setup) as session:
        session.run()
    consumers = json.loads(report.read_text())["consumers"]
    found: dict[str, Any] = next(c for c in consumers if c["name"] == "coverage")["found"]
    return found


def lines_in(info: str, source: str) -> dict[int, int]:
    """The lines of *source* in an lcov tracefile."""
    record = next(part for part in info.split("end_of_record\n") if f"/{source}\n" in part)
    return {int(m[1]): int(m[2]) for m in re.finditer(r"^DA:(\d+),(\d+)$", record, re.MULTILINE)}


class TestAgainstGcov:
    def test_each_line_is_executed_as_often_as_gcov_says(self, program: Path, tmp_path: Path) -> None:
        info = tmp_path / "cov.info"
        run(program, tmp_path, coverage=(str(info),))
        ours, truth = lines_in(info.read_text(), "paths.c"), gcov(program.parent)
        text = SOURCE.read_text().splitlines()
        both = ours.keys() & truth.keys()
        assert {n: ours[n] > 0 for n in both} == {n: truth[n] > 0 for n in both}
        plain = [n for n in both if not TWICE.search(text[n - 1])]
        assert {n: ours[n] for n in plain} == {n: truth[n] for n in plain}
        assert len(plain) >= 50
        assert max(ours.values()) > 2
        assert sum(not truth[n] for n in both) >= 10
        assert [text[n - 1] for n in ours.keys() ^ truth.keys() if not PUNCTUATION.match(text[n - 1])] == []

    def test_functions_that_were_not_entered_are_named_so(self, program: Path, tmp_path: Path) -> None:
        info = tmp_path / "cov.info"
        run(program, tmp_path, coverage=(str(info),))
        entered = {name: count for count, name in re.findall(r"^FNDA:(\d+),(\w+)$", info.read_text(), re.M)}
        assert entered["never"] == "0"
        assert entered["in_child"] == entered["main"] == "1"
        assert entered["kind"] == "2"

    def test_genhtml_opens_it(self, program: Path, tmp_path: Path) -> None:
        if shutil.which("genhtml") is None:
            pytest.skip("needs lcov")
        info = tmp_path / "cov.info"
        run(program, tmp_path, coverage=(str(info),))
        command = ["genhtml", "-q", "-o", str(tmp_path / "html"), str(info)]
        subprocess.run(command, check=True, capture_output=True)
        assert list((tmp_path / "html").rglob("paths.c.gcov.html"))

    def test_lcov_adds_runs_up(self, program: Path, tmp_path: Path) -> None:
        if shutil.which("lcov") is None:
            pytest.skip("needs lcov")
        info, added = tmp_path / "cov.info", tmp_path / "all.info"
        run(program, tmp_path, coverage=(str(info),))
        command = ["lcov", "-q", "-a", str(info), "-a", str(info), "-o", str(added)]
        subprocess.run(command, check=True, capture_output=True)
        once, twice = (lines_in(each.read_text(), "paths.c") for each in (info, added))
        assert twice == {line: 2 * times for line, times in once.items()}


class TestTheSameEverywhere:
    @pytest.mark.parametrize("engine", ["c", "py"])
    @pytest.mark.parametrize("mode", [Mode.INLINE, Mode.TRAP])
    def test_engines_modes_and_probes_change_nothing(
        self, program: Path, tmp_path: Path, engine: str, mode: Mode
    ) -> None:
        consumers = (ConsumerUse("coverage"), ConsumerUse("count", event="k"))
        probed = (EventLine(f"p:k {program}:kind"), EventLine(f"r:l {program}:loops"))
        infos = [tmp_path / name for name in ("plain.info", "probed.info")]
        plain = run(program, tmp_path, coverage=(str(infos[0]),))["files"][str(program)]
        options = {"events": probed, "consumers": consumers, "coverage": (str(infos[1]),)}
        same = run(program, tmp_path, engine=engine, mode=mode, **options)["files"][str(program)]
        assert infos[0].read_text() == infos[1].read_text()
        assert same["lines"] == plain["lines"]
        assert [each | {"blocks": 0} for each in same["functions"]] == [
            each | {"blocks": 0} for each in plain["functions"]
        ]  # where blocks begin and end is the emulator's business

    def test_code_behind_a_fault_was_not_executed(self, tmp_path: Path) -> None:
        if shutil.which(DEBIAN_GCC) is None:
            pytest.skip(f"needs {DEBIAN_GCC}")
        source = tmp_path / "faults.c"
        source.write_text(
            "#include <setjmp.h>\n#include <signal.h>\nstatic sigjmp_buf back;\n"
            "static void caught(int n) { (void)n; siglongjmp(back, 1); }\n"
            "int main(int argc, char **argv)\n{\n\tvolatile int *nowhere = (int *)8;\n"
            "\tsignal(SIGSEGV, caught);\n\tif (!sigsetjmp(back, 1)) {\n"
            "\t\targc = *nowhere;\n\t\targc += 5;\n\t}\n\treturn !argv;\n}\n"
        )
        program = tmp_path / "faults"
        command = [DEBIAN_GCC, "-O0", "-g", "-static", str(source), "-o", str(program)]
        subprocess.run(command, check=True)
        lines = run(program, tmp_path)["files"][str(program)]["lines"][str(source)]
        assert 10 in lines["hit"]
        assert 11 in lines["missed"]


class TestFormatsAndRefusals:
    def test_drcov_is_what_its_readers_expect(self, program: Path, tmp_path: Path) -> None:
        out = tmp_path / "cov.drcov"
        consumers = (ConsumerUse("coverage", {"files": "*"}),)
        run(program, tmp_path, coverage=(str(out),), consumers=consumers)
        head, _, rest = out.read_bytes().partition(b"BB Table: ")
        lines = head.decode().splitlines()
        assert lines[:3] == [
            "DRCOV VERSION: 2",
            "DRCOV FLAVOR: drcov",
            "Module Table: version 2, count 1",
        ]
        assert lines[3] == "Columns: id, base, end, entry, path"
        number, base, end, _entry, path = (part.strip() for part in lines[4].split(","))
        assert (number, path) == ("0", str(program))
        count, _, blocks = rest.partition(b" bbs\n")
        rows = list(struct.iter_unpack("<IHH", blocks))
        assert len(rows) == int(count) > 100
        assert all(
            start + size <= int(end, 16) - int(base, 16) and not module for start, size, module in rows
        )

    def test_each_block_is_in_one_function_at_most(self, program: Path, tmp_path: Path) -> None:
        (found,) = run(program, tmp_path)["files"].values()
        blocks = [each["blocks"] for each in found["functions"]]
        assert 0 < sum(blocks) <= found["blocks"]
        assert all(
            (count > 0) <= (each["executed"] > 0)
            for count, each in zip(blocks, found["functions"], strict=True)
        )

    def test_blocks_that_are_too_large_for_drcov_are_several(self) -> None:
        file = CodeFile("/a", "", 0x1000, 0x40000, ((0x1000, 0x20000),), (), {})
        blocks = drcov_bytes([file]).partition(b" bbs\n")[2]
        rows = list(struct.iter_unpack("<IHH", blocks))
        assert sum(size for _, size, _ in rows) == 0x20000
        assert [start for start, _, _ in rows] == [0, 0xFFFC, 0x1FFF8]

    def test_stretches_that_overlap_count_once(self) -> None:
        covered = Covered([(0x10, 8, 2), (0x14, 8, 3), (0x30, 4, 1)])
        assert covered.bytes_in(0, 0x100) == 16
        assert covered.bytes_in(0x12, 0x1A) == 8
        assert covered.bytes_in(0x1C, 0x30) == 0
        assert [covered.most(at, at + 4) for at in (0xC, 0x10, 0x14, 0x18, 0x1C, 0x30)] == [0, 2, 5, 3, 0, 1]

    def test_a_file_is_named_from_the_working_directory(self, program: Path, tmp_path: Path) -> None:
        for name in ("./plain", f"../{program.parent.name}/pl*", "plain"):
            consumers = (ConsumerUse("coverage", {"files": name}),)
            found = run(program, tmp_path, consumers=consumers, cwd=str(program.parent))
            assert list(found["files"]) == [str(program)]

    def test_what_the_program_starts_is_covered_if_it_has_lines_and_else_only_the_program(
        self, program: Path, tmp_path: Path
    ) -> None:
        wrapper = starter(program.parent, program)
        assert list(run(wrapper, tmp_path)["files"]) == [str(program), str(wrapper)]
        stripped = program.parent / "stripped"
        subprocess.run([f"{DEBIAN_GCC[:-3]}strip", str(program), "-o", str(stripped)], check=True)
        assert list(run(starter(program.parent, stripped), tmp_path)["files"]) == [str(wrapper)]

    def test_a_tracefile_without_a_line_is_warned_of(
        self, program: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        info = tmp_path / "none.info"
        run(starter(tmp_path, Path("/no/such/program")), tmp_path, coverage=(str(info),))
        assert info.read_text() == ""
        warning = f"uprobe: warning: coverage: {str(info)!r} is empty: there is {tmp_path}/starter without "
        assert warning in capfd.readouterr().err

    def test_an_unknown_end_of_a_name_is_refused(self, program: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="says which format"):
            run(program, tmp_path, coverage=(str(tmp_path / "cov.txt"),))

    def test_a_backend_that_cannot_says_so(self) -> None:
        setup = RunSetup(consumers=(ConsumerUse("coverage"),))
        with pytest.raises(BackendError, match="which code is executed"):
            refuse_lacking(Capabilities(frozenset(Mode), frozenset(Returns)), setup, ())

    def test_an_event_is_not_for_it(self, program: Path, tmp_path: Path) -> None:
        use = ConsumerUse("coverage", event="k")
        with pytest.raises(UsageError, match="for the run"):
            run(program, tmp_path, events=(EventLine(f"p:k {program}:kind"),), consumers=(use,))


FUNCTIONS = (
    CodeFunction("first", 0x1000, 40, 30, 3, 1, "/a.c", 1, {1: 1, 2: 0, 3: 0, 4: 1, 6: 0, 7: 2}),
    CodeFunction("second", 0x1100, 80, 8, 1, 1, "/a.c", 10, {n: n % 2 for n in range(10, 30)}),
    CodeFunction("never", 0x1200, 40, 0, 0, 0, "/a.c", 40, {40: 0}),
)
LINES = {line: times for each in FUNCTIONS for line, times in each.lines.items()}
TABLE = CodeFile("/a", "/a", 0x1000, 0x2000, ((0x1000, 8),) * 4, FUNCTIONS, {"/a.c": LINES})
HEAD = "coverage of /a: 2/3 functions, 13/27 lines (48.1%), 23.8% of their code, 4 blocks"


def table(sort: str = "place", top: int = 0, *, whole: bool = False) -> list[str]:
    return CoverageReport([TABLE], "", sort, top, whole=whole).as_text().splitlines()


class TestTable:
    def test_it_has_shares_and_the_ranges_of_missed_lines(self) -> None:
        assert table() == [
            HEAD,
            "  lines   code  blocks               missed lines  function",
            "    3/6  75.0%       3                      2-3 6  first",
            "  10/20  10.0%       1  10 12 14 16 18 20 22 24 …  second",
            "  1 function without executed code (whole=yes shows them)",
        ]

    def test_options_choose_rows(self) -> None:
        names = [line.split()[-1] for line in table("missed", whole=True)[2:]]
        assert names == ["second", "never", "first"]
        first, *rest = table("name", 1)[2:]
        assert first.endswith("first")
        assert rest == ["  1 more function (top=0 shows all)", table()[-1]]
